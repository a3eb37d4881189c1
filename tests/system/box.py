"""A real systemd as process 1, booted by systemd-nspawn on an overlay of a root folder.

    with Box(Path("/"), files={"/etc/motd": "hello"}) as box:
        box.run("systemctl", "start", "some.service")
        entry = box.wait_for_entry({"UNIT": "some.service"}, timeout_s=5)

Nothing of the machine it runs on is changed: the overlay's upper layer is a tmpfs in a
mount namespace that only the box's processes hold, the network is private, and the box's
processes die with the test's process, however that ends. So mounts cannot be left behind;
control groups of a killed test are removed by the next box.

Needs root and systemd-nspawn (apt package systemd-container). Device limits of units bite
inside (bpf is let through); memory limits only where the memory controller is on cgroup v2.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .journal import Entry, Match, as_function, entry_of, lines_until
from .traces import CGROUPS, PREFIX, RUN, is_cgroup, make_cgroup, remove_cgroups, remove_leftovers

_BOOT_LIMIT_S = 60.0
_PR_SET_PDEATHSIG = 1
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
    "TERM": "dumb",
    "SYSTEMD_PAGER": "",
    "DEBIAN_FRONTEND": "noninteractive",
}
# The mounts are made where only the box's own processes see them.
_START = """
set -e
mount -t tmpfs -o mode=755,size=4g tmpfs "$1"
mkdir "$1/work" "$1/root"
cp -a "$2" "$1/upper"
mount -t overlay overlay -o "lowerdir=$3,upperdir=$1/upper,workdir=$1/work" "$1/root"
shift 3
systemd-nspawn "$@"
exit $?
"""
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class File:
    """What is placed in the box before it boots."""

    content: str | bytes
    mode: int = 0o644


class BoxError(Exception):
    """The box did not do what was asked; the message says what and shows its words."""


def missing_for_boxes() -> str:
    """What this machine lacks to boot a box, in words; empty when nothing."""
    if os.geteuid() != 0:
        return "booting a real systemd needs root"
    absent = [each for each in ("systemd-nspawn", "nsenter", "unshare") if not shutil.which(each)]
    if absent:
        return f"booting a real systemd needs {', '.join(absent)} (apt package systemd-container)"
    return ""


class Box:
    """A booted systemd; a context manager.

    `root` is a folder with a Debian, "/" for this machine's own; it is never written.
    `files` are placed over it, `bind` maps folders of this machine to read-only places
    inside. /tmp and /run are fresh inside. `boot_s` is how long the boot took.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        files: Mapping[str, str | bytes | File] | None = None,
        bind: Mapping[Path, str] | None = None,
        target: str = "multi-user.target",
        options: Sequence[str] = (),
    ) -> None:
        self._lower = root
        self._files = dict(files or {})
        self._bind = dict(bind or {})
        self._target = target
        self._options = tuple(options)
        self._stack = contextlib.ExitStack()
        self.leader = 0
        self.boot_s = 0.0

    def __enter__(self) -> Self:
        missing = missing_for_boxes()
        if missing:
            raise BoxError(missing)
        remove_leftovers()
        with contextlib.ExitStack() as stack:
            started_s = time.monotonic()
            self._boot(stack)
            self.boot_s = time.monotonic() - started_s
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # Commands and files

    def run(
        self, *command: str, check: bool = True, stdin: str = "", timeout_s: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root, to its end; `stdout` holds both streams.

        Raises BoxError when it fails (unless `check` is False) or does not end in time.
        """
        try:
            done = subprocess.run(
                [*self._enter, *command],
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="backslashreplace",
                env=_ENVIRONMENT,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            said = (error.stdout or b"").decode("utf-8", "replace")
            raise BoxError(f"{' '.join(command)}: no end within {timeout_s:g} s\n{said}") from None
        if check and done.returncode != 0:
            raise BoxError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
        return done

    def path(self, inside: str) -> Path:
        """Where this machine sees a file of the running box."""
        return Path(f"/proc/{self.leader}/root{inside}")

    def write(self, inside: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file of the running box, with the folders it needs."""
        _place(self.path(inside), File(content, mode))

    # Units

    def systemctl(self, *words: str, check: bool = True, timeout_s: float = 120.0) -> str:
        """Run `systemctl WORDS…`; returns what it printed."""
        return self.run("systemctl", *words, check=check, timeout_s=timeout_s).stdout

    def properties(self, unit: str) -> dict[str, str]:
        """All properties of a unit, as `systemctl show` prints them."""
        lines = self.systemctl("show", "--all", unit).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def wait_for_property(
        self, unit: str, name: str, wanted: Callable[[str], bool], timeout_s: float
    ) -> str:
        """The property's value once it is as `wanted`; BoxError after `timeout_s`.

        Asks again and again: systemd tells of properties only over D-Bus.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            value = self.systemctl("show", "--value", f"--property={name}", unit).rstrip("\n")
            if wanted(value):
                return value
            if time.monotonic() > deadline_s:
                raise BoxError(
                    f"{unit}: {name}={value!r} is not as expected after {timeout_s:g} s\n"
                    + self.systemctl("status", unit, check=False)
                )
            time.sleep(0.03)

    def processes(self, unit: str) -> tuple[int, ...]:
        """The processes of a unit, by their numbers on this machine."""
        group = self.systemctl("show", "--value", "--property=ControlGroup", unit).strip()
        if not group:
            return ()
        # read from outside, where the numbers are this machine's
        return tuple(
            int(pid)
            for path in self.path(f"/sys/fs/cgroup{group}").rglob("cgroup.procs")
            for pid in path.read_text().split()
        )

    # The journal

    def cursor(self) -> str:
        """The place in the journal after its last entry now."""
        shown = self.run("journalctl", "--lines=1", "--output=json", "--quiet").stdout
        return str(json.loads(shown)["__CURSOR"])

    def journal(self, match: Match | None = None, *, after: str = "") -> list[Entry]:
        """The journal's entries after the cursor that are as `match` says, oldest first."""
        # journalctl's own matches lose the first entry when a cursor is given as well
        command = ["journalctl", "--output=json", "--quiet", "--all"]
        if after:
            command.append(f"--after-cursor={after}")
        entries = map(entry_of, self.run(*command, check=False).stdout.splitlines())
        wanted = as_function(match or {})
        return [entry for entry in entries if wanted(entry)]

    def wait_for_entry(self, match: Match, timeout_s: float = 10.0, *, after: str = "") -> Entry:
        """The first entry after the cursor that has these fields; BoxError if none comes.

        `match` maps fields to values, or is a function of an entry. Without a cursor the
        whole journal is searched first, then what is added to it.
        """
        wanted = as_function(match)
        deadline_s = time.monotonic() + timeout_s
        seen: list[Entry] = []
        with contextlib.closing(self._follow(after, deadline_s)) as entries:
            for entry in entries:
                if wanted(entry):
                    return entry
                seen.append(entry)
        last = "\n".join(f"  {each.get('MESSAGE', '')}" for each in seen[-40:])
        asked = "as asked" if callable(match) else str(dict(match))
        raise BoxError(f"no journal entry {asked} within {timeout_s:g} s; the last ones:\n{last}")

    def _follow(self, after: str, deadline_s: float) -> Generator[Entry, None, None]:
        command = ["journalctl", "--follow", "--no-tail", "--output=json", "--quiet", "--all"]
        if after:
            command.append(f"--after-cursor={after}")
        with subprocess.Popen(
            [*self._enter, *command], stdout=subprocess.PIPE, env=_ENVIRONMENT
        ) as process:
            try:
                assert process.stdout is not None
                yield from map(entry_of, lines_until(process.stdout.fileno(), deadline_s))
            finally:
                process.kill()

    # Boot and end

    @property
    def _enter(self) -> list[str]:
        spaces = ("-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w")
        return ["nsenter", "-t", str(self.leader), *spaces, "--"]

    def _boot(self, stack: contextlib.ExitStack) -> None:
        base = RUN / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        base.mkdir(mode=0o700)
        stack.callback(remove_cgroups, base.name)
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        placed, mounts = base / "placed", base / "mounts"
        mounts.mkdir()
        for inside, content in self._files.items():
            file = content if isinstance(content, File) else File(content)
            _place(placed / inside.lstrip("/"), file, like=self._lower)
        machine = File(os.urandom(16).hex() + "\n", 0o444)
        _place(placed / "etc/machine-id", machine, like=self._lower)
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        stack.callback(ready.close)
        ready.bind(str(base / "ready"))
        log = (base / "log").open("wb")
        stack.callback(log.close)
        groups = [make_cgroup(each / base.name) for each in CGROUPS if is_cgroup(each)]
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "--propagation=private"),
                # all that runs in the box dies with this one process
                *("--pid", "--fork", "--mount-proc", "--kill-child"),
                *("sh", "-c", _START, "box"),
                *(str(mounts), str(placed), str(self._lower)),
                *self._nspawn(base.name, mounts / "root"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_ENVIRONMENT
            | {"NOTIFY_SOCKET": str(base / "ready"), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            start_new_session=True,  # ^C is the test's to handle
            preexec_fn=_into(groups),  # noqa: PLW1509 (only system calls)
        )
        stack.callback(self._end, process)
        _await_ready(ready, process, base / "log")
        self.leader = _first_process(groups)

    def _nspawn(self, name: str, root: Path) -> Iterable[str]:
        yield from ("--quiet", f"--directory={root}", "--boot", f"--machine={name}")
        yield from ("--hostname=box", "--register=no", "--keep-unit", "--notify-ready=yes")
        yield from ("--console=pipe", "--link-journal=no", "--private-network")
        yield from ("--resolv-conf=off", "--timezone=off")
        yield "--system-call-filter=bpf"  # else units' device limits do nothing, in silence
        yield from (f"--bind-ro={outside}:{inside}" for outside, inside in self._bind.items())
        yield from self._options
        yield from (f"systemd.unit={self._target}", "systemd.mask=dev-hugepages.mount")

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        self.leader = 0


def _await_ready(ready: socket.socket, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + _BOOT_LIMIT_S
    ready.settimeout(0.5)
    while True:
        try:
            lines = ready.recv(65536).decode().splitlines()
        except TimeoutError:
            if process.poll() is None and time.monotonic() < deadline_s:
                continue
            raise BoxError(f"systemd did not boot:\n{log.read_text('utf-8', 'replace')}") from None
        if "READY=1" in lines:
            return


def _first_process(groups: Iterable[Path]) -> int:
    """Process 1 of the box by its number here; nspawn tells it as its own space counts."""
    for group in groups:
        for path in group.rglob("init.scope/cgroup.procs"):
            for pid in path.read_text().split():
                return int(pid)
    raise BoxError("the booted systemd is in none of its control groups")


def _place(path: Path, file: File, like: Path | None = None) -> None:
    """Write a file; folders made on the way get the mode they have in `like`."""
    missing = [each for each in path.parents if not each.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    if like is not None:
        # placed files lie in a layer whose folders hide the modes of those below
        for folder in missing:
            original = like.joinpath(*_below_placed(folder))
            if original.is_dir():
                folder.chmod(stat.S_IMODE(original.stat().st_mode))
    content = file.content.encode() if isinstance(file.content, str) else file.content
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(file.mode)


def _below_placed(folder: Path) -> tuple[str, ...]:
    parts = folder.parts
    return parts[parts.index("placed") + 1 :] if "placed" in parts else ()


def _into(groups: Sequence[Path]) -> Callable[[], None]:
    """Enter these control groups, so that nspawn keeps out of the test's own; die with it."""

    def enter() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for group in groups:
            (group / "cgroup.procs").write_text("0")

    return enter
