"""Choosing thresholds, and what a cascade is said to cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.cascade_plot import outline
from pi_classifier_training.evaluation.cascades import make_cascade, measure
from pi_classifier_training.evaluation.frontier import (
    Frontier,
    count_frontier,
)
from pi_classifier_training.evaluation.thresholds import (
    Costs,
    ThresholdPolicy,
)

from tests.unit.pi_classifier_training.outcomes import outcomes_with

COSTS = Costs((2.0, 10.0), (1.0, 8.0))
# One photo in ten at each score; below 0.65 the cheap model errs.
TOPS = [0.355, 0.455, 0.555, 0.605, 0.645, 0.705, 0.755, 0.855, 0.905, 0.955]
CHEAP = outcomes_with(TOPS, [t >= 0.65 for t in TOPS])
COSTLY = outcomes_with([1.0] * 10, [True] * 10)
FRONTIER = count_frontier((CHEAP, COSTLY), COSTS.frame_ms)


class TestMeasure:
    def test_three_stages_by_hand(self) -> None:
        costs = Costs((1.0, 2.0, 4.0), (0.5, 1.0, 3.0))
        models = [outcomes_with([0.9] * 4, right) for right in (
            [True, False, False, False], [True, True, False, False], [True, True, True, False]
        )]  # fmt: skip
        cascade = outcomes_with([0.9] * 4, [True, True, True, False], stages=[0, 1, 2, 2])
        record = measure([*models, cascade], ("a", "b", "c"), costs)
        # All see the first, three photos the second, two the third.
        assert record["asked"] == [1.0, 0.75, 0.5]
        assert record["deferral_ratio"] == 0.75
        assert record["cost_ms"] == pytest.approx(1 + 0.75 * 2 + 0.5 * 4)
        assert record["cost_ratio"] == pytest.approx(4.5 / 4)
        assert record["network_cost_ratio"] == pytest.approx((0.5 + 0.75 + 1.5) / 3)
        assert [m["top1"] for m in record["models"]] == [0.25, 0.5, 0.75]
        assert [m["name"] for m in record["models"]] == ["a", "b", "c"]
        low, high = record["cascade"]["top1_interval"]
        assert low < record["cascade"]["top1"] == 0.75 < high

    def test_the_cascade_is_compared_with_the_last_model_photo_by_photo(self) -> None:
        cascade = outcomes_with([0.9] * 10, [False, *[True] * 9], stages=[0] * 10)
        record = measure((CHEAP, COSTLY, cascade), ("cheap", "costly"), COSTS)
        assert record["against_last"]["only_first_right"] == 1
        assert record["against_last"]["only_this_right"] == 0
        assert record["deferral_ratio"] == 0.0
        assert record["cost_ratio"] == pytest.approx(0.2)

    def test_half_of_the_photos_passed_on_cost_half_of_the_next_model(self) -> None:
        costs = Costs((1.0, 4.0), (0.5, 3.0))
        cheap = outcomes_with([0.9] * 6, [False] * 3 + [True] * 3)
        costly = outcomes_with([0.9] * 6, [True] * 6)
        cascade = outcomes_with([0.9] * 6, [True] * 6, stages=[1, 1, 1, 0, 0, 0])
        record = measure((cheap, costly, cascade), ("cheap", "costly"), costs)
        assert record["deferral_ratio"] == pytest.approx(0.5)
        assert record["cascade"]["top1"] == 1.0
        assert record["models"][0]["top1"] == pytest.approx(0.5)
        # Every photo costs 1 ms, half of them 4 ms more: 3 of 4 ms.
        assert record["cost_ms"] == pytest.approx(3.0)
        assert record["cost_ratio"] == pytest.approx(0.75)
        assert record["network_cost_ratio"] == pytest.approx(2 / 3)


class TestOutline:
    def test_of_two_stages_every_point_by_cost(self) -> None:
        points = outline(FRONTIER)
        assert len(points) == 70
        assert points == sorted(points)

    def test_of_more_only_what_is_better_than_all_that_is_cheaper(self) -> None:
        accuracy = np.array([[0.5, 0.7], [0.6, 0.7]])
        cost_ms = np.array([[1.0, 3.0], [2.0, 4.0]])
        frontier = Frontier(np.array([0.3, 0.4]), accuracy, cost_ms, cost_ms)
        assert outline(frontier) == [(1.0, 0.5), (2.0, 0.6), (3.0, 0.7)]


@pytest.mark.parametrize(
    ("models", "accept", "says"),
    [
        (1, (), "joins two models or more, the cheapest first; got one"),
        (3, (0.5,), "--accept gives 1 thresholds for 3 models; .* needs one: 2"),
        (2, (0.5, 0.6), "--accept gives 2 thresholds for 2 models"),
    ],
)
def test_what_cannot_be_a_cascade_is_refused_before_any_model_is_opened(
    models: int, accept: tuple[float, ...], says: str, tmp_path: Path
) -> None:
    missing = [tmp_path / f"{i}.tflite" for i in range(models)]
    with pytest.raises(TrainingError, match=says):
        list(
            make_cascade(
                missing, [], "name", tmp_path / "out.toml", ThresholdPolicy(accept=accept)
            )
        )
