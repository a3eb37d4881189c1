"""Figures of merit against values worked out by hand or taken from their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.evaluation.metrics import (
    calibration_error,
    cross_entropy,
    ranks,
    wilson,
)

SCORES = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.4, 0.4, 0.2]], np.float32)


def test_ranks_count_better_scores_and_earlier_ties() -> None:
    assert ranks(SCORES, np.array([0, 1, 1])).tolist() == [0, 1, 1]
    assert ranks(SCORES, np.array([2, 0, 0])).tolist() == [2, 2, 0]


def test_cross_entropy_is_the_mean_negative_logarithm() -> None:
    expected = -(math.log(0.7) + math.log(0.2) + math.log(0.4)) / 3
    assert cross_entropy(np.array([0.7, 0.2, 0.4], np.float32)) == pytest.approx(
        expected, rel=1e-6
    )


def test_cross_entropy_of_a_zero_score_is_finite() -> None:
    assert cross_entropy(np.array([0.0], np.float32)) < 17


def test_wilson_matches_the_published_example() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
    accuracy = wilson(81, 263)
    assert (round(accuracy.low, 4), round(accuracy.high, 4)) == (0.2553, 0.3662)


@given(st.sampled_from([1, 2, 3, 100, 10_000]).flatmap(
    lambda n: st.tuples(st.sampled_from(sorted({0, 1, n // 2, n - 1, n})), st.just(n))
))  # fmt: skip
def test_wilson_contains_the_share_and_stays_a_share(case: tuple[int, int]) -> None:
    hits, n = case
    accuracy = wilson(hits, n)
    assert 0 <= accuracy.low <= accuracy.value + 1e-12
    assert accuracy.value - 1e-12 <= accuracy.high <= 1


def test_wilson_refuses_no_photos() -> None:
    with pytest.raises(ValueError, match="no photos"):
        wilson(0, 0)


def test_calibration_error_is_the_gap_between_score_and_accuracy() -> None:
    # Ten photos scored 0.8, of which 5 are right: off by 0.3.
    top = np.full(10, 0.8, np.float32)
    half = np.array([True, False] * 5)
    assert calibration_error(top, half) == pytest.approx(0.3, abs=1e-6)
    assert calibration_error(top, np.ones(10, bool)) == pytest.approx(0.2, abs=1e-6)
