"""Figures of merit of a classifier, each with its formula's name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    from scipy.stats import binomtest

    if n == 0:
        raise ValueError("no photos were evaluated")
    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return Accuracy(hits / n, float(low), float(high))


def ranks(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the true label when labels are sorted by score, best 0, int64 ``[n]``.

    `scores` is ``[n, labels]``, `truth` ``[n]``. Of equal scores the lower index comes
    first, as in the daemon's own sorting.
    """
    own = scores[np.arange(len(truth)), truth][:, np.newaxis]
    before = np.arange(scores.shape[1]) < truth[:, np.newaxis]
    ahead = (scores > own) | ((scores == own) & before)
    return np.asarray(ahead.sum(axis=1), np.int64)


def cross_entropy(own: NDArray[np.float32]) -> float:
    """Mean of −ln(score of the true label) ``[n]``, in nats; scores are held above 1e-7."""
    return float(-np.log(np.maximum(own.astype(np.float64), SMALLEST_SCORE)).mean())


def calibration_error(top: NDArray[np.float32], hit: NDArray[np.bool_]) -> float:
    """Expected calibration error over ten equal bins of the top score (Guo et al. 2017).

    `top` is the best score of each photo ``[n]``, `hit` whether its label is right.
    """
    bins = calibration_bins(top)
    gaps = np.bincount(bins, weights=hit - top.astype(np.float64), minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(top))


def calibration_bins(top: NDArray[np.float32]) -> NDArray[np.int64]:
    """The bin of `CALIBRATION_BINS` equal ones that each score ``[n]`` falls into, int64."""
    return np.minimum((top * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)


def confusions(
    truth: NDArray[np.int64], given: NDArray[np.int64], labels: int
) -> list[tuple[int, int, int]]:
    """How often each label was given for each: (true, given, count), most frequent first.

    Right answers (true equals given) are among them. Ties in the order of the indices.
    """
    cells, counts = np.unique(truth * labels + given, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [
        (int(cell) // labels, int(cell) % labels, int(count))
        for cell, count in zip(cells[order], counts[order], strict=True)
    ]


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """How one label fares; None where nothing is to be divided by.

    `n` photos show it; `recall` of them were given it; of the photos that were given
    it `precision` show it; `f1` is the harmonic mean of both.
    """

    n: int
    precision: float | None
    recall: float | None
    f1: float | None


def label_figures(
    truth: NDArray[np.int64], given: NDArray[np.int64], labels: int
) -> list[LabelFigures]:
    """Precision, recall and F1 of each of `labels` labels."""
    shown = np.bincount(truth, minlength=labels)
    named = np.bincount(given, minlength=labels)
    hits = np.bincount(truth[truth == given], minlength=labels)
    return [
        LabelFigures(
            n=int(shown[i]),
            precision=_ratio(hits[i], named[i]),
            recall=_ratio(hits[i], shown[i]),
            f1=_ratio(2 * hits[i], shown[i] + named[i]),
        )
        for i in range(labels)
    ]


def _ratio(part: np.int64, whole: np.int64) -> float | None:
    return float(part) / float(whole) if whole else None


@dataclass(frozen=True, slots=True)
class Announcements:
    """What would be said of photos, shown one by one, from a score of `threshold` on.

    Of `n` photos `named` are given a label aloud, `wrong` of these another than theirs.
    """

    n: int
    named: int
    wrong: int
    threshold: float


def announcements(
    truth: NDArray[np.int64],
    given: NDArray[np.int64],
    top: NDArray[np.float32],
    threshold: float,
    silent: Collection[int] = (),
) -> Announcements:
    """What the smoother's rule for a single frame makes of answers, each array ``[n]``.

    `given` are the labels with the best scores `top`; those with an index in `silent` are
    never said.
    """
    # The daemon compares Python floats: float32 would round a threshold such as 0.7 itself.
    named = (top.astype(np.float64) >= threshold) & ~np.isin(given, list(silent))
    wrong = named & (given != truth)
    return Announcements(len(top), int(named.sum()), int(wrong.sum()), threshold)
