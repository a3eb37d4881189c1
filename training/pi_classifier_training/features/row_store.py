"""Rows of numbers by key in two files that are only ever added to.

``NAME.keys`` begins with a header and holds one entry a row: its key and a check sum.
``NAME.rows`` holds the rows, all of one size, memory-mapped for reading. A row is written
before its key, so a process killed half-way leaves at most a tail without keys, which the
next writer cuts off. A row whose check sum does not hold counts as missing. Writers take
turns by a lock; readers need none, as what has a key never changes.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.errors import CacheError

log = logging.getLogger(__name__)

KEY_BYTES = 32
Keys = NDArray[np.bytes_]
"""SHA-256 digests, dtype ``S32``."""

_MAGIC = b"PICLROWS"
_VERSION = 1
_HEADER = struct.Struct("<8sII48x")
_ENTRY = np.dtype([("key", f"S{KEY_BYTES}"), ("check", "<u4")])
# Rows are verified through a buffer of about this size, not through the memory map.
_VERIFIED_BYTES = 4 * 1024 * 1024


class RowStore:
    """Rows of `row_bytes` bytes by 32-byte key in the folder `folder`."""

    def __init__(self, folder: Path, name: str, row_bytes: int) -> None:
        """Open the store, making it where there is none.

        One of another version or with a damaged header is made anew, with a warning.
        Raises CacheError where the folder cannot be written.
        """
        self.folder, self.row_bytes = folder, row_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._keys, self._rows = _open_both(folder, name, row_bytes)
        except OSError as error:
            raise CacheError.of(folder, error) from error
        self._sorted: Keys = np.empty(0, f"S{KEY_BYTES}")
        self._order: NDArray[np.int64] = np.empty(0, np.int64)
        self._checks: NDArray[np.uint32] = np.empty(0, np.uint32)
        # Of each row: 0 not verified yet, 1 intact, 2 damaged.
        self._state: NDArray[np.uint8] = np.empty(0, np.uint8)
        self.refresh()

    def close(self) -> None:
        """Close both files; rows mapped before stay readable."""
        self._keys.close()
        self._rows.close()

    def __len__(self) -> int:
        """How many rows it had at the last refresh."""
        return len(self._order)

    def refresh(self) -> None:
        """Take note of all rows on disk, other processes' rows too."""
        count = self._whole()
        size = count * _ENTRY.itemsize
        entries = np.frombuffer(os.pread(self._keys.fileno(), size, _HEADER.size), _ENTRY)
        # A stable order: of two rows with one key the later comes last.
        self._order = np.argsort(entries["key"], kind="stable")
        self._sorted = entries["key"][self._order]
        self._checks = entries["check"].copy()
        state = np.zeros(count, np.uint8)
        state[: len(self._state)] = self._state
        self._state = state

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """Row numbers of `keys`, int64 ``[n]``; −1 where there is no intact row."""
        if not len(self._sorted):
            return np.full(len(keys), -1, np.int64)
        place = np.searchsorted(self._sorted, keys, side="right") - 1
        known = (place >= 0) & (self._sorted[place] == keys)
        numbers = np.where(known, self._order[place], -1)
        self._verify(np.unique(numbers[known]))
        numbers[known] = np.where(self._state[numbers[known]] == 1, numbers[known], -1)
        return numbers

    def mapped(self) -> NDArray[np.uint8]:
        """All rows, uint8 ``[rows, row_bytes]``, memory-mapped and read-only."""
        if not len(self):
            return np.empty((0, self.row_bytes), np.uint8)
        shape = (len(self), self.row_bytes)
        return np.memmap(self._rows, np.uint8, "r", shape=shape)

    def add(self, keys: Keys, rows: NDArray[np.uint8]) -> None:
        """Append `rows`, uint8 ``[n, row_bytes]``, whole or not at all.

        They are found after the next refresh. Raises CacheError, as on a full disk.
        """
        entries = np.empty(len(keys), _ENTRY)
        entries["key"] = keys
        entries["check"] = [zlib.crc32(row) for row in rows]
        try:
            with _locked(self._keys):
                count = self._cut()
                try:
                    _write(self._rows, rows.tobytes(), count * self.row_bytes)
                    _write(self._keys, entries.tobytes(), self._end(count))
                except OSError:
                    self._cut(count)
                    raise
        except OSError as error:
            raise CacheError.of(self.folder, error) from error

    def _end(self, count: int) -> int:
        return _HEADER.size + count * _ENTRY.itemsize

    def _whole(self) -> int:
        """How many rows stand complete in both files."""
        keys = os.fstat(self._keys.fileno()).st_size - _HEADER.size
        rows = os.fstat(self._rows.fileno()).st_size
        return max(0, min(keys // _ENTRY.itemsize, rows // self.row_bytes))

    def _cut(self, count: int | None = None) -> int:
        """Cut off what a killed writer left behind the last complete row."""
        count = self._whole() if count is None else count
        os.ftruncate(self._rows.fileno(), count * self.row_bytes)
        os.ftruncate(self._keys.fileno(), self._end(count))
        return count

    def _verify(self, numbers: NDArray[np.int64]) -> None:
        """Compare the rows' check sums, once for each row."""
        new = numbers[self._state[numbers] == 0]
        step = max(1, _VERIFIED_BYTES // self.row_bytes)
        for low in range(0, len(self), step):
            chosen = new[np.searchsorted(new, low) : np.searchsorted(new, low + step)]
            if not len(chosen):
                continue
            block = os.pread(self._rows.fileno(), step * self.row_bytes, low * self.row_bytes)
            for number in chosen.tolist():
                start = (number - low) * self.row_bytes
                holds = zlib.crc32(block[start : start + self.row_bytes]) == self._checks[number]
                self._state[number] = 1 if holds else 2
        damaged = int(np.sum(self._state[new] == 2))
        if damaged:
            log.warning(
                "%s: %d of %d rows are damaged; they are made anew",
                self.folder, damaged, len(numbers),
            )  # fmt: skip


def _open_both(folder: Path, name: str, row_bytes: int) -> tuple[BinaryIO, BinaryIO]:
    """Open keys and rows, both new where the header is not ours."""
    keys_path, rows_path = folder / f"{name}.keys", folder / f"{name}.rows"
    while True:
        keys = _open(keys_path)
        with _locked(keys):
            # Another process may have made the store anew while this one waited.
            if not _is_at(keys, keys_path):
                keys.close()
                continue
            header = os.pread(keys.fileno(), _HEADER.size, 0)
            expected = _HEADER.pack(_MAGIC, _VERSION, row_bytes)
            if header == expected:
                return keys, _open(rows_path)
            rows_path.unlink(missing_ok=True)
            if not header:
                _write(keys, expected, 0)
                return keys, _open(rows_path)
            log.warning(
                "%s: is damaged or of another version of pi-classifier; it is made anew",
                keys_path,
            )
            keys_path.unlink()
        keys.close()


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+b", 0)


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _write(file: BinaryIO, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file.fileno(), view, offset)
        view, offset = view[written:], offset + written


@contextlib.contextmanager
def _locked(file: BinaryIO) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if not file.closed:
            fcntl.flock(file, fcntl.LOCK_UN)
