"""Photos among the negatives that may show a label after all: copies, and those it is sure of."""

from __future__ import annotations

import filecmp
import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pi_classifier.decision import SmootherSettings
from pi_classifier_training.data.dataset import Photo

log = logging.getLogger(__name__)

# So many are named: more would scroll the rest of the output away.
LISTED = 10


def without_copies(negatives: Sequence[Photo], photos: Sequence[Photo]) -> list[Photo]:
    """Those `negatives` that are no copy, byte for byte, of one of `photos`; logs the others.

    What cannot be read is a copy of nothing: whoever decodes it says so.
    """
    of_size: dict[int, list[Path]] = defaultdict(list)
    for photo in photos:
        of_size[_size_bytes(photo.path)].append(photo.path)
    kept = []
    for photo in negatives:
        alike = of_size.get(_size_bytes(photo.path), ())
        copied = next((path for path in alike if _equal(path, photo.path)), None)
        if copied is None:
            kept.append(photo)
        else:
            log.warning("left out of the negatives: %s, a copy of %s", photo.path, copied)
    return kept


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _equal(path: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(path, other, shallow=False)
    except OSError:
        return False


def doubtful(
    logits: NDArray[np.float32], indices: NDArray[np.int64], silent: Collection[int]
) -> NDArray[np.intp]:
    """Photos of nothing that a head trained with them would still announce, the surest first.

    `logits` float32 ``[n, labels]`` are the head's, `indices` int64 ``[n]`` the labels it was
    told, `silent` those of nothing.
    """
    from scipy.special import softmax

    scores = softmax(logits, axis=1).max(axis=1)
    taken = np.isin(indices, list(silent)) & ~np.isin(logits.argmax(axis=1), list(silent))
    sure = np.flatnonzero(taken & (scores >= SmootherSettings().threshold_high))
    return sure[np.argsort(-scores[sure], kind="stable")]


def name_doubtful(
    photos: Sequence[Photo],
    logits: NDArray[np.float32],
    indices: NDArray[np.int64],
    labels: Sequence[str],
    silent: Collection[int],
) -> None:
    """Log which of the `photos` trained with deserve a look; see `doubtful`."""
    suspects = doubtful(logits, indices, silent)
    if not len(suspects):
        return
    log.warning(
        "%d photos of nothing are taken for a label though the model was trained with them; do "
        "they show it after all? Then remove them from the negatives:",
        len(suspects),
    )
    for i in suspects[:LISTED]:
        log.warning("  %s: %s", photos[i].path, labels[int(logits[i].argmax())])
