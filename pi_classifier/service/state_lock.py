"""The state folder belongs to one running copy of the program at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pi_classifier.errors import ConfigError, StateFolderTaken
from pi_classifier.system.files import remove_abandoned
from pi_classifier.system.folders import expanded
from pi_classifier.system.open_files import processes_using
from pi_classifier.system.systemd import service_unit

LOCK_NAME = "lock"


def state_folder(configured: str) -> Path | None:
    """The folder of `run.state_dir`, else the one systemd gives the service, else none."""
    given = configured or os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return expanded(given) if given else None


@contextmanager
def hold_state_folder(path: Path | None) -> Iterator[None]:
    """Keep other copies of the program out of the folder while inside; None keeps nothing.

    The folder is made when it is missing. The kernel gives the lock back however the
    program ends; what it was writing then is removed. The process id in the file is only
    for the message. Raises `StateFolderTaken` when another copy has it, and
    `ConfigError` when the folder cannot be used.
    """
    if path is None:
        yield
        return
    fd, is_new = _open(path)
    try:
        _lock(fd, path)
        if is_new:
            _refuse_former_holder(path)
        with suppress(OSError):  # a full disk: the lock holds all the same
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        remove_abandoned(path)
        yield
        with suppress(OSError):
            os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def _open(path: Path) -> tuple[int, bool]:
    """Open the lock file, which is no link; whether it was not there before."""
    # A pipe in its place is not waited for.
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        path.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(path / LOCK_NAME, flags | os.O_CREAT | os.O_EXCL, 0o644), True
        except FileExistsError:
            return os.open(path / LOCK_NAME, flags), False
    except OSError as error:
        raise _unusable(path, error) from error


def _refuse_former_holder(path: Path) -> None:
    """Refuse to start beside a copy whose folder or lock file was removed meanwhile."""
    lock = path / LOCK_NAME
    # How the kernel calls what was removed while it was open.
    removed = Path(f"{os.path.realpath(lock)} (deleted)")
    holders = processes_using(removed)
    if holders:
        with suppress(OSError):
            lock.unlink()
        raise StateFolderTaken(
            f"the state folder {path} was removed while another copy of pi-classifier was using "
            f"it: {holders[0]}; stop that one first"
        )


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StateFolderTaken(_taken(path, _holder(fd))) from None
    except OSError as error:
        raise _unusable(path, error) from error


def _holder(fd: int) -> int | None:
    with suppress(OSError, ValueError):
        return int(os.pread(fd, 32, 0))
    return None


def _taken(path: Path, holder: int | None) -> str:
    if holder is None:
        who, stop = "another copy of pi-classifier", "pgrep -a pi-classifier finds it"
    else:
        unit = service_unit(holder)
        who = f"another copy of pi-classifier, process {holder}"
        stop = f"sudo systemctl stop {unit}" if unit else f"kill {holder}"
    return (
        f"the state folder {path} is in use by {who}; stop that one ({stop}), or give this one "
        "a folder of its own: run.state_dir. As soon as that one has ended, this one can start"
    )


def _unusable(path: Path, error: OSError) -> ConfigError:
    user = f"the user number {os.geteuid()}"
    return ConfigError(
        f"the state folder {path} cannot be used: {error.strerror}; expected a folder on a local "
        f"disk that {user} may write to: give it one with run.state_dir, or as root: "
        f"chown {os.geteuid()} {path}"
    )
