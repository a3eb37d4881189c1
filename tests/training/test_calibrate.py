"""Thresholds follow the measured accuracies and costs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.cascades import measure
from pi_classifier_training.evaluation.frontier import (
    THRESHOLDS,
    cheapest,
    count_frontier,
    grid_for,
    most_accurate,
)
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.evaluation.thresholds import (
    LEAST_ANSWERS,
    CascadeData,
    Costs,
    ThresholdPolicy,
    choose_thresholds,
    label_thresholds,
)


def answered(tops: list[float], right: list[bool], stages: list[int] | None = None) -> Outcomes:
    """Answers among two labels, the truth always 0; `tops` is the winner's score."""
    n = len(tops)
    top, hit = np.array(tops, np.float32), np.array(right)
    return Outcomes(
        photos=(),
        truth=np.zeros(n, np.int64),
        given=np.where(hit, 0, 1).astype(np.int64),
        top=top,
        own=np.where(hit, top, 1 - top).astype(np.float32),
        rank=np.where(hit, 0, 1).astype(np.int64),
        stages=np.array(stages or [0] * n, np.int64),
        latencies_ns=np.ones(n, np.int64),
    )


# The cheap model is wrong exactly where its score is at most 0.705.
CHEAP = answered([0.605, 0.655, 0.705, 0.75, 0.8, 0.95], [False, False, False, True, True, True])
COSTLY = answered([0.9] * 6, [True] * 6)
COSTS = Costs((1.0, 4.0), (0.5, 3.0))


def chosen(cheap: Outcomes, costly: Outcomes, choice: ThresholdPolicy) -> float:
    data = CascadeData((), ("cheap", "costly"), COSTS, (cheap, costly))
    (accept,) = choose_thresholds(
        count_frontier((cheap, costly), COSTS.frame_ms), data, choice
    ).accept
    return accept


def test_the_lowest_threshold_that_loses_nothing_is_chosen() -> None:
    # 0.71 passes on all three mistakes and none of the right answers.
    assert chosen(CHEAP, COSTLY, ThresholdPolicy(max_loss=0.0)) == pytest.approx(0.71)


def test_allowing_one_mistake_lowers_the_threshold() -> None:
    assert chosen(CHEAP, COSTLY, ThresholdPolicy(max_loss=1 / 6)) == pytest.approx(0.66)


def test_a_cheap_model_that_is_surely_wrong_passes_on_all_it_can() -> None:
    wrong = answered([0.999] * 6, [False] * 6)
    assert chosen(wrong, COSTLY, ThresholdPolicy(max_loss=0.0)) == THRESHOLDS[-1]


def test_a_budget_buys_what_accuracy_it_can() -> None:
    # A third of the photos may be passed on: 1 ms and a third of 4 ms.
    assert chosen(CHEAP, COSTLY, ThresholdPolicy(budget_ms=1 + 4 / 3)) == pytest.approx(0.66)


def test_a_budget_below_the_cheapest_model_is_refused_with_numbers() -> None:
    with pytest.raises(TrainingError, match=r"within 0\.5 ms: cheap alone takes 1\.00 ms"):
        chosen(CHEAP, COSTLY, ThresholdPolicy(budget_ms=0.5))


def test_a_lucky_dip_is_not_taken() -> None:
    # At 0.3 two errors happen to cancel out; between 0.56 and 0.65 they do not.
    cheap = answered([0.555, 0.655], [True, False])
    costly = answered([0.9] * 2, [False, True])
    frontier = count_frontier((cheap, costly), COSTS.frame_ms)
    assert frontier.accuracy[0] == frontier.accuracy[-1] == pytest.approx(0.5)
    assert frontier.accuracy.min() == 0
    assert chosen(cheap, costly, ThresholdPolicy(max_loss=0.0)) == pytest.approx(0.66)


def test_measure_counts_what_is_passed_on_and_what_it_costs() -> None:
    cascade = answered([0.9] * 6, [True] * 6, stages=[1, 1, 1, 0, 0, 0])
    record = measure((CHEAP, COSTLY, cascade), ("cheap", "costly"), COSTS)
    assert record["deferral_ratio"] == pytest.approx(0.5)
    assert record["cascade"]["top1"] == 1.0
    assert record["models"][0]["top1"] == pytest.approx(0.5)
    # Every photo costs 1 ms, half of them 4 ms more: 3 of 4 ms.
    assert record["cost_ms"] == pytest.approx(3.0)
    assert record["cost_ratio"] == pytest.approx(0.75)
    assert record["network_cost_ratio"] == pytest.approx(2 / 3)


