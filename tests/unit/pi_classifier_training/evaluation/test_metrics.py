"""Figures of merit: every one against its definition, done the slow way."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pi_classifier_training.evaluation.metrics import (
    announcements,
    calibration_bins,
    calibration_error,
    confusions,
    cross_entropy,
    label_figures,
    ranks,
    wilson,
)

Z = 1.959963984540054


class TestWilson:
    @given(st.sampled_from([1, 2, 9, 10, 331, 3670]), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
    def test_the_ends_are_where_the_observed_share_is_just_as_far_as_allowed(
        self, n: int, share: float
    ) -> None:
        """Wilson's interval: all p with |share − p| ≤ z √(p (1 − p) / n)."""
        hits = round(share * n)
        interval = wilson(hits, n)
        for end in (interval.low, interval.high):
            if 1e-12 < end < 1 - 1e-12:
                deviation = math.sqrt(end * (1 - end) / n)
                assert abs(hits / n - end) == pytest.approx(Z * deviation)
        assert (interval.low < 1e-12) == (hits == 0)
        assert (interval.high > 1 - 1e-12) == (hits == n)
        assert interval.value == hits / n

    def test_all_of_ten(self) -> None:
        # 10 / (10 + z²): what all right of ten photos may hide.
        interval = wilson(10, 10)
        assert (interval.low, interval.high) == pytest.approx((10 / (10 + Z * Z), 1.0))

    def test_right_and_wrong_mirror_each_other(self) -> None:
        some, others = wilson(81, 263), wilson(182, 263)
        assert some.low == pytest.approx(1 - others.high)
        assert some.high == pytest.approx(1 - others.low)

    def test_four_times_the_photos_halve_the_width(self) -> None:
        narrow, wide = (wilson(n // 2, n) for n in (4000, 1000))
        assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(2, rel=1e-2)


SCORE = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])


@given(st.lists(st.tuples(SCORE, SCORE, SCORE, st.integers(0, 2)), min_size=1, max_size=8))
def test_a_rank_is_the_place_in_a_stable_sorting_by_score(
    rows: list[tuple[float, float, float, int]],
) -> None:
    scores = np.array([r[:3] for r in rows], np.float32)
    truth = np.array([r[3] for r in rows], np.int64)
    expected = [
        [i for _, i in sorted((-score, i) for i, score in enumerate(s))].index(t)
        for s, t in zip(scores, truth, strict=True)
    ]
    assert ranks(scores, truth).tolist() == expected
    assert ((ranks(scores, truth) == 0) == (scores.argmax(axis=1) == truth)).all()


class TestCrossEntropy:
    def test_of_a_guess_among_n_labels_is_ln_n(self) -> None:
        for n in (2, 5, 1000):
            assert cross_entropy(np.full(7, 1 / n, np.float32)) == pytest.approx(math.log(n))

    def test_scores_are_held_at_the_smallest(self) -> None:
        below = cross_entropy(np.array([0.0, 1e-9, 1e-7], np.float32))
        assert below == pytest.approx(-math.log(1e-7))

    def test_certainty_costs_nothing(self) -> None:
        assert cross_entropy(np.ones(3, np.float32)) == 0


class TestCalibration:
    @pytest.mark.parametrize(
        ("score", "bin_"),
        [(0.0, 0), (0.0999, 0), (0.1, 1), (0.4999, 4), (0.5, 5), (0.8999, 8), (0.95, 9), (1.0, 9)],
    )
    def test_ten_equal_bins_the_last_with_its_upper_end(self, score: float, bin_: int) -> None:
        assert calibration_bins(np.array([score], np.float32)).tolist() == [bin_]

    def test_bins_weigh_as_many_photos_as_they_hold(self) -> None:
        # Three photos at 0.95, all right: off by 0.05. One at 0.55, wrong: off by 0.55.
        top = np.array([0.95, 0.95, 0.95, 0.55], np.float32)
        error = calibration_error(top, np.array([True, True, True, False]))
        assert error == pytest.approx((3 * 0.05 + 0.55) / 4, abs=1e-6)

    def test_within_a_bin_too_much_and_too_little_cancel_between_bins_they_add_up(self) -> None:
        same = calibration_error(np.array([0.51, 0.59], np.float32), np.array([True, False]))
        apart = calibration_error(np.array([0.49, 0.51], np.float32), np.array([True, False]))
        assert same == pytest.approx(abs(1 - 0.51 - 0.59) / 2, abs=1e-6)
        assert apart == pytest.approx((0.51 + 0.51) / 2, abs=1e-6)


