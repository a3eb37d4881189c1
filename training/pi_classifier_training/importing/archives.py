"""Opening what was downloaded: a ZIP file is unpacked with care, a folder looked through."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from pi_classifier.system.files import open_regular_file
from pi_classifier_training.errors import ExportError

LARGEST_MEMBERS = 4096
LARGEST_BYTES = 1 << 30
_LARGEST_DIRECTORY = 4 << 20
# The record at a ZIP's end (APPNOTE.TXT 4.3.16), and what stands before it in a ZIP64.
_END, _END_MARK, _LONGEST_COMMENT = struct.Struct("<4s4H2LH"), b"PK\5\6", 0xFFFF
_LOCATOR_MARK, _LOCATOR_BYTES = b"PK\6\7", 20


# What zipfile and the unpackers beneath it raise for archives that are damaged.
_UNSOUND = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError,
    RuntimeError,
)  # fmt: skip
# No folder takes such names, or two entries want the same one.
_ODD_NAMES = (errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL)


@contextlib.contextmanager
def opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a ZIP file that is worth unpacking, by what it says of itself.

    Raises ExportError, also for what is found to be unsound within the block.
    """
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist())
            yield archive
    except (*_UNSOUND, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _ODD_NAMES:
            raise
        raise ExportError(
            f"{path}: is not a sound ZIP file ({error}); download it again"
        ) from error


def unpack(path: Path, folder: Path) -> Path:
    """Unpack a ZIP file into `folder` and return it.

    Nothing is written outside of `folder`, however its entries are named, and no more
    than 1 GiB. Raises ExportError.
    """
    with opened_archive(path) as archive:
        left = LARGEST_BYTES
        for member in archive.infolist():
            left -= _unpack_member(path, archive, member, folder, left)
    return folder


def _check_directory(path: Path) -> None:
    """Refuse a list of files that would fill the memory before it can be counted."""
    with open_regular_file(path) as file:
        file.seek(-min(_END.size + _LONGEST_COMMENT, path.stat().st_size), os.SEEK_END)
        tail = file.read()
    place = tail.rfind(_END_MARK)
    if place < 0 or place + _END.size > len(tail):
        raise zipfile.BadZipFile("its end is missing")
    is_large = tail[max(place - _LOCATOR_BYTES, 0) :].startswith(_LOCATOR_MARK)
    if is_large or _END.unpack_from(tail, place)[5] > _LARGEST_DIRECTORY:
        raise ExportError(f"{path}: lists more files than any model export has")


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > LARGEST_MEMBERS or total > LARGEST_BYTES:
        raise ExportError(
            f"{path}: would unpack to {len(members)} files of {total / 1e6:.0f} MB; a model "
            f"export has at most {LARGEST_MEMBERS} files of {LARGEST_BYTES / 1e6:.0f} MB together"
        )
    for member in members:
        # zipfile unpacks the others without a limit: a kilobyte may become a gigabyte.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ExportError(
                f"{path}: holds {member.filename!r} in an unusual compression "
                f"({member.compress_type}); pack it again as an ordinary ZIP"
            )


def _unpack_member(
    path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, left: int
) -> int:
    """Write one entry and return its bytes; the sizes an archive states may be lies."""
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in member.filename:
        raise ExportError(
            f"{path}: holds the entry {member.filename!r}, which leads out of the folder it is "
            "unpacked to; this is no model export"
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ExportError(f"{path}: holds a link, {member.filename!r}; no model export does")
    if member.is_dir():
        return 0
    target = folder.joinpath(*name.parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(_Limited(source, left, path), file, 1 << 16)
    return target.stat().st_size


class _Limited:
    """Reads on until more than `left` bytes have come."""

    def __init__(self, source: IO[bytes], left: int, path: Path) -> None:
        self._source, self._left, self._path = source, left, path

    def read(self, count: int = -1) -> bytes:
        data = self._source.read(count)
        self._left -= len(data)
        if self._left < 0:
            raise ExportError(f"{self._path}: unpacks to more than it says; it is damaged")
        return data
