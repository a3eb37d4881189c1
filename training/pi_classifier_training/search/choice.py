"""Which networks to deliver: one alone, or a cheap one with a better one behind it.

The rule, on validation photos, with what everything costs on the board:

1. The bar is `TOLERANCE` below the most accurate network that the limits allow.
2. Of the networks that reach it alone, the cheapest is the one to beat.
3. A cascade of two is taken in its place if it reaches the bar too and a frame costs at
   most `WORTH_IT` of that network's: two files are more to look after than one.

A cascade's threshold is fitted to the photos it is chosen on, and of hundreds of pairs one
is always lucky. So each pair is judged on photos that its threshold has not seen: fitted on
four fifths of them, counted on the fifth, five times (cross-validation).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.frontier import (
    THRESHOLDS,
    cheapest,
    count_frontier,
    guarded,
)
from pi_classifier_training.evaluation.scoring import Outcomes, Scores, outcomes_of

TOLERANCE = 0.003
WORTH_IT = 0.8
FOLDS = 5
# With fewer validation photos any threshold is chance.
LEAST_PHOTOS = 50
# Sums of shares differ in their last bits by the order they were added in.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """A trained network with its answers on the validation photos and its cost on the board.

    `ms` is the time of one picture, `kb` the size of the file; `title` is what people read,
    `name` tells it from all others.
    """

    name: str
    ms: float
    kb: float
    outcomes: Outcomes
    title: str

    @property
    def accuracy(self) -> float:
        """The share of the validation photos that it gets right."""
        return float(self.outcomes.right.mean())


@dataclass(frozen=True, slots=True)
class Limits:
    """What the board allows: milliseconds for the slowest frame, kilobytes of all files."""

    max_ms: float | None = None
    max_kb: float | None = None

    def allow(self, options: Sequence[Option]) -> bool:
        """Whether all of `options`, asked one after the other, stay within."""
        return self.allow_cost(sum(o.ms for o in options), sum(o.kb for o in options))

    def allow_cost(self, ms: float, kb: float) -> bool:
        """Whether so many milliseconds and kilobytes stay within."""
        within_ms = self.max_ms is None or ms <= self.max_ms
        return within_ms and (self.max_kb is None or kb <= self.max_kb)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One network, or two as a cascade, the cheaper first.

    `accuracy` (a fraction) and `ms` (the mean of a frame) are as expected from the
    validation photos; `kb` is that of all files. `max_loss` is the share of photos that a
    cascade may lose against its second network to stay at the bar. `reason` says in words why.
    """

    options: tuple[Option, ...]
    accuracy: float
    ms: float
    kb: float
    max_loss: float = 0.0
    reason: str = ""


def option_of(
    name: str,
    ms: float,
    kb: float,
    scores: NDArray[np.float32],
    indices: NDArray[np.int64],
    title: str = "",
) -> Option:
    """A network by its scores ``[n, labels]`` of photos whose labels are `indices` ``[n]``."""
    n = len(indices)
    photos = (Photo.of("", "", "", "validation"),) * n
    nothing = np.zeros(n, np.int64)
    outcomes = outcomes_of(Scores(photos, scores, indices, nothing, nothing, ()))
    return Option(name, ms, kb, outcomes, title or name)


def choose(options: Sequence[Option], limits: Limits | None = None) -> Choice:
    """Choose by the rule of this module; the order of `options` plays no part.

    All must have answered the same photos. Raises TrainingError where the limits allow none.
    """
    limits = limits or Limits()
    allowed = sorted((o for o in options if limits.allow([o])), key=lambda o: (o.ms, o.name))
    if not allowed:
        raise TrainingError(
            f"none of the {len(options)} networks tried stays within the limits; allow more"
        )
    best = max(allowed, key=lambda o: (o.accuracy, -o.ms))
    bar = best.accuracy - TOLERANCE
    single = _cheapest_alone(allowed, bar, best)
    cascades = [
        c for c in _cascades(allowed, limits, single, best) if c.accuracy >= bar - _ROUNDING
    ]
    better = min(cascades, key=_preferred, default=None)
    return single if better is None else better


