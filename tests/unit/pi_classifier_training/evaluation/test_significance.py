"""Bootstrap and McNemar's test, against exact arithmetic."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.evaluation import significance
from pi_classifier_training.evaluation.metrics import calibration_error, cross_entropy
from pi_classifier_training.evaluation.significance import (
    calibration_change_interval,
    calibration_error_interval,
    calibration_error_of,
    cross_entropy_interval,
    difference_interval,
    gap_columns,
    hit_column,
    interval,
    loss_column,
    mcnemar,
    paired,
)

from tests.unit.pi_classifier_training.outcomes import outcomes_with


class TestMcNemar:
    @given(st.sampled_from([0, 1, 2, 5, 10, 31, 120]), st.sampled_from([0, 1, 2, 6, 10, 40, 121]))
    def test_is_the_two_sided_binomial_test_of_a_fair_coin(self, ours: int, theirs: int) -> None:
        n, fewer = ours + theirs, min(ours, theirs)
        tail = sum(Fraction(comb(n, k), 2**n) for k in range(fewer + 1))
        assert mcnemar(ours, theirs) == pytest.approx(float(min(Fraction(1), 2 * tail)), rel=1e-9)

    def test_does_not_care_which_model_is_which(self) -> None:
        assert mcnemar(3, 11) == mcnemar(11, 3)

    def test_the_more_lopsided_the_less_likely(self) -> None:
        values = [mcnemar(10 - k, 10 + k) for k in range(11)]
        assert values == sorted(values, reverse=True)
        assert values[0] == 1.0

    def test_no_difference_proves_nothing(self) -> None:
        assert mcnemar(0, 0) == 1.0

    def test_five_to_nothing_is_not_significant_six_to_nothing_is(self) -> None:
        assert mcnemar(5, 0) == pytest.approx(1 / 16)
        assert mcnemar(6, 0) == pytest.approx(1 / 32)
        assert mcnemar(5, 0) > 0.05 > mcnemar(6, 0)


class TestBootstrap:
    def test_its_ends_are_the_percentiles_of_all_possible_draws(self) -> None:
        column = np.array([1.0, 2.0, 7.0, 0.0])
        every = [np.mean(draw) for draw in itertools.product(column, repeat=4)]
        low, high = np.percentile(every, (2.5, 97.5))
        # Means of four whole numbers lie a quarter apart.
        assert interval(column[:, np.newaxis]) == pytest.approx((low, high), abs=0.25)

    def test_one_photo_has_no_spread(self) -> None:
        assert interval(np.array([[0.5]])) == (0.5, 0.5)
        assert interval(np.array([[0.5]]), basic=True) == (0.5, 0.5)

    def test_an_interval_of_equal_values_is_a_point(self) -> None:
        assert interval(np.full((9, 1), 2.5)) == (2.5, 2.5)

    def test_a_statistic_sees_the_means_of_all_columns(self) -> None:
        columns = np.array([[1.0, 3.0]] * 5)
        assert interval(columns, lambda means: means[..., 1] - means[..., 0]) == (2.0, 2.0)

    def test_the_basic_interval_mirrors_the_percentiles_at_the_estimate(self) -> None:
        column = np.random.default_rng(1).exponential(size=(40, 1))
        low, high = interval(column)
        mean = float(column.mean())
        assert interval(column, basic=True) == pytest.approx((2 * mean - high, 2 * mean - low))

    @pytest.mark.parametrize("seed", range(3))
    def test_nineteen_of_twenty_intervals_hold_the_truth(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        held = 0
        for _ in range(60):
            low, high = interval((rng.random((80, 1)) < 0.8).astype(np.float64))
            held += low <= 0.8 <= high
        # Binomial: of 60 intervals of 95 % fewer than 50 hold the truth once in 10,000 times.
        assert held >= 50


ANSWERS = outcomes_with([0.95, 0.85, 0.55, 0.65] * 6, [True, True, False, True] * 6)


class TestColumns:
    def test_their_means_are_the_figures(self) -> None:
        assert hit_column(ANSWERS).mean() == 0.75
        assert loss_column(ANSWERS).mean() == pytest.approx(cross_entropy(ANSWERS.own))
        means = gap_columns(ANSWERS).mean(axis=0, keepdims=True)
        expected = calibration_error(ANSWERS.top, ANSWERS.right)
        assert calibration_error_of(means)[0] == pytest.approx(expected)

    def test_each_photos_gap_stands_in_its_bin_alone(self) -> None:
        gaps = gap_columns(outcomes_with([0.95, 0.55], [True, False]))
        assert np.flatnonzero(gaps[0]).tolist() == [9]
        assert np.flatnonzero(gaps[1]).tolist() == [5]
        assert (gaps[0, 9], gaps[1, 5]) == pytest.approx((0.05, -0.55), abs=1e-6)

    def test_a_true_label_without_any_score_costs_sixteen_nats(self) -> None:
        # Right with a score of 0 cannot be; wrong with a score of 1 leaves the truth nothing.
        (loss,) = loss_column(outcomes_with([1.0], [False])).ravel()
        assert loss == pytest.approx(-math.log(1e-7))


class TestDifferences:
    def test_what_both_models_share_cancels_out(self) -> None:
        """Photos differ much, the models always by the same: the interval is a point."""
        ours = np.random.default_rng(1).normal(size=(50, 1)) * 100
        low, high = difference_interval(ours, ours + 0.25)
        assert (low, high) == pytest.approx((0.25, 0.25))

    def test_a_model_against_itself(self) -> None:
        test = paired(ANSWERS, ANSWERS)
        assert test["top1_difference"] == 0
        assert test["top1_difference_interval"] == [0.0, 0.0]
        assert test["p_value"] == 1.0
        assert calibration_change_interval(ANSWERS, ANSWERS) == (0.0, 0.0)

    def test_swapping_the_models_turns_the_sign(self) -> None:
        better = outcomes_with([0.9] * 24, [True] * 24)
        there, back = paired(ANSWERS, better), paired(better, ANSWERS)
        assert there["top1_difference"] == pytest.approx(0.25)
        assert back["top1_difference"] == pytest.approx(-0.25)
        assert there["top1_difference_interval"] == pytest.approx(
            [-x for x in reversed(back["top1_difference_interval"])], abs=1e-12
        )
        assert (there["only_first_right"], there["only_this_right"]) == (0, 6)

    def test_a_clearly_worse_calibration_is_clearly_worse(self) -> None:
        n = 300
        right = [i % 10 < 8 for i in range(n)]
        honest, boastful = (outcomes_with([s] * n, right) for s in (0.8, 0.99))
        low, high = calibration_change_interval(honest, boastful)
        # From 0 to 0.19.
        assert 0.1 < low < 0.19 < high < 0.3

    def test_intervals_hold_their_figures(self) -> None:
        low, high = cross_entropy_interval(ANSWERS)
        assert low < cross_entropy(ANSWERS.own) < high
        low, high = calibration_error_interval(ANSWERS)
        assert 0 <= low <= calibration_error(ANSWERS.top, ANSWERS.right) <= high


def test_mcnemar_of_many_photos_is_finite() -> None:
    assert mcnemar(10_000, 10_000) == 1.0
    assert 0 <= mcnemar(0, 5000) < 1e-300
    assert mcnemar(10, 26) == pytest.approx(0.01132, abs=1e-4)


def test_an_interval_is_the_same_every_time_and_however_much_is_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = np.random.default_rng(2).normal(size=(50, 2))
    whole = interval(columns)
    assert interval(columns) == whole
    monkeypatch.setattr(significance, "_DRAWN", 300)  # three resamples at a time
    assert interval(columns) == pytest.approx(whole)


def test_every_column_sees_the_same_draw() -> None:
    column = np.random.default_rng(2).normal(size=(30, 1))
    both = np.hstack([column, 2 * column])
    assert interval(both, lambda means: means[..., 1] - 2 * means[..., 0]) == (0, 0)


def test_an_interval_has_the_width_the_normal_distribution_gives() -> None:
    values = np.random.default_rng(5).normal(3, 2, (400, 1))
    low, high = interval(values)
    spread = float(values.std()) / math.sqrt(400)
    assert low == pytest.approx(values.mean() - 1.96 * spread, abs=0.25 * spread)
    assert high == pytest.approx(values.mean() + 1.96 * spread, abs=0.25 * spread)


EDGES = st.sampled_from([0.5, 0.6, 0.7, float(np.nextafter(np.float32(0.8), 0)), 0.8, 1.0])


@given(st.lists(st.tuples(EDGES, st.booleans()), min_size=1, max_size=20))
def test_calibration_error_two_ways(photos: list[tuple[float, bool]]) -> None:
    some = outcomes_with([p[0] for p in photos], [p[1] for p in photos])
    means = gap_columns(some).mean(axis=0, keepdims=True)
    error = calibration_error(some.top, some.right)
    assert float(calibration_error_of(means)[0]) == pytest.approx(error)
    slow = 0.0
    for low in range(10):
        bin_ = [i for i, t in enumerate(some.top) if min(9, int(t * np.float32(10))) == low]
        if bin_:
            gap = np.mean([some.right[i] - float(some.top[i]) for i in bin_])
            slow += abs(gap) * len(bin_) / len(photos)
    assert error == pytest.approx(slow)


def test_the_calibration_interval_covers_perfect_calibration() -> None:
    # Resampling adds error of its own: the plain percentiles would not reach down to 0.
    rng = np.random.default_rng(1)
    tops = rng.uniform(0.5, 1.0, 300).tolist()
    some = outcomes_with(tops, [bool(rng.random() < t) for t in tops])
    low, high = calibration_error_interval(some)
    assert 0 <= low < 0.01
    assert high < 0.1


def test_cross_entropy_interval_holds_the_value() -> None:
    some = outcomes_with([0.6, 0.7, 0.8, 0.9] * 20, [True, True, False, True] * 20)
    low, high = cross_entropy_interval(some)
    value = -np.log(some.own).mean()
    assert low < value < high


def test_a_paired_comparison_counts_both_ways() -> None:
    ours = outcomes_with([0.9] * 6, [True, True, True, True, False, False])
    theirs = outcomes_with([0.9] * 6, [True, False, False, False, True, False])
    test = paired(ours, theirs)
    assert (test["only_first_right"], test["only_this_right"]) == (3, 1)
    assert test["top1_difference"] == pytest.approx(-2 / 6)
    low, high = test["top1_difference_interval"]
    assert low <= -2 / 6 <= high
    assert test["p_value"] == pytest.approx(10 / 16)
