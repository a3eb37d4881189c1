"""Files: read whole and within bounds, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

log = logging.getLogger(__name__)

PARTIAL_PREFIX = ".partial-"
"""How the names of files begin that are being written; a killed program leaves them behind."""
NOT_A_FILE = "is a device, a pipe or a socket, not a file"
# After the prefix: the process that writes it.
_WRITER = re.compile(rf"{re.escape(PARTIAL_PREFIX)}(\d{{1,9}})-[0-9a-f]{{12}}-")
_ABANDONED_S = 3600.0
# A name may have 255 bytes. Its end is kept: some writers choose the format by the suffix.
_KEPT_NAME = 40


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True, follow: bool = True) -> Iterator[Path]:
    """Yield an empty file beside `path`, which takes its place when the block ends well.

    Readers meet the old file or the new one, never a part; after an error the old one
    stays. A new file has the permissions of any new file, a replaced one those it had; a
    link keeps pointing to its file; a device or pipe, such as /dev/stdout, is yielded as
    it is. Without `follow` a link is replaced itself, whoever made it. `durable`: it survives
    a power cut as well, at the cost of waiting for the disk; False is for what can be made
    again. Raises OSError, which names `path`.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    target = Path(os.path.realpath(path)) if follow else path
    writer = f"{os.getpid()}-{os.urandom(6).hex()}"
    partial = target.with_name(f"{PARTIAL_PREFIX}{writer}-{path.name[-_KEPT_NAME:]}")
    try:
        partial.touch(exist_ok=False)
        yield partial
        with contextlib.suppress(FileNotFoundError):
            partial.chmod(target.stat().st_mode & 0o777)
        if durable:
            _sync(partial)
        partial.replace(target)
        if durable:
            # The contents are safe; this makes their new name so, where folders can be synced.
            with contextlib.suppress(OSError):
                _sync(target.parent)
    except OSError as error:
        # A full disk's error does not say which file was being written.
        unnamed = error.filename is None or str(error.filename) == str(partial)
        if unnamed and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def write_atomic(path: Path, data: bytes | memoryview, *, durable: bool = True) -> None:
    """Write a whole file, as `replacing` does. Raises OSError, which names `path`."""
    with replacing(path, durable=durable) as partial:
        partial.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write JSON that a person can read, as a whole file. Raises OSError, which names `path`."""
    write_atomic(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def open_regular_file(path: Path) -> BinaryIO:
    """Open a file that somebody named, for reading bytes.

    Raises OSError, also for a device, a pipe or a socket, which may never end, or never
    begin.
    """
    try:
        # Opening a pipe would wait for whoever writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError:  # a name with a zero byte, or with half a character
        raise OSError(errno.EINVAL, "no file can have this name", str(path)) from None
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.EINVAL, NOT_A_FILE, str(path)) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, NOT_A_FILE, str(path))
    return os.fdopen(descriptor, "rb")


def read_regular_file(path: Path, most_bytes: int) -> bytes:
    """Read a whole file that somebody named, in which anything may be.

    Raises OSError as `open_regular_file` does, and for more than `most_bytes`.
    """
    with open_regular_file(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        limit = f"holds more than the {most_bytes / 1e6:g} MB that are expected at most"
        raise OSError(errno.EFBIG, limit, str(path))
    return data


def read_json_object(path: Path, most_bytes: int) -> dict[str, Any]:
    """Read a file of one JSON object, in which anything may be.

    Raises OSError as `read_regular_file` does, and ValueError for what is no JSON object.
    """
    try:
        value = json.loads(read_regular_file(path, most_bytes))
    except RecursionError as error:
        raise ValueError("expected an object, not lists within lists without end") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    return value


def remembered(path: Path, most_bytes: int, otherwise: str) -> dict[str, Any]:
    """What an earlier run wrote with `write_json`; an empty object where it left nothing.

    What cannot be read counts as nothing; a warning says so, and what happens `otherwise`.
    """
    try:
        return read_json_object(path, most_bytes)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s: cannot be read (%s); %s", path, error, otherwise)
        return {}


def remove_abandoned(folder: Path) -> None:
    """Remove from `folder` what programs that were killed had begun to write there.

    A file whose name does not say who writes it counts as left behind after an hour.
    """
    with contextlib.suppress(OSError):
        for partial in folder.glob(f"{PARTIAL_PREFIX}*"):
            writer = _WRITER.match(partial.name)
            old = time.time() - partial.lstat().st_mtime > _ABANDONED_S
            if not _is_running(int(writer[1])) if writer else old:
                partial.unlink(missing_ok=True)


def all_but_newest(folder: Path, pattern: str, most: int) -> list[Path]:
    """Return the files in `folder` that `pattern` names, but for the `most` newest of them.

    Raises OSError.
    """
    files = sorted(folder.glob(pattern), key=lambda file: file.stat().st_mtime_ns)
    return files[:-most]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


def told(error: OSError) -> str:
    """An error of the system in words, with the file it is about."""
    words = error.strerror or str(error)
    return f"{error.filename}: {words}" if error.filename else words


def check_ours(folder: Path) -> None:
    """Raise PermissionError where another user could have put files into `folder`.

    It, and the link that may lead to it, must belong to this user or to root, and not
    every user may write to it. Raises other OSErrors where it cannot be looked at.
    """
    for status in (folder.lstat(), folder.stat()):
        if status.st_uid not in (0, os.geteuid()):
            raise PermissionError(errno.EPERM, "belongs to another user", str(folder))
    if status.st_mode & stat.S_IWOTH:
        raise PermissionError(errno.EPERM, "can be written by every user", str(folder))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