def _preferred(choice: Choice) -> tuple[float, float, tuple[str, ...]]:
    return round(choice.ms, 9), -choice.accuracy, tuple(o.name for o in choice.options)


def _cheapest_alone(allowed: Sequence[Option], bar: float, best: Option) -> Choice:
    reaching = [o for o in allowed if o.accuracy >= bar - _ROUNDING]
    single = min(reaching, key=lambda o: (o.ms, -o.accuracy, o.kb, o.name))
    right = f"{100 * single.accuracy:.1f} % of {len(single.outcomes.truth)} validation photos"
    if single is best:
        others = f"none of the {len(allowed)} allowed gets more right"
        reason = f"{right}: {others if len(allowed) > 1 else 'the only one to choose from'}"
    else:
        reason = (
            f"{right}, within {100 * TOLERANCE:.1f} points of the best ({best.title}, "
            f"{100 * best.accuracy:.1f} %), and the fastest of those"
        )
    return Choice((single,), single.accuracy, single.ms, single.kb, reason=reason)


def _cascades(
    allowed: Sequence[Option], limits: Limits, single: Choice, best: Option
) -> Iterator[Choice]:
    """Every pair that is clearly cheaper than `single`, by photos its threshold has not seen."""
    if len(best.outcomes.truth) < LEAST_PHOTOS:
        return
    for number, second in enumerate(allowed):
        for first in allowed[:number]:
            most = WORTH_IT * single.ms
            if first.ms >= min(most, second.ms) or not limits.allow([first, second]):
                continue
            expected = _cross_validated(first, second, best)
            if expected[1] <= most + _ROUNDING:
                yield _as_cascade(first, second, best, expected, single)


def _cross_validated(first: Option, second: Option, best: Option) -> tuple[float, float]:
    """Accuracy and mean milliseconds of a pair on photos that its threshold has not seen."""
    n = len(best.outcomes.truth)
    fold = np.arange(n) % FOLDS
    right = passed_on = 0
    for number in range(FOLDS):
        seen, unseen = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        accept, _ = _threshold(first, second, best, seen)
        alone = first.outcomes.threshold_score[unseen].astype(np.float64) >= accept
        answers = np.where(alone, first.outcomes.right[unseen], second.outcomes.right[unseen])
        right += int(answers.sum())
        passed_on += int((~alone).sum())
    return right / n, first.ms + second.ms * passed_on / n


def _threshold(
    first: Option, second: Option, best: Option, rows: NDArray[np.int64]
) -> tuple[float, float]:
    """The cheapest threshold that reaches the bar on the photos at `rows`; what it passes on.

    The highest there is where none reaches it.
    """
    pair = [first.outcomes.of(rows), second.outcomes.of(rows)]
    frontier = count_frontier(pair, [first.ms, second.ms])
    least = float(best.outcomes.right[rows].mean()) - TOLERANCE
    point = cheapest(frontier, guarded(frontier.accuracy), least) or (len(THRESHOLDS) - 1,)
    return frontier.at(point)[0], float(frontier.deferral[point])


def _as_cascade(
    first: Option, second: Option, best: Option, expected: tuple[float, float], single: Choice
) -> Choice:
    accuracy, ms = expected
    _, deferral = _threshold(first, second, best, np.arange(len(best.outcomes.truth)))
    alone = single.options[0]
    reason = (
        f"{100 * accuracy:.1f} % of the validation photos in {ms:.0f} ms a frame on average; "
        f"{alone.title} alone gets {100 * alone.accuracy:.1f} % in {alone.ms:.0f} ms. "
        f"{first.title} answers {100 * (1 - deferral):.0f} % of them alone"
    )
    return Choice(
        (first, second),
        accuracy,
        ms,
        first.kb + second.kb,
        max(0.0, second.accuracy - (best.accuracy - TOLERANCE)),
        reason,
    )
