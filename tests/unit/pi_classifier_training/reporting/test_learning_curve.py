"""The power law and the head behind a learning curve, against slower definitions."""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.reporting import learning_curve
from pi_classifier_training.reporting.learning_curve import (
    EXPONENTS,
    SHARES,
    Curve,
    HeadInputs,
    HeadSettings,
    PowerLaw,
    affordable,
    fit,
    fit_rows,
    forecast,
    measure,
)
from pi_classifier_training.reporting.more_photos import (
    LEAST_OF_A_LABEL,
    drawn_labels,
    require_possible,
)
from pi_classifier_training.retraining.head import ClassWeights, fit_head

Array = NDArray[np.float64]
COUNTS = 2000 * np.array(SHARES)
ERROR = st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.4, 1.0])


def missed(law: PowerLaw, errors: Array) -> float:
    return float(((law(COUNTS) - errors) ** 2).sum())


class TestFit:
    @settings(max_examples=40)
    @given(st.lists(ERROR, min_size=7, max_size=7))
    def test_no_other_law_with_one_of_the_exponents_is_nearer(self, values: list[float]) -> None:
        """For every exponent: the free line where it may be, and both edges a = 0 and b = 0."""
        errors = np.array(values)
        law = fit(COUNTS, errors)
        assert law.a >= 0
        assert law.b >= 0
        for c in EXPONENTS:
            x = COUNTS**-c
            (a, b), *_ = np.linalg.lstsq(np.stack([np.ones(7), x], axis=1), errors, rcond=None)
            others = [PowerLaw(errors.mean(), 0.0, c), PowerLaw(0.0, x @ errors / (x @ x), c)]
            others += [PowerLaw(a, b, c)] if a >= 0 and b >= 0 else []
            assert missed(law, errors) <= min(missed(o, errors) for o in others) + 1e-12

    def test_many_at_once_are_as_one_by_one(self) -> None:
        rng = np.random.default_rng(1)
        errors = rng.uniform(0, 0.5, (20, 7))
        a, b, c = fit_rows(COUNTS, errors)
        for i, row in enumerate(errors):
            alone = fit(COUNTS, row)
            assert (alone.a, alone.b, alone.c) == pytest.approx((a[i], b[i], c[i]))

    def test_errors_that_rise_are_taken_as_a_constant(self) -> None:
        law = fit(COUNTS, np.linspace(0.1, 0.2, 7))
        assert law(1.0) == pytest.approx(0.15)
        assert law(10**6) == pytest.approx(0.15)

    def test_a_law_at_work(self) -> None:
        law = PowerLaw(0.05, 2.0, 0.5)
        assert law(100) == pytest.approx(0.05 + 0.2)
        assert law(np.array([4.0, 16.0])) == pytest.approx(np.array([1.05, 0.55]))


def curve(errors: Array, checks: int = 1000, counts: Array = COUNTS) -> Curve:
    """A curve with exactly these shares of `checks` photos wrong, always the same first."""
    wrong = np.arange(checks) < np.round(errors * checks)[:, None, None]
    return Curve(counts, np.repeat(wrong, 2, axis=1))


class TestForecast:
    def test_halving_with_four_times_the_photos_is_root_two_with_twice(self) -> None:
        """error = b / √n: twice the photos leave 1 / √2 of the mistakes."""
        told = forecast(curve(3 * COUNTS**-0.5))
        assert told.ratio == pytest.approx(0.5**0.5, abs=0.02)
        assert told.doubt == ""
        assert told.measured == pytest.approx(3 * 2000**-0.5, abs=1e-3)

    def test_a_floor_that_more_photos_cannot_lower(self) -> None:
        told = forecast(curve(0.2 + 0.8 * COUNTS**-1.0))
        assert told.ratio == pytest.approx(1.0, abs=0.01)

    def test_the_same_curve_is_told_the_same(self) -> None:
        errors = 0.05 + 4 * COUNTS**-0.5
        assert forecast(curve(errors)) == forecast(curve(errors))
        other = forecast(curve(errors), seed=2)
        assert other.ratio == forecast(curve(errors)).ratio
        assert other.ratio_interval != forecast(curve(errors)).ratio_interval

    def test_fewer_photos_to_check_on_mean_a_wider_interval(self) -> None:
        errors = 0.05 + 4 * COUNTS**-0.5
        wide, narrow = (np.ptp(forecast(curve(errors, n)).ratio_interval) for n in (200, 5000))
        assert wide > 1.5 * narrow

    def test_mistakes_are_counted_over_seeds_and_photos(self) -> None:
        wrong = np.zeros((2, 3, 4), bool)
        wrong[0, 0, 0] = wrong[0, 2, 1] = wrong[1, 1, 3] = True
        assert Curve(COUNTS[:2], wrong).errors == pytest.approx(np.array([2 / 12, 1 / 12]))


