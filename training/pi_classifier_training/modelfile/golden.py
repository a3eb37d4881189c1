"""Golden vectors: a few tiny pictures with the scores the finished file gives them.

The daemon replays them when it loads the model, so that a runtime, a processor or a
damaged cache that computes something else is found before the first frame. They
need no photos: coarse mosaics of random colors excite a network well enough.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.labels import labels_fit
from pi_classifier.modelfile.model_file import upsample_nearest
from pi_classifier_training.errors import ExportError

CANDIDATES = 96
KEPT = 4
# With tens of thousands of labels four would fill the manifest, whose size is limited.
_MOST_SCORES = 40_000
_SIDES = (4, 5, 6, 8)
_DECIMALS = 6

Scores = NDArray[np.float32]
Pixels = NDArray[np.uint8]


class Scorer(Protocol):
    """What golden vectors are made with; the daemon's `ModelClassifier` is one."""

    @property
    def input_size(self) -> tuple[int, int]: ...

    def raw_scores(self, pixels: Pixels) -> Scores: ...


def golden_vectors(classifier: Scorer, labels: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Return four golden vectors in the form of ``pi_classifier.json``; of many labels fewer.

    Of `CANDIDATES` mosaics those are kept whose scores differ most from each other:
    a network that answers everything alike would make the self-test vacuous, and is
    refused with ExportError.
    """
    rng = np.random.default_rng(seed)
    mosaics = [_mosaic(rng) for _ in range(CANDIDATES)]
    size = classifier.input_size
    scores = np.stack([classifier.raw_scores(upsample_nearest(m, size)).copy() for m in mosaics])
    if not labels_fit(len(labels), scores.shape[1]):
        raise ExportError(f"{len(labels)} labels for a network with {scores.shape[1]} outputs")
    kept = _most_different(scores)
    spread = float(np.abs(scores - scores[kept[0]]).max())
    if not spread > 10**-_DECIMALS:
        raise ExportError(
            "the network gives every picture the same scores; it learned nothing, or was "
            "quantized with ranges that fit nothing"
        )
    return [_as_json(mosaics[i], scores[i]) for i in kept]


def _mosaic(rng: np.random.Generator) -> Pixels:
    """A few tiles within a random range of colors, as pictures have a mood."""
    side = int(rng.choice(_SIDES))
    ends = np.sort(rng.integers(0, 256, (2, 3)), axis=0)
    tiles: Pixels = rng.integers(ends[0], ends[1] + 1, (side, side, 3)).astype(np.uint8)
    return tiles


def _most_different(scores: Scores) -> list[int]:
    """Indices of at most `KEPT` rows, each next one farthest from all before it."""

    def distance(i: int) -> Scores:
        total: Scores = np.abs(scores - scores[i]).sum(axis=1)
        return total

    kept = [int(np.argmax(scores.max(axis=1)))]
    nearest = distance(kept[0])
    while len(kept) < min(KEPT, _MOST_SCORES // scores.shape[1]):
        kept.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, distance(kept[-1]))
    return kept


def _as_json(mosaic: Pixels, scores: Scores) -> dict[str, Any]:
    return {
        "shape": list(mosaic.shape),
        "pixels": base64.b64encode(mosaic.tobytes()).decode("ascii"),
        "scores": [round(float(score), _DECIMALS) for score in scores],
    }
