"""How much of a difference chance would make anyway: bootstrap and McNemar's test."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.evaluation.metrics import (
    CALIBRATION_BINS,
    SMALLEST_SCORE,
    calibration_bins,
)
from pi_classifier_training.evaluation.scoring import Answers

RESAMPLES = 2000
SEED = 1
# Weights drawn at a time: a million of 8 bytes.
_WEIGHTS = 1 << 20

Columns = NDArray[np.float64]
Interval = tuple[float, float]


def resampled_means(columns: Columns, resamples: int = RESAMPLES, seed: int = SEED) -> Columns:
    """Means of the columns ``[n, c]`` over `resamples` draws of n rows with replacement.

    Returns float64 ``[resamples, c]``; the same rows are drawn for every column, so that
    differences between models are those on the same photos (Efron 1979).
    """
    n = len(columns)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, columns.shape[1]))
    step = max(1, _WEIGHTS // n)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = rng.integers(0, n, (count, n)) + np.arange(count)[:, np.newaxis] * n
        weights = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n)
        means[start : start + count] = weights @ columns / n
    return means


def interval(
    columns: Columns,
    statistic: Callable[[Columns], Columns] = lambda means: means[:, 0],
    *,
    basic: bool = False,
) -> Interval:
    """The 95 % bootstrap interval of a statistic of column means.

    `statistic` turns means ``[k, c]`` into values ``[k]``. The percentiles themselves are
    taken, or, `basic`, mirrored at the estimate (Davison and Hinkley 1997, 5.6): for a
    statistic that resampling pushes to one side, such as the calibration error.
    """
    low, high = np.percentile(statistic(resampled_means(columns)), (2.5, 97.5))
    if basic:
        estimate = float(statistic(columns.mean(axis=0, keepdims=True))[0])
        low, high = 2 * estimate - high, 2 * estimate - low
    return float(low), float(high)


def hit_column(answers: Answers) -> Columns:
    """1 where the answer is right, 0 else, ``[n, 1]``."""
    return answers.right.astype(np.float64)[:, np.newaxis]


def loss_column(answers: Answers) -> Columns:
    """−ln(score of the true label) in nats, ``[n, 1]``; its mean is the cross-entropy."""
    return -np.log(np.maximum(answers.own.astype(np.float64), SMALLEST_SCORE))[:, np.newaxis]


def gap_columns(answers: Answers) -> Columns:
    """Right (0 or 1) minus score, each photo in the column of its bin, ``[n, bins]``.

    The sum of the absolute column means is the calibration error.
    """
    gaps = np.zeros((len(answers.truth), CALIBRATION_BINS))
    rows = np.arange(len(answers.truth))
    gaps[rows, calibration_bins(answers.top)] = answers.right - answers.top.astype(np.float64)
    return gaps


def calibration_error_of(means: Columns) -> Columns:
    """The calibration error ``[k]`` from means ``[k, bins]`` of `gap_columns`."""
    total: Columns = np.abs(means[:, :CALIBRATION_BINS]).sum(axis=1)
    return total


def cross_entropy_interval(answers: Answers) -> Interval:
    """The 95 % interval of the cross-entropy."""
    return interval(loss_column(answers))


def calibration_error_interval(answers: Answers) -> Interval:
    """The 95 % interval of the calibration error, not below 0."""
    low, high = interval(gap_columns(answers), calibration_error_of, basic=True)
    return max(0.0, low), max(0.0, high)


def difference_interval(ours: Columns, theirs: Columns) -> Interval:
    """The 95 % interval of the mean of `theirs` minus that of `ours`, on the same photos."""
    return interval(theirs - ours)


def calibration_change_interval(before: Answers, after: Answers) -> Interval:
    """The 95 % interval of the calibration error's change, on the same photos."""

    def change(means: Columns) -> Columns:
        return calibration_error_of(means[:, CALIBRATION_BINS:]) - calibration_error_of(means)

    return interval(np.hstack([gap_columns(before), gap_columns(after)]), change, basic=True)


def mcnemar(only_ours: int, only_theirs: int) -> float:
    """How likely chance alone gives a difference at least as large: McNemar's exact test.

    `only_ours` photos are right by one model only, `only_theirs` by the other only. Were
    both equally good, each such photo would be a fair coin (McNemar 1947); the two-sided
    binomial probability is returned.
    """
    n, fewer = only_ours + only_theirs, min(only_ours, only_theirs)
    if n == 0:
        return 1.0
    log_half = n * math.log(0.5)
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + log_half
        for k in range(fewer + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(log) for log in logs))


def paired(ours: Answers, theirs: Answers) -> dict[str, Any]:
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
