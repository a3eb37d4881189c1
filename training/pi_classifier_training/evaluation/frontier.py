"""What every choice of accept thresholds costs and gets right, counted on scored photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.evaluation.scoring import Outcomes

# Thresholds beyond 0.99 would leave next to nothing to the cheap model.
THRESHOLDS = np.round(np.arange(0.30, 0.995, 0.01), 2)
# Points of the grid over the thresholds of all stages.
_POINTS = 200_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Frontier:
    """Accuracy and cost of a cascade of K stages at every point of a grid of thresholds.

    `grid` holds the thresholds each stage but the last may take, float64 ``[g]``;
    `accuracy` (a fraction), `cost_ms` (mean of one frame) and `deferral` (share of photos
    that stage 1 passes on) have K − 1 axes of length g, one a stage.
    """

    grid: Floats
    accuracy: Floats
    cost_ms: Floats
    deferral: Floats

    def at(self, point: tuple[int, ...]) -> tuple[float, ...]:
        """The thresholds of a point of the grid."""
        return tuple(float(self.grid[i]) for i in point)


def grid_for(stages: int) -> Floats:
    """The thresholds to try: all of `THRESHOLDS`, fewer where many stages multiply them."""
    most = max(3, int(_POINTS ** (1 / max(1, stages - 1))))
    if most >= len(THRESHOLDS):
        return THRESHOLDS
    grid: Floats = THRESHOLDS[np.linspace(0, len(THRESHOLDS) - 1, most).round().astype(int)]
    return grid


def count_frontier(
    stages: Sequence[Outcomes], costs_ms: Sequence[float], right: Sequence[Floats] | None = None
) -> Frontier:
    """Count what every point of the grid costs and gets right.

    `stages` are the answers of each model, cheapest first, on the same photos; `costs_ms`
    what each takes for a frame. `right` may replace whether each answer is right by
    other weights ``[n]`` for each stage, such as expected values. Photos are counted
    once; the sums over all points follow from cumulative sums.
    """
    grid, last = grid_for(len(stages)), len(stages) - 1
    if right is None:
        right = [outcomes.right.astype(np.float64) for outcomes in stages]
    n = len(stages[0].truth)
    # Accepted at grid[j] exactly where more than j of the thresholds are reached.
    scores = [outcomes.threshold_score.astype(np.float64) for outcomes in stages[:last]]
    reached = [np.searchsorted(grid, score, "right") for score in scores]
    shape = (len(grid),) * last
    accuracy, cost_ms, deferral = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for k in range(last + 1):
        # Axes 0 to k − 1: passed on by the stages before.
        asked = _passed_on(reached[:k], np.ones(n), len(grid))
        cost_ms += costs_ms[k] * _spread(asked, last) / n
        if k == 1:
            deferral += _spread(asked, last) / n
        answered = _passed_on(reached[:k], right[k], len(grid))
        if k < last:
            # Of those it is asked, this stage answers what it does not pass on.
            answered = answered[..., np.newaxis] - _passed_on(
                reached[: k + 1], right[k], len(grid)
            )
        accuracy += _spread(answered, last) / n
    return Frontier(grid, accuracy, cost_ms, deferral)


def _passed_on(reached: Sequence[NDArray[np.int64]], weights: Floats, size: int) -> Floats:
    """Sum of the weights of photos that all these stages pass on, at each point ``[size]*k``."""
    if not reached:
        return np.asarray(weights.sum())
    shape = (size + 1,) * len(reached)
    cells = np.ravel_multi_index(tuple(reached), shape)
    sums: Floats = np.bincount(cells, weights, int(np.prod(shape))).reshape(shape)  # type: ignore[assignment]
    for axis in range(len(reached)):
        sums = np.cumsum(sums, axis=axis)
    within: Floats = sums[(slice(0, size),) * len(reached)]
    return within


def _spread(values: Floats, axes: int) -> Floats:
    """Give `values` trailing axes of length 1, so that it fits a grid of `axes` axes."""
    return values.reshape(values.shape + (1,) * (axes - values.ndim))


def guarded(accuracy: Floats) -> Floats:
    """The lowest accuracy at a point or any with higher thresholds.

    A lucky dip of a small set of photos is not taken for the truth.
    """
    for axis in range(accuracy.ndim):
        flipped = np.flip(accuracy, axis)
        accuracy = np.flip(np.minimum.accumulate(flipped, axis), axis)
    return accuracy


def cheapest(frontier: Frontier, accuracy: Floats, least: float) -> tuple[int, ...] | None:
    """The cheapest point whose `accuracy` is at least `least`; None where there is none.

    Of equally cheap ones the more accurate, then the one with the lowest thresholds.
    """
    return _best(-frontier.cost_ms, accuracy, accuracy >= least - 1e-9)


def most_accurate(
    frontier: Frontier, accuracy: Floats, budget_ms: float
) -> tuple[int, ...] | None:
    """The point with the best `accuracy` that costs at most `budget_ms`; None for none."""
    return _best(accuracy, -frontier.cost_ms, frontier.cost_ms <= budget_ms + 1e-9)


def _best(first: Floats, second: Floats, allowed: NDArray[np.bool_]) -> tuple[int, ...] | None:
    points = np.flatnonzero(allowed)
    if not len(points):
        return None
    # Sums of counts differ in their last bits by the order they were added in.
    order = np.lexsort((-second.ravel()[points].round(9), -first.ravel()[points].round(9)))
    return tuple(int(i) for i in np.unravel_index(points[order[0]], allowed.shape))
