"""Opening what was downloaded: a ZIP file is unpacked with care, a folder looked through."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from pi_classifier_training.errors import ExportError

LARGEST_MEMBERS = 4096
LARGEST_BYTES = 1 << 30


def unpack(path: Path, folder: Path) -> Path:
    """Unpack a ZIP file into `folder` and return it.

    Nothing is written outside of `folder`, however its entries are named, and no more
    than 1 GiB. Raises ExportError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_sizes(path, members)
            left = LARGEST_BYTES
            for member in members:
                left -= _unpack_member(path, archive, member, folder, left)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ExportError(
            f"{path}: is not a sound ZIP file ({error}); download it again"
        ) from error
    return folder


def _check_sizes(path: Path, members: list[zipfile.ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > LARGEST_MEMBERS or total > LARGEST_BYTES:
        raise ExportError(
            f"{path}: would unpack to {len(members)} files of {total / 1e6:.0f} MB; a model "
            f"export has at most {LARGEST_MEMBERS} files of {LARGEST_BYTES / 1e6:.0f} MB together"
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
