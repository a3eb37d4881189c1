"""The frontier of a cascade: what thresholds cost and get right, photo by photo."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pi_classifier_training.evaluation.frontier import (
    THRESHOLDS,
    Frontier,
    cheapest,
    count_frontier,
    grid_for,
    guarded,
    most_accurate,
)

from tests.unit.pi_classifier_training.outcomes import outcomes_with

# The float32 just below a threshold is passed on, the one just above accepted.
ON = float(np.float32(0.5))
BELOW = float(np.nextafter(np.float32(0.5), np.float32(0)))


def test_the_thresholds_are_those_a_person_would_write() -> None:
    assert THRESHOLDS[0] == 0.3
    assert THRESHOLDS[-1] == 0.99
    assert len(THRESHOLDS) == 70
    assert all(f"{t:g}" == f"{round(t, 2)}" for t in THRESHOLDS)


@pytest.mark.parametrize(("stages", "points"), [(2, 70), (3, 70), (4, 58), (5, 21), (12, 3)])
def test_a_grid_of_many_stages_is_coarser_but_has_both_ends(stages: int, points: int) -> None:
    grid = grid_for(stages)
    assert len(grid) == points
    assert (grid[0], grid[-1]) == (0.3, 0.99)
    assert (np.diff(grid) > 0).all()


class TestTwoStages:
    COSTS = (1.0, 10.0)

    def frontier(self, top: float, right: bool = True) -> Frontier:
        stages = outcomes_with([top], [right]), outcomes_with([0.9], [not right])
        return count_frontier(stages, self.COSTS)

    def test_a_score_on_the_threshold_is_accepted_one_below_is_passed_on(self) -> None:
        half = THRESHOLDS.tolist().index(0.5)
        assert self.frontier(ON).cost_ms[half] == 1.0
        assert self.frontier(BELOW).cost_ms[half] == 11.0
        assert self.frontier(BELOW).cost_ms[half - 1] == 1.0
        assert self.frontier(ON).cost_ms[half + 1] == 11.0

    def test_what_a_stage_finds_unknown_is_passed_on_at_any_threshold(self) -> None:
        first = replace(outcomes_with([0.99, 0.99], [True, True]), unknown=np.array([True, False]))
        frontier = count_frontier((first, outcomes_with([0.9] * 2, [True] * 2)), self.COSTS)
        assert (frontier.deferral == 0.5).all()
        assert (frontier.cost_ms == 6.0).all()

    def test_who_answers_decides_what_is_right(self) -> None:
        frontier = self.frontier(ON)
        accepted = frontier.cost_ms == 1.0
        assert (frontier.accuracy[accepted] == 1).all()
        assert (frontier.accuracy[~accepted] == 0).all()
        assert (frontier.deferral == np.where(accepted, 0, 1)).all()

    def test_expected_values_may_stand_for_right_and_wrong(self) -> None:
        stages = [outcomes_with([0.9, 0.4], [True, True])] * 2
        weights = [np.array([0.7, 0.2]), np.array([0.8, 0.9])]
        frontier = count_frontier(stages, self.COSTS, weights)
        half = THRESHOLDS.tolist().index(0.5)
        # The first photo is answered at once, the second passed on.
        assert frontier.accuracy[half] == pytest.approx((0.7 + 0.9) / 2)

    def test_the_higher_the_thresholds_the_more_it_costs(self) -> None:
        rng = np.random.default_rng(1)
        stages = [outcomes_with(rng.uniform(0.2, 1, 50).tolist(), [True] * 50) for _ in range(2)]
        frontier = count_frontier(stages, self.COSTS)
        assert (np.diff(frontier.cost_ms) >= 0).all()
        assert frontier.cost_ms == pytest.approx(1 + 10 * frontier.deferral)


def test_four_stages_at_every_corner() -> None:
    """Each stage accepts all at the lowest thresholds here, and nothing at the highest."""
    right = [True, False, True, False]
    stages = [outcomes_with([0.5] * 2, [r] * 2) for r in right]
    frontier = count_frontier(stages, (1.0, 2.0, 4.0, 8.0))
    ends = 0, len(frontier.grid) - 1
    for corner in itertools.product(ends, repeat=3):
        answering = next((k for k in range(3) if corner[k] == 0), 3)
        assert frontier.accuracy[corner] == right[answering]
        assert frontier.cost_ms[corner] == 2.0 ** (answering + 1) - 1
        assert frontier.deferral[corner] == (answering > 0)


@given(st.lists(st.sampled_from([0.0, 0.5, 0.8, 0.9, 1.0]), min_size=1, max_size=9))
def test_guarded_accuracy_is_the_lowest_from_here_up(values: list[float]) -> None:
    frontier = guarded(np.array(values))
    assert frontier.tolist() == [min(values[i:]) for i in range(len(values))]
    assert guarded(frontier).tolist() == frontier.tolist()


def test_guarding_looks_along_every_axis() -> None:
    accuracy = np.ones((3, 3))
    accuracy[2, 1] = 0.5
    # Lower thresholds of either stage may not hide that dip.
    assert (guarded(accuracy) == np.array([[0.5, 0.5, 1], [0.5, 0.5, 1], [0.5, 0.5, 1]])).all()


def made(accuracy: list[float], cost_ms: list[float]) -> Frontier:
    n = len(accuracy)
    return Frontier(THRESHOLDS[:n], np.array(accuracy), np.array(cost_ms), np.zeros(n))


class TestChoosing:
    def test_of_equally_cheap_points_the_more_accurate_then_the_lowest(self) -> None:
        frontier = made([0.8, 0.9, 0.95, 0.95, 0.99], [2.0, 1.0, 1.0, 1.0, 3.0])
        assert cheapest(frontier, frontier.accuracy, 0.85) == (2,)
        assert frontier.at((2,)) == (0.32,)
        assert cheapest(frontier, frontier.accuracy, 0.96) == (4,)

    def test_of_equally_accurate_points_the_cheaper(self) -> None:
        frontier = made([0.9, 0.95, 0.95, 0.99], [1.0, 3.0, 2.0, 9.0])
        assert most_accurate(frontier, frontier.accuracy, 5.0) == (2,)

    @pytest.mark.parametrize(
        ("budget", "point"), [(0.999, None), (1.0, (0,)), (1.999, (0,)), (2.0, (1,))]
    )
    def test_a_budget_may_be_used_up_to_the_last(
        self, budget: float, point: tuple[int, ...] | None
    ) -> None:
        frontier = made([0.9, 0.95], [1.0, 2.0])
        assert most_accurate(frontier, frontier.accuracy, budget) == point

    def test_sums_that_differ_in_their_last_bits_are_the_same_loss(self) -> None:
        frontier = made([0.1 + 0.2], [1.0])
        assert cheapest(frontier, frontier.accuracy, 0.3) == (0,)
        assert cheapest(made([0.3], [1.0]), np.array([0.3]), 0.1 + 0.2) == (0,)

    def test_nothing_allowed_is_none(self) -> None:
        frontier = made([0.9], [1.0])
        assert cheapest(frontier, frontier.accuracy, 0.91) is None

    @given(
        st.lists(
            st.tuples(st.sampled_from([0.5, 0.7, 0.9]), st.sampled_from([1.0, 2.0])),
            min_size=1,
            max_size=8,
        )
    )
    def test_no_allowed_point_is_better(self, points: list[tuple[float, float]]) -> None:
        frontier = made([p[0] for p in points], [p[1] for p in points])
        allowed = [i for i, (a, _) in enumerate(points) if a >= 0.7]
        expected = min(allowed, key=lambda i: (points[i][1], -points[i][0], i), default=None)
        point = cheapest(frontier, frontier.accuracy, 0.7)
        assert point == (None if expected is None else (expected,))


# Scores on, just below and just above thresholds: where an off-by-one would show.
EDGES = [0.2, 0.3, float(np.nextafter(np.float32(0.5), 0)), 0.5, 0.77, 0.99, 1.0]


PHOTO = st.tuples(*[st.tuples(st.sampled_from(EDGES), st.booleans()) for _ in range(3)])


@settings(deadline=None, max_examples=40)
@given(st.lists(PHOTO, min_size=1, max_size=12), st.data())
def test_the_frontier_is_what_walking_the_cascade_gives(
    photos: list[tuple[tuple[float, bool], ...]], data: st.DataObject
) -> None:
    stages = [
        outcomes_with([p[k][0] for p in photos], [p[k][1] for p in photos]) for k in range(3)
    ]
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
    # The cheap models are wrong exactly where their score is at most 0.705.
    tops = [0.605, 0.655, 0.705, 0.75, 0.8, 0.95]
    cheap = outcomes_with(tops, [top > 0.71 for top in tops])
    stages = (cheap, cheap, outcomes_with([0.9] * 6, [True] * 6))
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
