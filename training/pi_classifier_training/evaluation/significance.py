"""How much of a difference chance would make anyway: bootstrap and McNemar's test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.evaluation.metrics import (
    CALIBRATION_BINS,
    SMALLEST_SCORE,
    calibration_bins,
)
from pi_classifier_training.evaluation.scoring import Outcomes

RESAMPLES = 2000
SEED = 1
# Numbers drawn at a time: a million of 8 bytes.
_DRAWN = 1 << 20

Columns = NDArray[np.float64]
Interval = tuple[float, float]


def interval(
    columns: Columns,
    statistic: Callable[[Columns], Columns] = lambda means: means[..., 0],
    *,
    basic: bool = False,
) -> Interval:
    """The 95 % bootstrap interval of a statistic of column means (Efron 1979).

    `columns` is ``[n, c]``; n rows are drawn with replacement, the same for every column,
    so that differences between models are those on the same photos. `statistic` turns
    means ``[..., c]`` into values ``[...]``. The percentiles themselves are taken, or,
    `basic`, mirrored at the estimate (Davison and Hinkley 1997, 5.6): for a statistic
    that resampling pushes to one side, such as the calibration error.
    """
    from scipy.stats import bootstrap

    n, width = columns.shape
    if n == 1:  # every draw is that one photo
        only = float(statistic(columns)[0])
        return only, only

    def drawn(rows: NDArray[np.int64], axis: int) -> Columns:  # noqa: ARG001 (always the last)
        return statistic(columns[rows].mean(axis=-2))

    low, high = bootstrap(
        (np.arange(n),),
        drawn,
        n_resamples=RESAMPLES,
        method="basic" if basic else "percentile",
        batch=max(1, _DRAWN // (n * width)),
        rng=SEED,
    ).confidence_interval
    return float(low), float(high)


def hit_column(outcomes: Outcomes) -> Columns:
    """1 where the answer is right, 0 else, ``[n, 1]``."""
    return outcomes.right.astype(np.float64)[:, np.newaxis]


def loss_column(outcomes: Outcomes) -> Columns:
    """−ln(score of the true label) in nats, ``[n, 1]``; its mean is the cross-entropy."""
    return -np.log(np.maximum(outcomes.own.astype(np.float64), SMALLEST_SCORE))[:, np.newaxis]


def gap_columns(outcomes: Outcomes) -> Columns:
    """Right (0 or 1) minus score, each photo in the column of its bin, ``[n, bins]``.

    The sum of the absolute column means is the calibration error.
    """
    gaps = np.zeros((len(outcomes.truth), CALIBRATION_BINS))
    rows = np.arange(len(outcomes.truth))
    gaps[rows, calibration_bins(outcomes.top)] = outcomes.right - outcomes.top.astype(np.float64)
    return gaps


def calibration_error_of(means: Columns) -> Columns:
    """The calibration error ``[...]`` from means ``[..., bins]`` of `gap_columns`."""
    total: Columns = np.abs(means[..., :CALIBRATION_BINS]).sum(axis=-1)
    return total


def cross_entropy_interval(outcomes: Outcomes) -> Interval:
    """The 95 % interval of the cross-entropy."""
    return interval(loss_column(outcomes))


def calibration_error_interval(outcomes: Outcomes) -> Interval:
    """The 95 % interval of the calibration error, not below 0."""
    low, high = interval(gap_columns(outcomes), calibration_error_of, basic=True)
    return max(0.0, low), max(0.0, high)


def difference_interval(ours: Columns, theirs: Columns) -> Interval:
    """The 95 % interval of the mean of `theirs` minus that of `ours`, on the same photos."""
    return interval(theirs - ours)


def calibration_change_interval(before: Outcomes, after: Outcomes) -> Interval:
    """The 95 % interval of the calibration error's change, on the same photos."""

    def change(means: Columns) -> Columns:
        return calibration_error_of(means[..., CALIBRATION_BINS:]) - calibration_error_of(means)

    return interval(np.hstack([gap_columns(before), gap_columns(after)]), change, basic=True)


def mcnemar(only_ours: int, only_theirs: int) -> float:
    """How likely chance alone gives a difference at least as large: McNemar's exact test.

    `only_ours` photos are right by one model only, `only_theirs` by the other only. Were
    both equally good, each such photo would be a fair coin (McNemar 1947); the two-sided
    binomial probability is returned.
    """
    from scipy.stats import binomtest

    n = only_ours + only_theirs
    return float(binomtest(only_ours, n).pvalue) if n else 1.0


def paired(ours: Outcomes, theirs: Outcomes) -> dict[str, Any]:
    """How `theirs` differ from `ours` on the same photos: top-1 as a fraction, tested."""
    only_ours = int(np.sum(ours.right & ~theirs.right))
    only_theirs = int(np.sum(theirs.right & ~ours.right))
    low, high = difference_interval(hit_column(ours), hit_column(theirs))
    return {
        "top1_difference": (only_theirs - only_ours) / len(ours.truth),
        "top1_difference_interval": [low, high],
        "only_first_right": only_ours,
        "only_this_right": only_theirs,
        "p_value": mcnemar(only_ours, only_theirs),
    }
