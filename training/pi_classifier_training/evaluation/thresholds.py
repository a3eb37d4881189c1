"""Accept thresholds of a cascade: of its stages, and of labels a cheap model knows well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pi_classifier.setting import setting
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.frontier import (
    THRESHOLDS,
    Frontier,
    cheapest,
    guarded,
    most_accurate,
)
from pi_classifier_training.evaluation.held_out import HeldOut
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.modelfile.cascade_file import StageThresholds

# With fewer answers than this a label's own threshold would be chance.
LEAST_ANSWERS = 50


@dataclass(frozen=True, slots=True)
class ThresholdPolicy:
    """How thresholds are chosen: `accept` gives them; else `budget_ms`; else `max_loss`.

    `max_loss` is the share of photos the cascade may get right less than its last model,
    `budget_ms` the mean time of a frame on this machine. `per_label` lowers the thresholds
    of labels that lose nothing by it.
    """

    max_loss: float = setting(
        0.003,
        "accuracy the cascade may lose against its last model",
        minimum=0,
        maximum=1,
        metavar="FRACTION",
    )
    budget_ms: float | None = setting(
        None,
        "the most accurate cascade whose frames take this long here on average",
        above=0,
        metavar="MS",
    )
    accept: tuple[float, ...] = setting(
        (),
        "accept thresholds of all models but the last, instead of chosen ones",
        minimum=0,
        maximum=1,
        metavar="SCORE",
    )
    per_label: bool = setting(
        False, "lower the thresholds of labels that lose nothing by it on the validation photos"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """Medians of a model's time for one camera frame, and of its network alone."""

    frame_ms: Sequence[float]
    network_ms: Sequence[float]

    def of(self, asked: Sequence[float], times_ms: Sequence[float]) -> float:
        """Mean time of a frame when stage k is asked for a share `asked[k]` of frames."""
        return float(np.dot(asked, times_ms))


@dataclass(frozen=True, slots=True, eq=False)
class CascadeData:
    """Everything thresholds are chosen from and judged by."""

    models: Sequence[Path]
    names: Sequence[str]
    costs: Costs
    validation: Sequence[Outcomes]
    test_photos: Sequence[HeldOut] = field(default=())


def choose_thresholds(
    frontier: Frontier, data: CascadeData, policy: ThresholdPolicy
) -> StageThresholds:
    """The thresholds that `policy` asks for, by the frontier on the validation photos.

    Raises TrainingError where no cascade is within the budget.
    """
    if policy.accept:
        return StageThresholds(policy.accept, note="as given")
    accuracy = guarded(frontier.accuracy)
    n = len(data.validation[0].truth)
    if policy.budget_ms is not None:
        point = most_accurate(frontier, accuracy, policy.budget_ms)
        if point is None:
            raise TrainingError(
                f"no thresholds keep a frame within {policy.budget_ms:g} ms: "
                f"{data.names[0]} alone takes {data.costs.frame_ms[0]:.2f} ms here and "
                f"the cheapest cascade {frontier.cost_ms.min():.2f} ms; raise --budget-ms or take "
                "a cheaper first model"
            )
        note = f"the most accurate within {policy.budget_ms:g} ms on {n} validation photos"
        return StageThresholds(frontier.at(point), note=note)
    least = float(data.validation[-1].right.mean()) - policy.max_loss
    point = cheapest(frontier, accuracy, least)
    if point is None:
        point = (len(frontier.grid) - 1,) * frontier.accuracy.ndim
        note = (
            f"the highest there are: at none the loss stays within {policy.max_loss:.1%} on the "
            f"{n} validation photos"
        )
    else:
        note = f"the cheapest within {policy.max_loss:.1%} on {n} validation photos"
    return StageThresholds(frontier.at(point), note=note)


def label_thresholds(
    stages: Sequence[Outcomes], accept: Sequence[float], labels: Sequence[str]
) -> tuple[dict[str, float], ...]:
    """Lower thresholds for those labels whose answers lose nothing by it, for each stage.

    `stages` are the answers of each model on the same validation photos, `accept` the
    thresholds of all but the last. From a stage's threshold down, a label's answers are
    accepted as long as no step of the way makes fewer of the photos right than passing
    them on would. A label with fewer than `LEAST_ANSWERS` answers keeps the stage's.
    """
    thresholds_by_stage: list[dict[str, float]] = []
    # What the stages behind make of each photo, from the last one forwards: accepting an
    # answer is only worth what passing it on would have given.
    later = stages[-1].right
    for outcomes, shared in reversed(list(zip(stages, accept, strict=False))):
        own: dict[str, float] = {}
        thresholds = np.full(len(labels), shared)
        for index in np.unique(outcomes.given):
            chosen = _lowest(outcomes, int(index), shared, outcomes.right.astype(int) - later)
            if chosen < shared:
                own[labels[index]] = thresholds[index] = chosen
        accepted = outcomes.threshold_score >= thresholds[outcomes.given]
        later = np.where(accepted, outcomes.right, later)
        thresholds_by_stage.insert(0, own)
    return tuple(thresholds_by_stage)


def _lowest(
    outcomes: Outcomes, index: int, shared: float, gain: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> float:
    """The lowest threshold of a label; `gain` is what accepting each photo wins (+1) or loses."""
    of_label = outcomes.given == index
    if of_label.sum() < LEAST_ANSWERS:
        return shared
    top, chosen = outcomes.threshold_score.astype(np.float64), shared
    # Downwards and only to the first step that loses: a lower threshold that happens to
    # break even again would rest on a loss in between.
    for threshold in THRESHOLDS[shared > THRESHOLDS][::-1]:
        if gain[of_label & (top >= threshold) & (top < shared)].sum() < 0:
            break
        chosen = float(threshold)
    return chosen
