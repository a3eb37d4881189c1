"""Choosing thresholds, and what a cascade is said to cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.cascade_plot import outline
from pi_classifier_training.evaluation.cascades import make_cascade, measure
from pi_classifier_training.evaluation.frontier import Frontier, count_frontier
from pi_classifier_training.evaluation.thresholds import (
    CascadeData,
    Costs,
    ThresholdPolicy,
    choose_thresholds,
)

from tests.unit.pi_classifier_training.outcomes import outcomes_with

COSTS = Costs((2.0, 10.0), (1.0, 8.0))
# One photo in ten at each score; below 0.65 the cheap model errs.
TOPS = [0.355, 0.455, 0.555, 0.605, 0.645, 0.705, 0.755, 0.855, 0.905, 0.955]
CHEAP = outcomes_with(TOPS, [t >= 0.65 for t in TOPS])
COSTLY = outcomes_with([1.0] * 10, [True] * 10)
DATA = CascadeData((), ("cheap", "costly"), COSTS, (CHEAP, COSTLY))
FRONTIER = count_frontier((CHEAP, COSTLY), COSTS.frame_ms)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.data())
def test_a_frame_costs_what_the_stages_cost_that_are_asked(
    asked: list[float], data: st.DataObject
) -> None:
    times = data.draw(st.lists(st.floats(0, 100), min_size=len(asked), max_size=len(asked)))
    expected = sum(share * ms for share, ms in zip(asked, times, strict=True))
    assert COSTS.of(asked, times) == pytest.approx(expected)


class TestChoose:
    def test_given_thresholds_are_taken_as_they_are(self) -> None:
        chosen = choose_thresholds(
            FRONTIER, DATA, ThresholdPolicy(accept=(0.123,), max_loss=0, budget_ms=0.001)
        )
        assert chosen.accept == (0.123,)
        assert chosen.note == "as given"

    @pytest.mark.parametrize(
        ("max_loss", "accept"),
        [(0.0, 0.65), (0.0999, 0.65), (0.1, 0.61), (0.2, 0.56), (0.5, 0.3), (1.0, 0.3)],
    )
    def test_a_loss_buys_lower_thresholds_photo_by_photo(
        self, max_loss: float, accept: float
    ) -> None:
        chosen = choose_thresholds(FRONTIER, DATA, ThresholdPolicy(max_loss=max_loss))
        assert chosen.accept == (accept,)
        assert chosen.note == f"the cheapest within {max_loss:.1%} on 10 validation photos"

    @pytest.mark.parametrize(
        ("budget", "accept"), [(2.0, 0.3), (5.0, 0.56), (7.0, 0.65), (99.0, 0.65)]
    )
    def test_a_budget_is_spent_on_what_makes_photos_right(
        self, budget: float, accept: float
    ) -> None:
        """2 ms a frame and 10 for each photo passed on: 5 ms buy three of ten."""
        chosen = choose_thresholds(FRONTIER, DATA, ThresholdPolicy(budget_ms=budget))
        assert chosen.accept == (accept,)
        assert chosen.note == f"the most accurate within {budget:g} ms on 10 validation photos"

    def test_less_than_the_first_model_takes_is_refused_with_what_it_takes(self) -> None:
        with pytest.raises(
            TrainingError, match=r"within 1\.9 ms: cheap alone takes 2\.00 ms here"
        ):
            choose_thresholds(FRONTIER, DATA, ThresholdPolicy(budget_ms=1.9))

    def test_where_nothing_holds_the_highest_thresholds_are_taken_and_it_is_said(self) -> None:
        """Sure and wrong: even above 0.99 the cheap model answers, and errs."""
        sure = outcomes_with([1.0] * 10, [False] * 10)
        data = CascadeData((), ("cheap", "costly"), COSTS, (sure, COSTLY))
        chosen = choose_thresholds(
            count_frontier((sure, COSTLY), COSTS.frame_ms), data, ThresholdPolicy(max_loss=0.01)
        )
        assert chosen.accept == (0.99,)
        assert chosen.note.startswith("the highest there are: at none the loss stays within 1.0%")


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
