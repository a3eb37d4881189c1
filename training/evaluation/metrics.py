"""Figures of merit of a classifier, each with its formula's name."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The two-sided 95 % point of the normal distribution.
Z_95 = 1.959963984540054
CALIBRATION_BINS = 10
SMALLEST_SCORE = 1e-7


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A share of `n` photos with its 95 % interval; all fractions."""

    value: float
    low: float
    high: float


def wilson(hits: int, n: int) -> Accuracy:
    """The share `hits / n` with Wilson's score interval (Wilson 1927)."""
    if n == 0:
        raise ValueError("no photos were evaluated")
    share, z2 = hits / n, Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Accuracy(share, max(0.0, centre - half), min(1.0, centre + half))


def ranks(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the true label when labels are sorted by score, best 0, int64 ``[n]``.

    `scores` is ``[n, labels]``, `truth` ``[n]``. Of equal scores the lower index comes
    first, as in the daemon's own sorting.
    """
    own = scores[np.arange(len(truth)), truth][:, np.newaxis]
    before = np.arange(scores.shape[1]) < truth[:, np.newaxis]
    ahead = (scores > own) | ((scores == own) & before)
    return np.asarray(ahead.sum(axis=1), np.int64)


def cross_entropy(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Mean of −ln(score of the true label), in nats; scores are held above 1e-7."""
    own = scores[np.arange(len(truth)), truth].astype(np.float64)
    return float(-np.log(np.maximum(own, SMALLEST_SCORE)).mean())


def calibration_error(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Expected calibration error over ten equal bins of the top score (Guo et al. 2017)."""
    top = scores.max(axis=1)
    hit = scores.argmax(axis=1) == truth
    bins = np.minimum((top * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [
        abs(hit[bins == b].mean() - top[bins == b].mean()) * np.mean(bins == b)
        for b in np.unique(bins)
    ]
    return float(sum(gaps))