@pytest.mark.parametrize(
    ("samples", "channels", "labels", "seeds", "kept"),
    [
        (5_000, 256, 5, 3, 5),
        (2_000, 1000, 100, 1, 100),  # just as much as there is time for
        (2_001, 1000, 100, 1, 99),
        (6_666, 100, 100, 3, 100),
        (6_667, 100, 100, 2, 100),
        (8_000, 1000, 100, 1, 50),  # half of the labels have half of the photos
        (200_000, 1000, 100, 1, 10),
        (250_000, 1000, 100, 1, 0),
        (1_000_000, 1000, 5, 1, 0),
        (0, 256, 5, 3, 5),
    ],
)
def test_a_curve_of_many_labels_takes_fewer_seeds_then_fewer_labels(
    samples: int, channels: int, labels: int, seeds: int, kept: int
) -> None:
    assert affordable(samples, channels, labels) == (seeds, kept)


@pytest.mark.parametrize("silent", [(), (0,), (7, 11)])
def test_labels_are_drawn_by_lot_and_the_silent_ones_stay(silent: tuple[int, ...]) -> None:
    drawn = drawn_labels(12, 5, silent)
    assert len(drawn) == len(set(drawn.tolist())) == 5
    assert set(silent) <= set(drawn.tolist()) < set(range(12))
    assert (np.diff(drawn) > 0).all()
    assert drawn_labels(12, 12, silent).tolist() == list(range(12))
    assert (drawn_labels(12, 5, silent) == drawn).all()


def clouds(n: int, seed: int, labels: int = 3) -> HeadInputs:
    """Clouds of points far apart: a head that learns at all tells them apart."""
    rng = np.random.default_rng(seed)
    indices = np.arange(n, dtype=np.int64) % labels
    centers = 6 * np.eye(labels, 8, dtype=np.float32)
    values = centers[indices] + rng.normal(size=(n, 8)).astype(np.float32)
    return HeadInputs(values.astype(np.float32), indices)


class TestMeasure:
    def test_what_is_easy_is_learned(self) -> None:
        own_curve = measure(clouds(240, 1), clouds(120, 2), 3, seeds=1)
        assert own_curve.errors[-1] < 0.02
        assert own_curve.wrong.shape == (len(SHARES), 1, 120)

    def test_what_has_nothing_to_do_with_the_labels_is_not(self) -> None:
        training, checks = clouds(240, 1), clouds(300, 2)
        mixed = np.random.default_rng(3).permutation(training.indices)
        own_curve = measure(HeadInputs(training.values, mixed), checks, 3, seeds=1)
        # One of three is right by chance.
        assert own_curve.errors[-1] == pytest.approx(2 / 3, abs=0.15)

    def test_shares_are_counted_label_by_label(self) -> None:
        """Ten photos of one label and 80 of the other: a share of each, at least one."""
        rng = np.random.default_rng(1)
        indices = np.array([0] * 10 + [1] * 80, np.int64)
        training = HeadInputs(rng.normal(size=(90, 4)).astype(np.float32), indices)
        own_curve = measure(training, training, 2, seeds=1)
        expected = [max(1, round(10 * s)) + max(1, round(80 * s)) for s in SHARES]
        assert own_curve.counts.tolist() == expected

    def test_with_all_photos_it_is_the_head_of_the_run(self) -> None:
        """All views of the photos, its strength and its weights of rare labels: no other head."""
        rng = np.random.default_rng(5)
        indices = np.array([0] * 20 + [1] * 80, np.int64)
        centers = np.array([[0.0], [0.8]])[indices]
        values = (np.tile(centers, (2, 6)) + rng.normal(size=(200, 6))).astype(np.float32)
        training = HeadInputs(values, np.tile(indices, 1))
        assert training.views == 2
        checks = HeadInputs(values[:100], indices)
        for strength, weights in itertools.product((2.0, 128.0), get_args(ClassWeights)):
            settings_of_run = HeadSettings(strength, weights)
            last = measure(training, checks, 2, settings_of_run, seeds=1).wrong[-1, 0]
            own = fit_head(
                values, np.tile(indices, 2), 2,
                strength=strength, class_weights=weights, views=2,
            )  # fmt: skip
            assert np.array_equal(last, own.logits(checks.values).argmax(1) != indices)
        few = training.some(np.array([3, 50]))
        assert few.values.tolist() == values[[3, 50, 103, 150]].tolist()


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([0.0, 0.01, 0.1]),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.sampled_from([0.05, 0.5, 1.0, 1.5]),
)
def test_a_law_is_found_again_from_its_own_values(a: float, b: float, c: float) -> None:
    law = fit(COUNTS, a + b * COUNTS**-c)
    assert law(COUNTS) == pytest.approx(a + b * COUNTS**-c, abs=1e-9)
    assert (law.a, law.b) >= (0.0, 0.0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0]), min_size=7, max_size=7))
