"""Photos that look alike belong to one scene: views of one thing, a burst, an edited copy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.photos import load_image
from pi_classifier_training.data.near_duplicates import DisjointSets, similar_pairs
from pi_classifier_training.data.sharing import Listed, alone
from pi_classifier_training.data.similarity import GRAY_SIDE, difference_hash, gray_thumbnail
from pi_classifier_training.data.splits import group_of, place
from pi_classifier_training.progress import Progress

# A spread of gray below this many of 256 levels shows nothing to be alike in.
_EMPTY_SPREAD = 4.0
# A command lists its photos several times; each sight takes about a kilobyte.
_REMEMBERED = 50_000

# The difference hash and the small gray picture, as bytes; None for what shows nothing.
Sight = tuple[int, bytes]


def scenes(photos: Sequence[Listed]) -> list[str]:
    """Name the scene of every photo, whatever its label: near-duplicates share it.

    Photos that cannot be read, or that show next to nothing, are scenes of their own. Frames
    of one video are one scene.
    """
    sets = DisjointSets(len(photos))
    firsts: dict[str, int] = {}
    for i, photo in enumerate(photos):
        sets.join(firsts.setdefault(alone(photo), i), i)
    sights = _sights(photos)
    seen = [i for i, sight in enumerate(sights) if sight is not None]
    hashes = np.array([sight[0] for sight in sights if sight is not None], np.uint64)
    small = [sight[1] for sight in sights if sight is not None]
    for a, b, _ in similar_pairs(hashes, lambda i: np.frombuffer(small[i], np.uint8)):
        sets.join(seen[a], seen[b])
    names = [alone(photo) for photo in photos]
    for number, members in enumerate(sets.members()):
        # The place of the lowest stays when photos of the scene are added, most times.
        lowest = min((group_of(photos[i].name) for i in members), key=place)
        for i in members:
            names[i] = f"{number}/\0{lowest}"
    return names


def _sights(photos: Sequence[Listed]) -> list[Sight | None]:
    with ThreadPoolExecutor(os.cpu_count()) as pool, Progress("scenes", len(photos)) as progress:
        sights = []
        for sight in pool.map(_sight, (f"{photo.folder}/{photo.name}" for photo in photos)):
            sights.append(sight)
            progress.step()
    return sights


def _sight(path: str) -> Sight | None:
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return _looked_at(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=_REMEMBERED)
def _looked_at(path: str, _size: int, _changed_ns: int) -> Sight | None:
    try:
        gray = Image.fromarray(load_image(path, min_side=GRAY_SIDE)).convert("L")
    except ImageError:
        return None
    small = gray_thumbnail(gray)
    if float(small.std()) < _EMPTY_SPREAD:
        return None
    return difference_hash(gray), small.tobytes()
