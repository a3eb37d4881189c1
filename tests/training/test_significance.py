"""Intervals and tests against their definitions, worked out the slow way."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.evaluation import significance
from pi_classifier_training.evaluation.metrics import calibration_error, confusions, label_figures
from pi_classifier_training.evaluation.scoring import Outcomes, Scores, concatenated, outcomes_of
from pi_classifier_training.evaluation.significance import (
    calibration_error_interval,
    calibration_error_of,
    cross_entropy_interval,
    gap_columns,
    interval,
    mcnemar,
    paired,
)


def scored(rows: list[list[float]], truth: list[int]) -> Scores:
    n = len(truth)
    return Scores(
        photos=tuple(Photo.__new__(Photo) for _ in truth),
        scores=np.array(rows, np.float32),
        truth=np.array(truth, np.int64),
        stages=np.zeros(n, np.int64),
        latencies_ns=np.ones(n, np.int64),
        unreadable=(),
    )


def outcomes(tops: list[float], right: list[bool]) -> Outcomes:
    rows = [[t, 1 - t] for t in tops]
    return outcomes_of(scored(rows, [0 if r else 1 for r in right]))


@given(st.integers(0, 6), st.integers(0, 6))
def test_mcnemar_is_what_tossing_all_coins_gives(ours: int, theirs: int) -> None:
    n = ours + theirs
    far = abs(ours - theirs)
    tosses = itertools.product((0, 1), repeat=n)
    as_far = sum(abs(n - 2 * sum(toss)) >= far for toss in tosses)
    assert mcnemar(ours, theirs) == pytest.approx(as_far / 2**n)


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
    some = outcomes([p[0] for p in photos], [p[1] for p in photos])
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
    some = outcomes(tops, [bool(rng.random() < t) for t in tops])
    low, high = calibration_error_interval(some)
    assert 0 <= low < 0.01
    assert high < 0.1


def test_cross_entropy_interval_holds_the_value() -> None:
    some = outcomes([0.6, 0.7, 0.8, 0.9] * 20, [True, True, False, True] * 20)
    low, high = cross_entropy_interval(some)
    value = -np.log(some.own).mean()
    assert low < value < high


def test_a_paired_comparison_counts_both_ways() -> None:
    ours = outcomes([0.9] * 6, [True, True, True, True, False, False])
    theirs = outcomes([0.9] * 6, [True, False, False, False, True, False])
    test = paired(ours, theirs)
    assert (test["only_first_right"], test["only_this_right"]) == (3, 1)
    assert test["top1_difference"] == pytest.approx(-2 / 6)
    low, high = test["top1_difference_interval"]
    assert low <= -2 / 6 <= high
    assert test["p_value"] == pytest.approx(10 / 16)


INDICES = st.integers(0, 3)


@settings(max_examples=50)
@given(st.lists(st.tuples(INDICES, INDICES), min_size=1, max_size=30))
def test_confusion_and_label_figures_are_counts(pairs: list[tuple[int, int]]) -> None:
    truth, given_ = (np.array([p[i] for p in pairs], np.int64) for i in (0, 1))
    found = confusions(truth, given_, 4)
    assert {(t, g): c for t, g, c in found} == {p: pairs.count(p) for p in pairs}
    assert [c for _, _, c in found] == sorted((c for _, _, c in found), reverse=True)
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


def test_joined_answers_are_those_of_all() -> None:
    rows, truth = [[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]], [0, 0, 1]
    whole = outcomes_of(scored(rows, truth))
    parts = concatenated(
        [outcomes_of(scored(rows[:1], truth[:1])), outcomes_of(scored(rows[1:], truth[1:]))]
    )
    for name in ("truth", "given", "top", "own", "rank", "stages", "latencies_ns"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name
    assert len(parts.photos) == 3