LABEL = st.integers(0, 4)


class TestLabels:
    @given(st.lists(st.tuples(LABEL, LABEL), min_size=1, max_size=40))
    def test_f1_is_the_harmonic_mean(self, pairs: list[tuple[int, int]]) -> None:
        truth, given_ = (np.array([p[i] for p in pairs], np.int64) for i in (0, 1))
        for label, found in enumerate(label_figures(truth, given_, 5)):
            hits = pairs.count((label, label))
            shown = sum(t == label for t, _ in pairs)
            named = sum(g == label for _, g in pairs)
            if not shown and not named:
                assert (found.precision, found.recall, found.f1) == (None, None, None)
                continue
            exact = Fraction(2 * hits, shown + named)
            assert found.f1 == pytest.approx(float(exact))
            if hits:
                p, r = Fraction(hits, named), Fraction(hits, shown)
                assert exact == 2 * p * r / (p + r)

    def test_a_label_never_given_has_recall_nought_and_no_precision(self) -> None:
        shown, never = label_figures(np.array([0, 1]), np.array([0, 0]), 2)
        assert (shown.n, shown.precision, shown.recall) == (1, 0.5, 1.0)
        assert (never.n, never.precision, never.recall, never.f1) == (1, None, 0.0, 0.0)

    def test_confusions_of_equal_count_come_in_the_order_of_their_labels(self) -> None:
        truth = np.array([2, 0, 1, 1, 0], np.int64)
        given_ = np.array([0, 2, 1, 1, 1], np.int64)
        assert confusions(truth, given_, 3) == [(1, 1, 2), (0, 1, 1), (0, 2, 1), (2, 0, 1)]

    @given(st.lists(st.tuples(LABEL, LABEL), min_size=1, max_size=40))
    def test_no_photo_is_lost(self, pairs: list[tuple[int, int]]) -> None:
        truth, given_ = (np.array([p[i] for p in pairs], np.int64) for i in (0, 1))
        cells = confusions(truth, given_, 5)
        assert sum(count for _, _, count in cells) == len(pairs)
        assert len({(t, g) for t, g, _ in cells}) == len(cells)


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


INDICES = st.integers(0, 3)


@settings(max_examples=50)
@given(st.lists(st.tuples(INDICES, INDICES), min_size=1, max_size=30))
def test_confusion_and_label_figures_are_counts(pairs: list[tuple[int, int]]) -> None:
    truth, given_ = (np.array([p[i] for p in pairs], np.int64) for i in (0, 1))
    cells = confusions(truth, given_, 4)
    assert {(t, g): c for t, g, c in cells} == {p: pairs.count(p) for p in pairs}
    assert [c for _, _, c in cells] == sorted((c for _, _, c in cells), reverse=True)
    for label, figures in enumerate(label_figures(truth, given_, 4)):
        shown = [g for t, g in pairs if t == label]
        named = [t for t, g in pairs if g == label]
        hits = shown.count(label)
        assert figures.n == len(shown)
        assert figures.recall == (pytest.approx(hits / len(shown)) if shown else None)
        assert figures.precision == (pytest.approx(hits / len(named)) if named else None)
        if shown and named and hits:
            r, p = hits / len(shown), hits / len(named)
            assert figures.f1 == pytest.approx(2 * r * p / (r + p))


@pytest.mark.parametrize(
    ("threshold", "silent", "counted"),
    [
        (0.7, (), (3, 1)),
        # 0.7 as float32 is a little less than 0.7, and the daemon compares it as it is.
        (float(np.float32(0.7)), (), (4, 2)),
        (0.0, (), (5, 2)),
        (0.95, (), (0, 0)),
        (0.7, (0,), (1, 1)),
        (0.7, (0, 1), (0, 0)),
    ],
)
def test_what_would_be_said(
    threshold: float, silent: tuple[int, ...], counted: tuple[int, int]
) -> None:
    truth = np.array([0, 0, 0, 0, 1])
    given_ = np.array([0, 0, 1, 1, 1])
    top = np.array([0.9, 0.8, 0.75, 0.7, 0.2], np.float32)
    said = announcements(truth, given_, top, threshold, silent)
    assert (said.n, said.named, said.wrong) == (5, *counted)
