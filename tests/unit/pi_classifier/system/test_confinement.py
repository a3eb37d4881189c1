"""A process that has given up its rights, asked to use them."""

from __future__ import annotations

import json
import platform
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pi_classifier.system import confinement
from pi_classifier.system.confinement import ConfinementUnavailable, confine

# Each line is an attempt; what is printed is 1 for those that succeeded.
ATTEMPTS = {
    "read what it may": "open(allowed / 'in' / 'file').read()",
    "list what it may": "os.listdir(allowed / 'in')",
    "write to its folder": "open(own / 'new', 'w').write('x')",
    "make a folder": "os.mkdir(own / 'folder')",
    "rename": "os.rename(own / 'old', own / 'older')",
    "delete": "os.remove(own / 'older')",
    "list names": "os.listdir(listed)",
    "start a thread": "threading.Thread(target=int).start()",
    "end itself": "signal.raise_signal(signal.SIGCHLD)",
    "map memory": "mmap.mmap(-1, 4096)",
    "read a listed file": "open(listed / 'file').read()",
    "read another file": "open(other / 'file').read()",
    "list another folder": "os.listdir(other)",
    "read through a link": "open(own / 'link').read()",
    "write where it may read": "open(allowed / 'in' / 'file', 'a')",
    "empty where it may read": "os.close(os.open(allowed / 'in' / 'file', os.O_TRUNC))",
    "write elsewhere": "open(other / 'new', 'w')",
    "delete elsewhere": "os.remove(other / 'file')",
    "link from elsewhere": "os.link(other / 'file', own / 'stolen')",
    "rename elsewhere": "os.rename(own / 'old2', other / 'new')",
    "make a device": "os.mkfifo(own / 'pipe')",
    "permissions": "os.chmod(other / 'file', 0o777)",
    "owner": "os.chown(other / 'file', os.getuid(), os.getgid())",
    "times": "os.utime(other / 'file')",
    "attributes": "os.setxattr(other / 'file', 'user.x', b'x')",
    "empty": "os.truncate(other / 'file', 0)",
    "TCP": "socket.socket()",
    "UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "local socket": "socket.socket(socket.AF_UNIX)",
    "socket pair": "socket.socketpair()",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "program": "subprocess.run(['/bin/true'], check=True)",
    "program in memory": "os.execve(memory_program(), ['x'], {})",
    "signal": "os.kill(os.getppid(), 0)",
    "another process": "open(f'/proc/{os.getppid()}/environ').read()",
}
ALLOWED = 10
PROGRAM = """
import json, mmap, os, signal, socket, subprocess, sys, threading
from pathlib import Path
from pi_classifier.system.confinement import confine
folder, attempts, confined = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3] == "confined"
allowed, own, listed, other = (folder / n for n in ("allowed", "own", "listed", "other"))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def memory_program():
    file = os.memfd_create("x")
    os.write(file, b"#!/bin/true\\n")
    return file
if confined:
    confine([allowed, Path(sys.prefix), Path(sys.base_prefix), Path("/usr"), folder / "none"],
            [own, Path(os.devnull)], [listed])
for name, attempt in attempts.items():
    try:
        exec(attempt)
    except PermissionError:
        print(json.dumps([name, "refused"]))
    except OSError as error:
        print(json.dumps([name, repr(error)]))
    else:
        print(json.dumps([name, "done"]))
    sys.stdout.flush()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("allowed/in", "own", "listed", "other"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text("content")
    for name in ("old", "old2"):
        (tmp_path / "own" / name).touch()
    (tmp_path / "own" / "link").symlink_to(tmp_path / "other" / "file")
    return tmp_path


def outcomes(folder: Path, mode: str, names: list[str]) -> dict[str, str]:
    attempts = json.dumps({name: ATTEMPTS[name] for name in names})
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), attempts, mode],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(line) for line in done.stdout.splitlines())


def test_it_can_do_what_it_may_and_nothing_else(folder: Path) -> None:
    names = list(ATTEMPTS)
    found = outcomes(folder, "confined", names)
    assert {name: found[name] for name in names[:ALLOWED]} == dict.fromkeys(
        names[:ALLOWED], "done"
    )
    refused = names[ALLOWED:]
    # A link or name from one folder to another is EXDEV to Landlock.
    other = {name: found[name] for name in refused if found[name] != "refused"}
    assert all("Invalid cross-device link" in words for words in other.values()), other
    assert set(other) <= {"link from elsewhere", "rename elsewhere"}
    assert (folder / "other" / "file").read_text() == "content"
    assert (folder / "allowed" / "in" / "file").read_text() == "content"
    assert sorted(path.name for path in (folder / "other").iterdir()) == ["file"]


def test_unconfined_it_can_do_it_all(folder: Path) -> None:
    """Else the test above would show nothing. What has no way back is left out."""
    names = [name for name in ATTEMPTS if name not in ("program in memory", "delete elsewhere")]
    found = outcomes(folder, "free", names)
    assert {name: words for name, words in found.items() if words != "done"} == {}


def test_threads_would_keep_their_rights() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="several threads"):
            confine([], [])
    finally:
        release.set()
        thread.join()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_refuses_by_its_last_instruction(machine: str) -> None:
    """Run by hand: as the kernel does, for each number and for a foreign architecture."""
    processor = confinement._PROCESSORS[machine]
    program = confinement._filter(processor)
    for name, number in processor.calls.items():
        assert verdict(program, processor.architecture, number) == "refused", name
    for number in (0, 1, 3, 9, 423, 0x40000000 - 1):
        expected = "refused" if number in processor.calls.values() else "allowed"
        assert verdict(program, processor.architecture, number) == expected
    assert verdict(program, processor.architecture, 425) == "refused"  # io_uring
    assert verdict(program, processor.architecture, 0x40000000) == "refused"
    assert verdict(program, processor.architecture + 1, 0) == "refused"


def verdict(program: bytes, architecture: int, number: int) -> str:
    data = {0: number, 4: architecture}
    place, value = 0, 0
    while True:
        code, yes, no, operand = struct.unpack_from("=HBBI", program, 8 * place)
        place += 1
        if code == 0x20:
            value = data[operand]
        elif code == 0x06:
            return {0x7FFF0000: "allowed", 0x00050001: "refused"}[operand]
        else:
            met = value == operand if code == 0x15 else value >= operand
            place += yes if met else no


def test_an_unknown_processor_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "m68k")
    with pytest.raises(ConfinementUnavailable, match="m68k"):
        confine([], [])
