"""A copy of each model in the cache folder: what is mapped is nobody else's to change.

A model stays mapped into memory for as long as it runs. If the user's own file were mapped,
writing a newer one over it would change the network while it runs, and cutting it short
would end the program (SIGBUS). So the file is opened once, and what is read from there on
is a copy that is named by its contents: never written again, one for all programs.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import mmap
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pi_classifier.errors import ModelFileError, is_the_machines
from pi_classifier.modelfile.encryption import decrypt_model, find_key, is_encrypted
from pi_classifier.system.files import (
    all_but_newest,
    check_ours,
    open_regular_file,
    remove_abandoned,
    replacing,
)
from pi_classifier.system.memory_file import MemoryFile

log = logging.getLogger(__name__)

FOLDER = "models"
"""The folder in the cache folder that holds the copies."""
_SUFFIX = ".tflite"
# Old models' copies would fill a memory card in the end. One that is mapped may go as well:
# its pages stay until it is closed, and the next opening copies it again.
_MOST_COPIES = 8
# TensorFlow Lite refers to data by 32-bit offsets.
LARGEST_MODEL = 1 << 31
# So that another thread gets its turn, and a hash is not slowed down by calls.
_BLOCK_BYTES = 1 << 20
_BEGINNING_BYTES, _IDENTIFIER = 64, slice(4, 8)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model as it is opened: `path` is its name, `file` what is read and mapped.

    `kept_in` is the folder for what is known of it, if there is one. `memory` is there where
    the file at `path` is encrypted: it holds `file` open, and nothing of it goes to a disk.
    """

    path: Path
    file: Path
    sha256: str
    kept_in: Path | None = None
    memory: MemoryFile | None = None

    @property
    def is_copied(self) -> bool:
        """Whether `file` is a copy, on the disk or in memory, which nobody changes."""
        return self.file != self.path


def model_source(path: Path, cache_dir: Path | None, key_file: str | None = None) -> ModelSource:
    """Open the file at `path`, once, and see to it that its copy is in `cache_dir`.

    Without a usable cache folder the file itself is what will be mapped, and the log says
    so. An encrypted one is decrypted into memory, with the key in `key_file` or the
    service's. Raises `ModelFileError` for what cannot be a model, `ConfigError` for a key
    that does not fit, OSError where the machine refuses.
    """
    folder = None if cache_dir is None else cache_dir / FOLDER
    with _opened(path, path) as file:
        if is_encrypted(os.pread(file.fileno(), _BEGINNING_BYTES, 0)):
            return _in_memory(path, decrypt_model(path, file, find_key(key_file)), folder)
        sha256 = _copied(file, None)
        # Anything else will be refused; a film need not be copied for that.
        if folder is None or os.pread(file.fileno(), 8, 0)[_IDENTIFIER] != b"TFL3":
            return ModelSource(path, path, sha256)
        try:
            copy = _kept(file, folder, sha256)
        except BlockingIOError:
            raise
        except OSError as error:
            log.warning(
                "%s: stays mapped itself, no copy can be kept (%s: %s): replace it only by "
                "renaming another file, never write into it while it is in use; its packed "
                "weights stay in memory",
                path,
                cache_dir,
                error.strerror,
            )
            return ModelSource(path, path, sha256)
    return ModelSource(path, copy, sha256, folder)


def _in_memory(path: Path, memory: MemoryFile, folder: Path | None) -> ModelSource:
    with _opened(memory.path, path) as file:
        sha256 = _copied(file, None)
    with contextlib.suppress(OSError):  # what is known of it is then forgotten at the end
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return ModelSource(path, memory.path, sha256, folder, memory)


def mapped_model(path: Path, name: Path) -> memoryview:
    """Map a file that may be a model into memory; `name` is what it is called in errors.

    Raises `ModelFileError`, and OSError where the machine refuses.
    """
    with _opened(path, name) as file:
        try:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:  # emptied meanwhile
            raise ModelFileError(f"{name}: cannot be read ({error})") from error
    # Closed with its last reference: the traceback of an error may hold one for longer.
    return memoryview(mapping)


@contextlib.contextmanager
def _opened(path: Path, name: Path) -> Iterator[BinaryIO]:
    try:
        file = open_regular_file(path)
    except FileNotFoundError:
        raise ModelFileError(f"{name}: there is no such model file; check the path") from None
    except IsADirectoryError:
        raise ModelFileError(f"{name}: is a folder; name the .tflite file in it") from None
    except OSError as error:
        if is_the_machines(error):
            raise
        raise ModelFileError(f"{name}: cannot be read ({error.strerror})") from error
    with file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise ModelFileError(f"{name}: is empty; copy the file again")
        if size > LARGEST_MODEL:
            raise ModelFileError(f"{name}: is larger than a TFLite model can be (2 GB)")
        try:
            yield file
        except OSError as error:
            if error.filename is None and error.errno is not None:
                raise OSError(error.errno, error.strerror, str(name)) from error
            raise


def _kept(file: BinaryIO, folder: Path, sha256: str) -> Path:
    """The copy of the open file in `folder`, made where it is missing.

    Raises BlockingIOError for a file that is being written, other OSErrors for the folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_ours(folder)
    for place in (folder, folder.parent):
        remove_abandoned(place)
    copy = folder / (sha256 + _SUFFIX)
    if _is_sound(copy, os.fstat(file.fileno()).st_size):
        with contextlib.suppress(OSError):  # a read-only folder
            os.utime(copy)  # the oldest go first
        return copy
    copy.unlink(missing_ok=True)  # a link would be followed
    with replacing(copy) as partial:
        if _copied(file, partial) != sha256:
            written = "is being written; wait until it is whole"
            raise BlockingIOError(errno.EAGAIN, written, str(file.name))
        partial.chmod(0o400)
    _drop_oldest(folder)
    return copy


def _is_sound(copy: Path, size: int) -> bool:
    """Whether it is a file of ours that nobody was meant to write into."""
    try:
        status = copy.lstat()
    except OSError:
        return False
    ours = stat.S_ISREG(status.st_mode) and status.st_uid in (0, os.geteuid())
    return ours and not status.st_mode & 0o222 and status.st_size == size


def _copied(file: BinaryIO, target: Path | None) -> str:
    """Return the SHA-256 of the open file, after copying it to `target` where there is one."""
    digest = hashlib.sha256()
    file.seek(0)
    with contextlib.ExitStack() as stack:
        copy = stack.enter_context(target.open("wb")) if target is not None else None
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            if copy is not None:
                copy.write(block)
    return digest.hexdigest()


def _drop_oldest(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for old in all_but_newest(folder, f"*{_SUFFIX}", _MOST_COPIES):
            old.unlink()
