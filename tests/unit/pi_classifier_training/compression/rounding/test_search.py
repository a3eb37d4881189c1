"""Choosing how coarsely to round, on curves known beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.compression.rounding.search import (
    COARSEST,
    FINER,
    FINEST,
    FIRST,
    GRID,
    TRIES,
    coarsest_holding,
    finest_reaching,
    for_saving,
    for_saving_where_sound,
    for_target_loss,
    within,
)
from pi_classifier_training.compression.rounding.trials import Attempt, Figures
from pi_classifier_training.errors import TrainingError


@given(
    st.sampled_from([0.005, 0.01, 0.02, 0.03]),
    st.sampled_from([0.0, 0.3, 0.7499, 0.75, 0.7501, 0.8, 0.9]),
)
def test_a_saving_is_reached_and_not_far_exceeded(slope: float, needed: float) -> None:
    def saving(exponent: float) -> float:
        return 0.75 + slope * (exponent - FIRST)

    own_exponent = finest_reaching(saving, needed)
    if needed > saving(COARSEST):
        assert own_exponent is None
        return
    assert own_exponent is not None
    assert saving(own_exponent) >= needed
    assert own_exponent == FINEST or saving(own_exponent) - needed < 2 * slope + 0.01


def test_the_first_try_may_be_right() -> None:
    tried: list[float] = []

    def saving(exponent: float) -> float:
        tried.append(exponent)
        return 0.75

    assert finest_reaching(saving, 0.75) == FIRST
    assert tried == [FIRST]


@given(
    st.sampled_from([FINEST, FIRST - 1, FIRST - GRID, FIRST, FIRST + GRID, COARSEST])
    | st.floats(FINEST, COARSEST).map(lambda x: round(x / GRID) * GRID)
)
def test_the_coarsest_that_holds(limit: float) -> None:
    own_exponent = coarsest_holding(lambda exponent: exponent <= limit)
    assert own_exponent is not None
    assert own_exponent <= limit
    assert limit - own_exponent < 1
    assert own_exponent == limit or limit != COARSEST


def test_a_lucky_dip_behind_a_failure_is_not_taken() -> None:
    exponent = coarsest_holding(lambda e: e <= FIRST or e == FIRST + 3)
    assert exponent == FIRST


def test_nothing_holds() -> None:
    assert coarsest_holding(lambda _: False) is None


def figures(top1: float, cross_entropy: float, agreement: float = 1.0) -> Figures:
    return Figures(331, top1, (0.0, 0.0), cross_entropy, agreement, 0.0)


@pytest.mark.parametrize(
    ("top1", "cross_entropy", "agreement", "allowed"),
    [
        (0.900, 0.30, 1.0, True),
        (0.910, 0.25, 1.0, True),
        (0.895, 0.30, 1.0, True),
        (0.8949, 0.30, 1.0, False),
        (0.900, 0.3199, 1.0, True),
        (0.900, 0.3201, 1.0, False),
        (0.900, 0.30, 0.98, True),
        (0.900, 0.30, 0.9799, False),
    ],
)
def test_an_allowed_loss_is_of_top1_cross_entropy_and_labels(
    top1: float, cross_entropy: float, agreement: float, allowed: bool
) -> None:
    assert within(figures(0.9, 0.3), figures(top1, cross_entropy, agreement), 0.5) is allowed


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

        own_exponent = finest_reaching(saving, needed)
        assert len(tried) == len(set(tried))  # a try costs a minute
        assert len(tried) <= TRIES + COARSEST - FIRST + 1
        assert all(FINEST <= e <= COARSEST for e in tried)
        if own_exponent is None:
            assert max(map(saving, [COARSEST, *tried])) < needed
        else:
            assert saving(own_exponent) >= needed

    def test_just_short_of_it_the_next_quarter_of_a_step_is_enough(self) -> None:
        assert finest_reaching(lambda e: 0.7499 + 0.02 * (e - FIRST), 0.75) == FIRST + 0.25

    def test_a_plateau_is_left_behind(self) -> None:
        """Where coarser rounding saves nothing more at first, the search still goes on."""
        exponent = finest_reaching(lambda e: 0.7 if e < -20 else 0.8, 0.75)
        assert exponent is not None
        assert -20 <= exponent <= COARSEST


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
        return Figures(self.photos, 0.9, (0.0, 0.0), 0.3, 1.0, 0.0)

    def figures(self, attempt: Attempt, split: str) -> Figures:
        assert split == "validation"
        lost = max(0.0, 0.005 * (float(attempt.setting) - FIRST))
        return Figures(self.photos, 0.9 - lost, (0.0, 0.0), 0.3, 1.0, 0.0)


class TestOnABench:
    def test_the_saving_includes_what_the_files_own_record_adds(self) -> None:
        attempt = for_saving(Bench(), 0.75)  # type: ignore[arg-type]
        # The record takes 1,500 of a million bytes: 0.75 must be exceeded by 0.0015.
        assert 0.7515 <= attempt.saving < 0.7715

    def test_too_much_is_refused_with_what_can_be_had(self) -> None:
        with pytest.raises(TrainingError, match=r"at the coarsest it saves 102\.0%"):
            for_saving(Bench(), 1.5)  # type: ignore[arg-type]

    @pytest.mark.parametrize(("limit", "finer"), [(3.0, 0), (2.0, 1), (-1.0, 2), (-90.0, 99)])
    def test_what_is_not_sound_is_rounded_finer_to_the_finest(
        self, limit: float, finer: int
    ) -> None:
        wanted = float(for_saving(Bench(), 0.75).setting)  # type: ignore[arg-type]
        attempt = for_saving_where_sound(
            Bench(),  # type: ignore[arg-type]
            0.75,
            lambda attempt: float(attempt.setting) <= FIRST + limit,
        )
        assert float(attempt.setting) == max(FINEST, wanted - finer * FINER)

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