# Scores on, just below and just above thresholds: where an off-by-one would show.
EDGES = [0.2, 0.3, float(np.nextafter(np.float32(0.5), 0)), 0.5, 0.77, 0.99, 1.0]
PHOTO = st.tuples(*[st.tuples(st.sampled_from(EDGES), st.booleans()) for _ in range(3)])


@settings(deadline=None, max_examples=40)
@given(st.lists(PHOTO, min_size=1, max_size=12), st.data())
def test_the_frontier_is_what_walking_the_cascade_gives(
    photos: list[tuple[tuple[float, bool], ...]], data: st.DataObject
) -> None:
    stages = [answered([p[k][0] for p in photos], [p[k][1] for p in photos]) for k in range(3)]
    costs = (1.0, 3.0, 9.0)
    frontier = count_frontier(stages, costs)
    near = st.sampled_from([0, 20, 47, 68, 69])  # 0.3, 0.5, 0.77, 0.98, 0.99
    point = (data.draw(near), data.draw(near))
    accept = (*frontier.at(point), 0.0)
    right, cost, passed = 0, 0.0, 0
    for i in range(len(photos)):
        for k in range(3):
            cost += costs[k]
            if float(stages[k].top[i]) >= accept[k] or k == 2:
                right += int(stages[k].right[i])
                passed += k > 0
                break
    n = len(photos)
    assert frontier.accuracy[point] == pytest.approx(right / n)
    assert frontier.cost_ms[point] == pytest.approx(cost / n)
    assert frontier.deferral[point] == pytest.approx(passed / n)


@pytest.mark.parametrize("stages", [2, 3, 4, 5])
def test_the_grid_stays_small_however_many_stages(stages: int) -> None:
    grid = grid_for(stages)
    assert len(grid) ** (stages - 1) <= 200_000
    assert set(grid) <= set(THRESHOLDS)
    assert (grid[0], grid[-1]) == (0.30, 0.99)


def test_the_best_point_is_the_best_of_all() -> None:
    stages = (CHEAP, CHEAP, COSTLY)
    frontier = count_frontier(stages, (1.0, 2.0, 4.0))
    point = cheapest(frontier, frontier.accuracy, 5 / 6)
    assert point is not None
    points = list(itertools.product(range(70), repeat=2))
    allowed = [frontier.cost_ms[p] for p in points if frontier.accuracy[p] >= 5 / 6 - 1e-9]
    assert frontier.cost_ms[point] == pytest.approx(min(allowed))
    budget = most_accurate(frontier, frontier.accuracy, frontier.cost_ms[point])
    assert budget is not None
    assert frontier.accuracy[budget] >= frontier.accuracy[point]
    assert cheapest(frontier, frontier.accuracy, 1.1) is None


def per_label(tops: list[float], right: list[bool], later: list[bool]) -> dict[str, float]:
    n = len(tops)
    zeros = np.zeros(n, np.int64)
    hit, top = np.array(right), np.array(tops, np.float32)
    # Label 1 is given 60 times, label 0 only for the first ten photos.
    given = np.where(np.arange(n) < 10, 0, 1).astype(np.int64)
    cheap = Outcomes((), np.where(hit, given, 2), given, top, top, zeros, zeros, zeros)
    behind = answered([0.9] * n, later)
    (own,) = label_thresholds((cheap, behind), (0.9,), ["few", "many", "other"])
    return own


TOPS = np.linspace(0.405, 0.895, 70).astype(float).tolist()


def test_a_label_that_loses_nothing_answers_from_lower_scores() -> None:
    assert per_label(TOPS, [True] * 70, [True] * 70) == {"many": 0.3}


def test_a_label_is_lowered_only_as_far_as_it_loses_nothing() -> None:
    right = [top > 0.705 for top in TOPS]
    assert per_label(TOPS, right, [True] * 70)["many"] == pytest.approx(0.71)
    # Mistakes that the next stage makes as well lose nothing.
    assert per_label(TOPS, right, right)["many"] == 0.3


def test_a_label_with_few_answers_keeps_the_threshold_of_its_stage() -> None:
    assert LEAST_ANSWERS == 50
    tops = TOPS[:59]  # 10 of one label, 49 of the other
    assert per_label(tops, [True] * 59, [True] * 59) == {}


def test_a_label_that_would_lose_is_left_alone() -> None:
    assert per_label(TOPS, [False] * 70, [True] * 70) == {}


def test_answers_above_the_threshold_pay_for_nothing_below() -> None:
    tops, right = [*TOPS, *[0.95] * 20], [*[False] * 70, *[True] * 20]
    later = [not r for r in right]
    assert per_label(tops, right, later) == {}
