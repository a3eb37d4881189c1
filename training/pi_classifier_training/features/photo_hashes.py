"""The SHA-256 of each photo's file, not computed again for files known before."""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Sequence

import numpy as np

from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.features.row_store import KEY_BYTES, Keys, RowStore
from pi_classifier_training.progress import Progress

# A file changed this short a time ago may change again without its times changing.
_SETTLED_NS = 2_000_000_000
_STAT = struct.Struct("<5q")
_AT_ONCE = 4096


def hash_photos(photos: Sequence[Photo], known: RowStore) -> Keys:
    """SHA-256 of every photo's bytes, ``S32`` ``[n]``; empty where it cannot be read.

    A file whose inode, size and times are those noted in `known` is
    not read again. Raises CacheError where nothing can be noted.
    """
    hashes: Keys = np.empty(len(photos), f"S{KEY_BYTES}")
    with Progress("hashing photos", len(photos)) as progress:
        for start in range(0, len(photos), _AT_ONCE):
            portion = photos[start : start + _AT_ONCE]
            hashes[start : start + len(portion)] = _hash_portion(portion, known)
            progress.step(len(portion))
    return hashes


def _hash_portion(photos: Sequence[Photo], known: RowStore) -> Keys:
    settled_ns = time.time_ns() - _SETTLED_NS
    marks, settled = np.empty(len(photos), f"S{KEY_BYTES}"), np.zeros(len(photos), bool)
    for i, photo in enumerate(photos):
        marks[i], settled[i] = _mark(photo, settled_ns)
    rows = known.find(marks)
    digests = np.zeros((len(photos), KEY_BYTES), np.uint8)
    noted = settled & (rows >= 0)
    digests[noted] = known.mapped()[rows[noted]]
    for i in np.flatnonzero(~noted).tolist():
        digest = _digest(photos[i])
        digests[i] = np.frombuffer(digest.ljust(KEY_BYTES, b"\0"), np.uint8)
        settled[i] &= bool(digest)
    new = np.flatnonzero(settled & ~noted)
    if len(new):
        _, firsts = np.unique(marks[new], return_index=True)
        known.add(marks[new[firsts]], digests[new[firsts]])
        known.refresh()
    return digests.view(f"S{KEY_BYTES}")[:, 0]


def _mark(photo: Photo, settled_ns: int) -> tuple[bytes, bool]:
    """What tells a file from its changed self; whether that can be relied on."""
    try:
        stat = os.stat(photo.path_text)  # noqa: PTH116
    except OSError:
        return b"", False
    mark = _STAT.pack(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    settled = max(stat.st_mtime_ns, stat.st_ctime_ns) < settled_ns
    return hashlib.sha256(mark).digest(), settled


def _digest(photo: Photo) -> bytes:
    try:
        with photo.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""
