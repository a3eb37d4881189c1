"""HDF5 files: read only where all they show lies in them, written where there is room."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_classifier.printable import printable
from pi_classifier_training.errors import ExportError

if TYPE_CHECKING:
    import h5py
    import keras

LARGEST_BYTES = 4 << 30
LARGEST_OBJECTS = 100_000
# What HDF5 writes around each array: names, types, alignment.
_AROUND_AN_ARRAY = 4096


@contextlib.contextmanager
def opened_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, once all its groups and datasets have been looked at.

    Links to other files, to other places by name, data in other files and virtual
    datasets are refused: HDF5 would follow them to any file. Raises ExportError.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _check(path, file)
            yield file
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ExportError(
            f"{path}: is not a Keras .h5 file, or damaged ({printable(str(error), 200)})"
        ) from error


def _check(path: Path, file: h5py.File) -> None:
    import h5py

    seen: set[Any] = set()
    waiting: list[h5py.Group] = [file]
    left = LARGEST_BYTES
    while waiting:
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise _refused(path, name, "a link")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                left -= _bytes(path, name, item)
        if left < 0 or len(seen) > LARGEST_OBJECTS:
            raise ExportError(
                f"{path}: holds more than {LARGEST_BYTES >> 30} GiB or {LARGEST_OBJECTS} arrays; "
                "no image classifier does"
            )


def _bytes(path: Path, name: str, item: h5py.Dataset) -> int:
    """The bytes of a dataset's values, which lie in this file."""
    if item.is_virtual:
        raise _refused(path, name, "a virtual dataset")
    if item.external:
        raise _refused(path, name, "data in another file")
    count: int = (item.size or 0) * item.dtype.itemsize
    return count


def _refused(path: Path, name: str, what: str) -> ExportError:
    return ExportError(
        f"{path}: {name[:60]!r} is {what}, which is refused: HDF5 would read other files for it. "
        "Save the model again as one file"
    )


def save_weights(model: keras.Model, path: Path) -> None:
    """Write the weights as a Keras ``.weights.h5`` file over the file `path`.

    Raises OSError where the disk has no room. HDF5 must not be the one to find that out:
    it fails twice, the second time by ending the program with a signal.
    """
    size_bytes = sum(4 * math.prod(weight.shape) + _AROUND_AN_ARRAY for weight in model.weights)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size_bytes)
    model.save_weights(path)
