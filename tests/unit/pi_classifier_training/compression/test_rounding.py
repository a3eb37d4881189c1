"""Figures of a rounded model beside the float one; the table and the search by them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.compression.rounding import Attempt, Figures, figures_beside
from pi_classifier_training.compression.rounding_frontier import Point, table
from pi_classifier_training.compression.rounding_search import (
    COARSEST,
    FINEST,
    FIRST,
    TRIES,
    coarsest_holding,
    finest_reaching,
    for_saving,
    for_target_loss,
)
from pi_classifier_training.errors import TrainingError

from tests.unit.pi_classifier_training.outcomes import scores_of

SHARE = st.sampled_from([0.05, 0.2, 0.45, 0.8])


class TestCompare:
    def test_by_hand(self) -> None:
        exact = scores_of([[0.8, 0.2], [0.5, 0.5], [0.9, 0.1], [0.3, 0.7]], [0, 1, 0, 0])
        own = scores_of([[0.6, 0.4], [0.4, 0.6], [0.4, 0.6], [0.4, 0.6]], [0, 1, 0, 0])
        found = figures_beside(exact, own)
        assert found.n == 4
        assert found.top1 == 0.5
        # Of the float model's labels 0, 0, 0, 1 two stay.
        assert found.agreement == 0.5
        logs = [math.log(0.6), math.log(0.6), math.log(0.4), math.log(0.4)]
        assert found.cross_entropy == pytest.approx(-sum(logs) / 4, rel=1e-6)

    @given(st.lists(st.tuples(SHARE, SHARE), min_size=1, max_size=6))
    def test_divergence_is_kullback_and_leiblers(self, pairs: list[tuple[float, float]]) -> None:
        exact = scores_of([[p, 1 - p] for p, _ in pairs], [0] * len(pairs))
        own = scores_of([[q, 1 - q] for _, q in pairs], [0] * len(pairs))
        expected = [p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)) for p, q in pairs]
        assert figures_beside(exact, own).divergence == pytest.approx(np.mean(expected), abs=1e-6)
        assert figures_beside(exact, own).divergence > -1e-7

    def test_a_model_beside_itself(self) -> None:
        scores = scores_of([[1.0, 0.0], [0.0, 1.0]], [0, 0])
        found = figures_beside(scores, scores)
        assert (found.agreement, found.divergence, found.top1) == (1.0, 0.0, 0.5)
        # A score of nothing costs what the smallest score does, not infinity.
        assert math.isfinite(found.cross_entropy)


def point(n: tuple[int, int], top1: tuple[float, float], saving: float = 0.75) -> Point:
    figures = [
        Figures(count, right, 0.4, 0.98, 0.01) for count, right in zip(n, top1, strict=True)
    ]
    return Point("channel", "64 levels", 1000, saving, *figures)


class TestFrontierTable:
    def test_both_splits_count_by_their_photos(self) -> None:
        assert point((300, 100), (0.9, 0.5)).top1 == pytest.approx((270 + 50) / 400)

    def test_lines(self) -> None:
        exact = [Figures(n, 0.9, 0.3, 1.0, 0.0) for n in (30, 10)]
        first = Point("float", "as it is", 9999, 0.073, *exact)
        lines = list(table([first, point((30, 10), (0.8, 0.6))]))
        assert "top-1 validation (n = 30)" in lines[0]
        assert "top-1 test (n = 10)" in lines[0]
        assert lines[2] == "| float | as it is | 7.3% | 90.0% | 90.0% | 100.0% | 0.300 |"
        assert lines[3] == "| channel | 64 levels | 75.0% | 80.0% | 60.0% | 98.0% | 0.400 |"


class TestSearchingASaving:
    @given(
        st.sampled_from([0.002, 0.01, 0.02, 0.05]),
        st.sampled_from([0.5, 0.7, 0.76, 0.9]),
        st.sampled_from([0.0, 0.015, -0.015]),
    )
    def test_few_tries_reach_it_also_where_the_curve_is_bumpy(
        self, slope: float, needed: float, bump: float
    ) -> None:
        tried: list[float] = []

        def saving(exponent: float) -> float:
            tried.append(exponent)
            return 0.75 + slope * (exponent - FIRST) + bump * math.sin(7 * exponent)

        found = finest_reaching(saving, needed)
        assert len(tried) == len(set(tried))  # a try costs a minute
        assert len(tried) <= TRIES + COARSEST - FIRST + 1
        assert all(FINEST <= e <= COARSEST for e in tried)
        if found is None:
            assert max(map(saving, [COARSEST, *tried])) < needed
        else:
            assert saving(found) >= needed

    def test_just_short_of_it_the_next_quarter_of_a_step_is_enough(self) -> None:
        assert finest_reaching(lambda e: 0.7499 + 0.02 * (e - FIRST), 0.75) == FIRST + 0.25

    def test_a_plateau_is_left_behind(self) -> None:
        """Where coarser rounding saves nothing more at first, the search still goes on."""
        found = finest_reaching(lambda e: 0.7 if e < -20 else 0.8, 0.75)
        assert found is not None
        assert -20 <= found <= COARSEST


class TestSearchingALoss:
    def test_every_whole_step_up_to_the_limit_is_tried_then_half_of_one(self) -> None:
        tried: list[float] = []

        def holds(exponent: float) -> bool:
            tried.append(exponent)
            return exponent <= FIRST + 2.6

        assert coarsest_holding(holds) == FIRST + 2.5
        assert tried == [FIRST, FIRST + 1, FIRST + 2, FIRST + 3, FIRST + 2.5]

    def test_below_the_first_it_goes_down(self) -> None:
        assert coarsest_holding(lambda e: e <= FIRST - 2.4) == FIRST - 2.5
        assert coarsest_holding(lambda e: e <= FINEST) == FINEST
        assert coarsest_holding(lambda e: e <= FINEST - 1) is None

    def test_it_ends_at_the_coarsest(self) -> None:
        assert coarsest_holding(lambda e: True) == COARSEST


@dataclass
class _Source:
    data: bytes = b"x" * 1_000_000


class Bench:
    """Rounding on paper: each doubling of the tolerance saves 2 % and loses half a point."""

    source = _Source()

    def __init__(self, photos: int = 200) -> None:
        self.photos = photos

    def by_tolerance(self, exponent: float) -> Attempt:
        saving = 0.7 + 0.02 * (exponent - FIRST)
        return Attempt("compensated", f"{exponent:g}", {}, 0, saving)

    def float_figures(self, split: str) -> Figures:
        assert split == "validation"
        return Figures(self.photos, 0.9, 0.3, 1.0, 0.0)

    def figures(self, attempt: Attempt, split: str) -> Figures:
        assert split == "validation"
        lost = max(0.0, 0.005 * (float(attempt.setting) - FIRST))
        return Figures(self.photos, 0.9 - lost, 0.3, 1.0, 0.0)


class TestOnABench:
    def test_the_saving_includes_what_the_files_own_record_adds(self) -> None:
        attempt = for_saving(Bench(), 0.75)  # type: ignore[arg-type]
        # The record takes 1,500 of a million bytes: 0.75 must be exceeded by 0.0015.
        assert 0.7515 <= attempt.saving < 0.7715

    def test_too_much_is_refused_with_what_can_be_had(self) -> None:
        with pytest.raises(TrainingError, match=r"at the coarsest it saves 102\.0%"):
            for_saving(Bench(), 1.5)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("points", "exponent"),
        [(0.0, FIRST), (0.5, FIRST + 1), (1.0, FIRST + 2), (0.8, FIRST + 1.5)],
    )
    def test_a_loss_is_used_up_but_not_exceeded(self, points: float, exponent: float) -> None:
        attempt = for_target_loss(Bench(), points)  # type: ignore[arg-type]
        assert float(attempt.setting) == exponent

    def test_ten_photos_are_enough_to_try_nine_are_not(self) -> None:
        assert for_target_loss(Bench(10), 0.5).method == "compensated"  # type: ignore[arg-type]
        with pytest.raises(TrainingError, match="9 validation photos are too few to tell a loss"):
            for_target_loss(Bench(9), 0.5)  # type: ignore[arg-type]
