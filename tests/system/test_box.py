"""The box itself: real, alone, and gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .box import Box, BoxError, missing_for_boxes
from .traces import CGROUPS, PREFIX, RUN, remove_leftovers

ROOT = Path(__file__).resolve().parents[2]
ECHO = "[Service]\nType=oneshot\nExecStart=/bin/echo hello\n"
A_TEST_THAT_IS_KILLED = """\
import os, signal, sys
from pathlib import Path
from tests.system.box import Box
with Box(Path(sys.argv[1]), target="basic.target") as box:
    print(box.leader, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def bare(bookworm_root: Path) -> Iterator[Box]:
    files = {"/etc/systemd/system/echo.service": ECHO}
    with Box(bookworm_root, files=files, target="basic.target") as box:
        yield box


def traces(owner: int) -> list[str]:
    """Folders, control groups and mounts of boxes of this process."""
    name = f"{PREFIX}{owner}-"
    places = (*CGROUPS, RUN)
    found = [str(path) for place in places for path in place.glob(f"{name}*")]
    return found + [line for line in Path("/proc/mounts").read_text().splitlines() if name in line]


def test_process_1_is_systemd(bare: Box) -> None:
    assert Path(f"/proc/{bare.leader}/comm").read_text() == "systemd\n"
    state = bare.systemctl("is-system-running", check=False)
    assert state.strip() in {"running", "starting"}
    assert bare.boot_s > 0


def test_the_journal_is_awaited_and_read(bare: Box) -> None:
    before = bare.cursor()
    bare.systemctl("start", "echo.service")
    said = bare.wait_for_entry({"MESSAGE": "hello"}, 10, after=before)
    assert said["_SYSTEMD_UNIT"] == "echo.service"
    assert [entry["MESSAGE"] for entry in bare.journal({"SYSLOG_IDENTIFIER": "echo"})] == ["hello"]
    assert bare.journal({"MESSAGE": "hello"}, after=said["__CURSOR"]) == []
    assert bare.properties("echo.service")["Result"] == "success"
    with pytest.raises(BoxError, match="no journal entry"):
        bare.wait_for_entry({"MESSAGE": "never"}, 0.1)


def test_a_command_that_fails_says_why(bare: Box) -> None:
    with pytest.raises(BoxError, match=r"exit code 2[\s\S]*no-such-file"):
        bare.run("ls", "/no-such-file")
    assert bare.run("cat", stdin="x").stdout == "x"
    with pytest.raises(BoxError, match="no end within"):
        bare.run("sleep", "60", timeout_s=0.2)


def test_what_it_writes_stays_inside(bare: Box, bookworm_root: Path) -> None:
    bare.write("/etc/written", "inside")
    bare.run("sh", "-c", "echo more >> /etc/written")
    assert bare.path("/etc/written").read_text() == "insidemore\n"
    assert not (bookworm_root / "etc/written").exists()
    assert bare.run("cat", "/sys/class/net/lo/operstate").returncode == 0
    assert not bare.path("/sys/class/net/eth0").exists()


def test_devices_are_limited_as_on_a_real_machine(bare: Box) -> None:
    # without bpf the kernel would let everything through, and nobody would be told
    limited = ("--property=DevicePolicy=strict", "--property=DeviceAllow=/dev/null r")
    for device, code in (("/dev/null", 0), ("/dev/zero", 1)):
        read = ("systemd-run", "--wait", "--quiet", *limited, "head", "-c1", device)
        assert bare.run(*read, check=False).returncode == code


def test_nothing_is_left_behind(bookworm_root: Path) -> None:
    before = traces(os.getpid())
    with Box(bookworm_root, target="basic.target") as box:
        leader = box.leader
        assert len(traces(os.getpid())) > len(before)
    assert traces(os.getpid()) == before
    assert not Path(f"/proc/{leader}").exists()


def test_a_box_ends_with_its_test_and_the_next_one_tidies_up(bookworm_root: Path) -> None:
    script = [sys.executable, "-c", A_TEST_THAT_IS_KILLED, str(bookworm_root)]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True, cwd=ROOT) as test:
        assert test.stdout is not None
        assert int(test.stdout.readline()) > 0
        assert test.wait(30) == -signal.SIGKILL
    remove_leftovers()
    assert traces(test.pid) == []


def test_what_a_box_needs_is_here() -> None:
    assert missing_for_boxes() == ""
