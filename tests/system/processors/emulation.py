"""Runs commands in a root of another processor, with nothing registered on this machine.

The kernel hands programs of the other processor to QEMU because a list of formats says so;
here that list is that of a user namespace which lives as long as the command (enter.sh).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .machines import Architecture, Processor

REPOSITORY = Path(__file__).resolve().parents[3]
INSIDE = "/srv/pi-classifier"
SHARED = "/shared"
_ENTER = Path(__file__).with_name("enter.sh")
_QEMU = {"arm64": "qemu-aarch64-static", "armhf": "qemu-arm-static"}
# The head of an ELF file, and which of its bits matter: class, byte order, kind, machine.
_MAGIC = {"arm64": (2, 0xB7), "armhf": (1, 0x28)}
_ALL_USERS = "0 0 4294967295"


class EmulationError(Exception):
    """Nothing could be run; the message says why."""


def missing_for_emulation() -> str:
    """What this machine lacks to run other processors' programs, in words; empty when nothing."""
    if os.geteuid() != 0:
        return "running other processors' programs needs root: sudo"
    lacking = [each for each in (*_QEMU.values(), "unshare") if shutil.which(each) is None]
    if lacking:
        return f"no {', '.join(lacking)} here (apt packages qemu-user-static, util-linux)"
    return ""


@dataclass(frozen=True, slots=True)
class Emulation:
    """A root, made by `userlands`, on one processor.

    `shared` is a folder that both sides see, inside as /shared.
    """

    root: Path
    processor: Processor
    shared: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *words: str, timeout_s: float = 3600, merged: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the repository's folder; what it writes elsewhere is lost.

        `merged` puts its stderr into its stdout. Raises EmulationError, TimeoutExpired.
        """
        self.shared.mkdir(parents=True, exist_ok=True)
        with _scratch() as (work, cpuinfo):
            cpuinfo.write_text(self.processor.cpuinfo(), "ascii")
            command = (
                *("sh", str(_ENTER), binfmt(self.processor.architecture), str(work)),
                *(str(self.root), str(REPOSITORY), str(self.shared), str(cpuinfo), *words),
            )
            return _in_namespaces(command, self._variables(), timeout_s, merged)

    def _variables(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/usr/local/sbin:/usr/sbin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "QEMU_CPU": self.processor.name,
            **self.environment,
        }


@contextlib.contextmanager
def _scratch() -> Iterator[tuple[Path, Path]]:
    """A folder for mounts, and the name of a file."""
    with tempfile.TemporaryDirectory(prefix="processor-") as folder:
        work = Path(folder, "work")
        work.mkdir()
        yield work, Path(folder, "cpuinfo")


def run_here(
    architecture: Architecture, *words: str, timeout_s: float = 3600
) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine that starts programs of `architecture`."""
    with _scratch() as (work, _):
        head = ("sh", str(_ENTER), binfmt(architecture), str(work), "-", "-", "-", "-")
        return _in_namespaces((*head, *words), dict(os.environ), timeout_s, merged=True)


def binfmt(architecture: Architecture) -> str:
    """The line that makes a kernel start programs of `architecture` with QEMU.

    F opens QEMU at once, so that it need not be found inside the root.
    """
    qemu = shutil.which(_QEMU[architecture])
    if qemu is None:
        raise EmulationError(missing_for_emulation())
    bits, machine = _MAGIC[architecture]
    magic = b"\x7fELF" + bytes((bits, 1, 1, *([0] * 9), 2, 0, machine, 0))
    # Neither the system it is for matters nor whether it may be loaded anywhere.
    mask = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe" + b"\xff" * 3
    name = _QEMU[architecture].removesuffix("-static")
    return f":{name}:M::{_escaped(magic)}:{_escaped(mask)}:{qemu}:F"


def _escaped(octets: bytes) -> str:
    return "".join(f"\\x{each:02x}" for each in octets)


def _in_namespaces(
    command: Sequence[str], environment: Mapping[str, str], timeout_s: float, merged: bool
) -> subprocess.CompletedProcess[str]:
    # The command waits for a line, by which time its users are those of this machine.
    waiting = 'read _ && exec "$@" </dev/null'
    with subprocess.Popen(
        ["unshare", "--user", "--mount", "sh", "-c", waiting, "sh", *command],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merged else subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            _map_users(process)
            output, errors = process.communicate("\n", timeout=timeout_s)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def _map_users(process: subprocess.Popen[str]) -> None:
    """Every user is itself in the new namespace, once that is there."""
    ours = Path("/proc/self/ns/user").readlink()
    # `unshare` says nothing when it has done it; it takes a millisecond.
    while Path(f"/proc/{process.pid}/ns/user").readlink() == ours:
        if process.poll() is not None:
            raise EmulationError("unshare failed: this machine allows no user namespaces")
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{process.pid}/{name}").write_text(_ALL_USERS, "ascii")


def native(*words: str, timeout_s: float = 3600) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository's folder on this machine's own processor."""
    return subprocess.run(
        words, cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout_s, check=False
    )
