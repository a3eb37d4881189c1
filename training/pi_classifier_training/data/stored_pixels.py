"""Decoded photos on the disk, of which a process holds only what it looks at."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Rows = int | slice | NDArray[np.integer]
"""One photo, or those of a slice or of an array of positions."""

# Where the file hierarchy standard wants large files: /tmp is memory on many systems.
_LARGE_FILES = Path("/var/tmp")  # noqa: S108 (only files without a name are made there)


class PixelRows(Protocol):
    """Photos uint8 ``[n, S, S, 3]``: an array, or a file that is read where it is looked at."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Rows, /) -> Pixels: ...

    def __iter__(self) -> Iterator[Pixels]: ...


class StoredPixels:
    """Square photos uint8 ``[n, S, S, 3]`` in a file without a name: nothing is left behind.

    Indexing reads rows anew each time. A mapped file would do so by itself, but what is
    mapped counts as the process's memory, and where the disk is full a signal ends it.
    """

    def __init__(self, capacity: int, side: int) -> None:
        """Make room for `capacity` photos of `side` pixels. Raises OSError where there is none."""
        self._picture = (side, side, 3)
        self._row_bytes = side * side * 3
        self._count = 0
        folder = large_files_dir() or tempfile.gettempdir()
        with tempfile.TemporaryFile(prefix="pi-classifier-photos-", dir=folder) as file:
            # Minutes of decoding must not end at a full disk.
            try:
                os.posix_fallocate(file.fileno(), 0, max(1, capacity) * self._row_bytes)
            except OSError as error:
                raise OSError(error.errno, self._no_room(capacity, error), folder) from error
            self._file = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._file)

    def _no_room(self, capacity: int, error: OSError) -> str:
        size_mb = capacity * self._row_bytes / 1e6
        return (
            f"no room there for {capacity} decoded photos, {size_mb:.0f} MB ({error.strerror}); "
            "free some space, or set the variable TMPDIR to a folder that has it"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """What an array of all would have."""
        return (self._count, *self._picture)

    def append(self, picture: Pixels) -> None:
        """Keep one more photo, uint8 ``[S, S, 3]``."""
        data = memoryview(picture.astype(np.uint8, copy=False).tobytes())
        if len(data) != self._row_bytes:
            raise ValueError(f"a photo of shape {picture.shape}; expected {self._picture}")
        offset = self._count * self._row_bytes
        while data:
            written = os.pwrite(self._file, data, offset)
            data, offset = data[written:], offset + written
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rows: Rows) -> Pixels:
        """One photo, or those of a slice or of an array of positions; a copy of one's own."""
        numbers = np.arange(self._count)[rows]
        out = np.empty((np.size(numbers), *self._picture), np.uint8)
        for place, number in enumerate(np.atleast_1d(numbers).tolist()):
            os.preadv(self._file, [out[place].data], number * self._row_bytes)
        return out if np.ndim(numbers) else out[0]

    def __iter__(self) -> Iterator[Pixels]:
        return (self[number] for number in range(self._count))


def large_files_dir() -> str | None:
    """The folder for large files of this run: TMPDIR, else /var/tmp; None is the usual one."""
    if os.environ.get("TMPDIR") or not os.access(_LARGE_FILES, os.W_OK | os.X_OK):
        return None
    return str(_LARGE_FILES)
