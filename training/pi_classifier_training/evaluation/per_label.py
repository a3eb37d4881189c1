"""Labels a cheap model knows well answer from lower scores than the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pi_classifier_training.evaluation.frontier import THRESHOLDS
from pi_classifier_training.evaluation.scoring import Outcomes

# With fewer answers than this a label's own threshold would be chance.
LEAST_ANSWERS = 50


def label_thresholds(
    stages: Sequence[Outcomes], accept: Sequence[float], labels: Sequence[str]
) -> tuple[dict[str, float], ...]:
    """Lower thresholds for those labels whose answers lose nothing by it, for each stage.

    `stages` are the answers of each model on the same validation photos, `accept` the
    thresholds of all but the last. From a stage's threshold down, a label's answers are
    accepted as long as no step of the way makes fewer of the photos right than passing
    them on would. A label with fewer than `LEAST_ANSWERS` answers keeps the stage's.
    """
    found: list[dict[str, float]] = []
    # What the stages behind make of each photo, from the last one forwards.
    later = stages[-1].right
    for outcomes, shared in reversed(list(zip(stages, accept, strict=False))):
        own: dict[str, float] = {}
        thresholds = np.full(len(labels), shared)
        for index in np.unique(outcomes.given):
            chosen = _lowest(outcomes, int(index), shared, outcomes.right.astype(int) - later)
            if chosen < shared:
                own[labels[index]] = thresholds[index] = chosen
        later = np.where(outcomes.top >= thresholds[outcomes.given], outcomes.right, later)
        found.insert(0, own)
    return tuple(found)


def _lowest(
    outcomes: Outcomes, index: int, shared: float, gain: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> float:
    """The lowest threshold of a label; `gain` is what accepting each photo wins (+1) or loses."""
    its = outcomes.given == index
    if its.sum() < LEAST_ANSWERS:
        return shared
    top, chosen = outcomes.top.astype(np.float64), shared
    for threshold in THRESHOLDS[shared > THRESHOLDS][::-1]:
        if gain[its & (top >= threshold) & (top < shared)].sum() < 0:
            break
        chosen = float(threshold)
    return chosen
