"""Figures of a rounded model beside the float one; and the table of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.compression.rounding.frontier import Point, table
from pi_classifier_training.compression.rounding.trials import Figures, figures_beside

from tests.unit.pi_classifier_training.outcomes import scores_of

SHARE = st.sampled_from([0.05, 0.2, 0.45, 0.8])


class TestCompare:
    def test_by_hand(self) -> None:
        exact = scores_of([[0.8, 0.2], [0.5, 0.5], [0.9, 0.1], [0.3, 0.7]], [0, 1, 0, 0])
        own = scores_of([[0.6, 0.4], [0.4, 0.6], [0.4, 0.6], [0.4, 0.6]], [0, 1, 0, 0])
        merits = figures_beside(exact, own)
        assert merits.n == 4
        assert merits.top1 == 0.5
        # Of the float model's labels 0, 0, 0, 1 two stay.
        assert merits.agreement == 0.5
        # Of four photos one is won and one lost: resampled, up to three of either.
        assert merits.change == (-0.75, 0.75)
        logs = [math.log(0.6), math.log(0.6), math.log(0.4), math.log(0.4)]
        assert merits.cross_entropy == pytest.approx(-sum(logs) / 4, rel=1e-6)

    @given(st.lists(st.tuples(SHARE, SHARE), min_size=1, max_size=6))
    def test_divergence_is_kullback_and_leiblers(self, pairs: list[tuple[float, float]]) -> None:
        exact = scores_of([[p, 1 - p] for p, _ in pairs], [0] * len(pairs))
        own = scores_of([[q, 1 - q] for _, q in pairs], [0] * len(pairs))
        expected = [p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)) for p, q in pairs]
        assert figures_beside(exact, own).divergence == pytest.approx(np.mean(expected), abs=1e-6)
        assert figures_beside(exact, own).divergence > -1e-7

    def test_a_model_beside_itself(self) -> None:
        scores = scores_of([[1.0, 0.0], [0.0, 1.0]], [0, 0])
        merits = figures_beside(scores, scores)
        assert (merits.agreement, merits.divergence, merits.top1) == (1.0, 0.0, 0.5)
        # A score of nothing costs what the smallest score does, not infinity.
        assert math.isfinite(merits.cross_entropy)


def point(n: tuple[int, int], top1: tuple[float, float], saving: float = 0.75) -> Point:
    figures = [
        Figures(count, right, (-0.01, 0.0), 0.4, 0.98, 0.01)
        for count, right in zip(n, top1, strict=True)
    ]
    return Point("channel", "64 levels", 1000, saving, *figures)


class TestFrontierTable:
    def test_both_splits_count_by_their_photos(self) -> None:
        assert point((300, 100), (0.9, 0.5)).top1 == pytest.approx((270 + 50) / 400)

    def test_lines(self) -> None:
        exact = [Figures(n, 0.9, (0.0, 0.0), 0.3, 1.0, 0.0) for n in (30, 10)]
        first = Point("float", "as it is", 9999, 0.073, *exact)
        lines = list(table([first, point((30, 10), (0.8, 0.6))]))
        assert "top-1 validation (n = 30)" in lines[0]
        assert "top-1 test (n = 10)" in lines[0]
        assert (
            lines[2]
            == "| float | as it is | 7.3% | 90.0% | 90.0% | +0.0 to +0.0 | 100.0% | 0.300 |"
        )
        assert (
            lines[3]
            == "| channel | 64 levels | 75.0% | 80.0% | 60.0% | -1.0 to +0.0 | 98.0% | 0.400 |"
        )
