"""Choosing how coarsely to round, on curves known beforehand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.compression.rounding import Figures
from pi_classifier_training.compression.rounding_search import (
    COARSEST,
    FINEST,
    FIRST,
    GRID,
    coarsest_holding,
    finest_reaching,
    within,
)


@given(
    st.sampled_from([0.005, 0.01, 0.02, 0.03]),
    st.sampled_from([0.0, 0.3, 0.7499, 0.75, 0.7501, 0.8, 0.9]),
)
def test_a_saving_is_reached_and_not_far_exceeded(slope: float, needed: float) -> None:
    def saving(exponent: float) -> float:
        return 0.75 + slope * (exponent - FIRST)

    found = finest_reaching(saving, needed)
    if needed > saving(COARSEST):
        assert found is None
        return
    assert found is not None
    assert saving(found) >= needed
    assert found == FINEST or saving(found) - needed < 2 * slope + 0.01


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
    found = coarsest_holding(lambda exponent: exponent <= limit)
    assert found is not None
    assert found <= limit
    assert limit - found < 1
    assert found == limit or limit != COARSEST


def test_a_lucky_dip_behind_a_failure_is_not_taken() -> None:
    found = coarsest_holding(lambda e: e <= FIRST or e == FIRST + 3)
    assert found == FIRST


def test_nothing_holds() -> None:
    assert coarsest_holding(lambda _: False) is None


def figures(top1: float, cross_entropy: float, agreement: float = 1.0) -> Figures:
    return Figures(331, top1, cross_entropy, agreement, 0.0)


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