def test_whatever_was_measured_more_photos_do_no_harm(errors: list[float]) -> None:
    law = fit(COUNTS, np.array(errors))
    assert 0 <= law(4000) <= law(2000) + 1e-12


def test_a_steady_fall_is_carried_on() -> None:
    errors = 0.05 + 4 * COUNTS**-0.5
    told = forecast(curve(errors))
    truth = (0.05 + 4 * 4000**-0.5) / errors[-1]
    assert told.doubt == ""
    assert told.ratio == pytest.approx(truth, abs=0.01)
    assert told.ratio_interval[0] <= truth <= told.ratio_interval[1] <= 1
    assert told.trial == pytest.approx(told.measured, abs=0.01)


def test_a_law_that_missed_in_the_trial_is_given_a_wider_interval() -> None:
    steady = 0.05 + 4 * COUNTS**-0.5
    bent = np.append(steady[:-1], steady[-1] - 0.009)
    wide, narrow = (np.ptp(forecast(curve(e)).ratio_interval) for e in (bent, steady))
    assert wide > narrow + 0.02


@pytest.mark.parametrize(
    ("errors", "checks", "most", "said"),
    [
        (0.05 + 4 * COUNTS**-0.5, 59, 2000, "59 photos to check on are too few"),
        (0.05 + 4 * COUNTS**-0.5, 1000, 79, "79 training photos are too few"),
        (np.full(7, 0.2), 1000, 2000, "do not clearly become fewer"),
        (np.linspace(0.2, 0.3, 7), 1000, 2000, "do not clearly become fewer"),
        (np.append(np.full(6, 0.3), 0.0), 1000, 2000, "no mistake is left"),
        (np.append(np.full(6, 0.3), 0.1), 1000, 2000, "a trial with half of the photos"),
    ],
)
def test_a_forecast_not_to_be_trusted_says_why(
    errors: Array, checks: int, most: int, said: str
) -> None:
    assert said in forecast(curve(errors, checks, most * np.array(SHARES))).doubt


@pytest.mark.parametrize(("checks", "most"), [(60, 2000), (1000, 80)])
def test_at_the_fewest_photos_a_forecast_is_tried(checks: int, most: int) -> None:
    doubt = forecast(curve(0.05 + 4 * COUNTS**-0.5, checks, most * np.array(SHARES))).doubt
    assert "too few" not in doubt


def blobs(n: int, seed: int) -> HeadInputs:
    """Three clouds of points that overlap, one label a cloud."""
    rng = np.random.default_rng(seed)
    indices = np.arange(n, dtype=np.int64) % 3
    centers = np.eye(3, 24, dtype=np.float32) * 1.2
    values = centers[indices] + rng.normal(size=(n, 24)).astype(np.float32)
    return HeadInputs(values.astype(np.float32), indices)


def test_a_head_errs_less_with_more_photos() -> None:
    steps: list[None] = []
    own_curve = measure(blobs(480, 1), blobs(600, 2), 3, seeds=2, step=lambda: steps.append(None))
    assert len(steps) == 2 * len(SHARES)
    assert own_curve.counts.tolist() == [60, 84, 120, 171, 240, 339, 480]
    assert own_curve.wrong.shape == (7, 2, 600)
    assert own_curve.errors[-1] < own_curve.errors[0] - 0.03
    # Far better than guessing one of three.
    assert own_curve.errors[-1] < 0.5
    again = measure(blobs(480, 1), blobs(600, 2), 3, seeds=2)
    assert np.array_equal(own_curve.wrong, again.wrong)


def test_shares_are_nested_and_even_over_labels() -> None:
    order = [np.arange(40), np.arange(40, 50)]
    small, large = (learning_curve._share_of(order, share) for share in (0.25, 0.5))
    assert set(small) < set(large)
    assert [int((small < 40).sum()), int((small >= 40).sum())] == [10, 2]
    # A label with few photos never disappears.
    assert len(learning_curve._share_of([np.arange(3)], 0.125)) == 1


@pytest.mark.parametrize("per_label", [1, LEAST_OF_A_LABEL - 1, LEAST_OF_A_LABEL])
def test_of_very_few_photos_no_shares_are_compared(per_label: int) -> None:
    truth = np.repeat(np.arange(2), per_label)
    inputs = HeadInputs(np.eye(2, dtype=np.float32)[truth], truth)
    if per_label < LEAST_OF_A_LABEL:
        with pytest.raises(TrainingError, match="fewer than 8 photos of a label"):
            require_possible(truth, truth, 2)
    else:
        require_possible(truth, truth, 2)
        with np.errstate(all="raise"):
            assert forecast(measure(inputs, inputs, 2)).law.b == 0
