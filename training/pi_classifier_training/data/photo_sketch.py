"""A sketch of the photos that a model was trained on: enough to know their folder again."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pi_classifier.system.files import open_regular_file
from pi_classifier_training.data.dataset import Photo

# With 64 of them, a folder that shares a tenth of the photos is taken for another one time in a
# thousand: 0.9 ** 64.
SKETCHED = 64
_BYTES = 8


def sketch(digests: Iterable[bytes]) -> list[str]:
    """The smallest of the SHA-256 `digests` of photos, hexadecimal, cut to 8 bytes.

    Which of the photos these are looks random, and the next training on the same photos
    has the same (a bottom-k sketch: Cohen and Kaplan 2007).
    """
    short = sorted({digest[:_BYTES] for digest in digests if digest.strip(b"\0")})
    return [digest.hex() for digest in short[:SKETCHED]]


def recorded_sketch(training: Mapping[str, Any]) -> frozenset[str]:
    """The sketch in what a run or a model file says of its training; empty without one."""
    data = training.get("data")
    stated = data.get("photo_sketch") if isinstance(data, Mapping) else None
    return frozenset(map(str, stated)) if isinstance(stated, list) else frozenset()


def any_sketched(photos: Sequence[Photo], sketched: frozenset[str]) -> bool:
    """Whether one of the photos is in a sketch.

    They are read in a mixed order, up to the first that is: of the very photos that were
    trained on that is one in `SKETCHED` parts of them.
    """
    order = list(range(len(photos)))
    random.Random(1).shuffle(order)
    return any(_digest(photos[i]) in sketched for i in order)


def _digest(photo: Photo) -> str:
    try:
        with open_regular_file(photo.path) as file:
            return hashlib.sha256(file.read()).digest()[:_BYTES].hex()
    except OSError:
        return ""
