"""The power law and the head behind a learning curve, against slower definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.reporting import learning_curve
from pi_classifier_training.reporting.learning_curve import (
    EXPONENTS,
    LARGEST_STEP,
    SHARES,
    Curve,
    HeadInputs,
    PowerLaw,
    fit,
    fit_rows,
    forecast,
    measure,
    too_much,
)

Array = NDArray[np.float64]
COUNTS = 1000 * np.array(SHARES)
ERROR = st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.4, 1.0])


def missed(law: PowerLaw, errors: Array) -> float:
    return float(((law(COUNTS) - errors) ** 2).sum())


class TestFit:
    @settings(max_examples=40)
    @given(st.lists(ERROR, min_size=7, max_size=7))
    def test_no_other_law_with_one_of_the_exponents_is_nearer(self, values: list[float]) -> None:
        """For every exponent: the free line where it may be, and both edges a = 0 and b = 0."""
        errors = np.array(values)
        found = fit(COUNTS, errors)
        assert found.a >= 0
        assert found.b >= 0
        for c in EXPONENTS:
            x = COUNTS**-c
            (a, b), *_ = np.linalg.lstsq(np.stack([np.ones(7), x], axis=1), errors, rcond=None)
            others = [PowerLaw(errors.mean(), 0.0, c), PowerLaw(0.0, x @ errors / (x @ x), c)]
            others += [PowerLaw(a, b, c)] if a >= 0 and b >= 0 else []
            assert missed(found, errors) <= min(missed(o, errors) for o in others) + 1e-12

    def test_many_at_once_are_as_one_by_one(self) -> None:
        rng = np.random.default_rng(1)
        errors = rng.uniform(0, 0.5, (20, 7))
        a, b, c = fit_rows(COUNTS, errors)
        for i, row in enumerate(errors):
            alone = fit(COUNTS, row)
            assert (alone.a, alone.b, alone.c) == pytest.approx((a[i], b[i], c[i]))

    def test_errors_that_rise_are_taken_as_a_constant(self) -> None:
        found = fit(COUNTS, np.linspace(0.1, 0.2, 7))
        assert found(1.0) == pytest.approx(0.15)
        assert found(10**6) == pytest.approx(0.15)

    def test_a_law_at_work(self) -> None:
        law = PowerLaw(0.05, 2.0, 0.5)
        assert law(100) == pytest.approx(0.05 + 0.2)
        assert law(np.array([4.0, 16.0])) == pytest.approx(np.array([1.05, 0.55]))


def curve(errors: Array, checks: int = 1000) -> Curve:
    wrong = np.arange(checks) < np.round(errors * checks)[:, None, None]
    return Curve(COUNTS, np.repeat(wrong, 2, axis=1))


class TestForecast:
    def test_halving_with_four_times_the_photos_is_root_two_with_twice(self) -> None:
        """error = b / √n: twice the photos leave 1 / √2 of the mistakes."""
        told = forecast(curve(3 * COUNTS**-0.5))
        assert told.ratio == pytest.approx(0.5**0.5, abs=0.02)
        assert told.doubt == ""
        assert told.measured == pytest.approx(3 * 1000**-0.5, abs=1e-3)

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


@pytest.mark.parametrize(("channels", "much"), [(1000, False), (1001, True)])
def test_what_would_take_too_long(channels: int, much: bool) -> None:
    assert too_much(40_000, channels, 100) is much
    assert LARGEST_STEP == 40_000 * 1000 * 100


def clouds(n: int, seed: int, labels: int = 3) -> HeadInputs:
    """Clouds of points far apart: a head that learns at all tells them apart."""
    rng = np.random.default_rng(seed)
    indices = np.arange(n, dtype=np.int64) % labels
    centers = 6 * np.eye(labels, 8, dtype=np.float32)
    values = centers[indices] + rng.normal(size=(n, 8)).astype(np.float32)
    return HeadInputs(values.astype(np.float32), indices)


class TestMeasure:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(learning_curve, "EPOCHS", 40)

    def test_what_is_easy_is_learned(self) -> None:
        found = measure(clouds(240, 1), clouds(120, 2), 3, seeds=1)
        assert found.errors[-1] < 0.02
        assert found.wrong.shape == (len(SHARES), 1, 120)

    def test_what_has_nothing_to_do_with_the_labels_is_not(self) -> None:
        training, checks = clouds(240, 1), clouds(300, 2)
        mixed = np.random.default_rng(3).permutation(training.indices)
        found = measure(HeadInputs(training.values, mixed), checks, 3, seeds=1)
        # One of three is right by chance.
        assert found.errors[-1] == pytest.approx(2 / 3, abs=0.15)

    def test_shares_are_counted_label_by_label(self) -> None:
        """Ten photos of one label and 80 of the other: a share of each, at least one."""
        rng = np.random.default_rng(1)
        indices = np.array([0] * 10 + [1] * 80, np.int64)
        training = HeadInputs(rng.normal(size=(90, 4)).astype(np.float32), indices)
        found = measure(training, training, 2, seeds=1)
        expected = [max(1, round(10 * s)) + max(1, round(80 * s)) for s in SHARES]
        assert found.counts.tolist() == expected

    def test_the_gradient_is_that_of_the_cross_entropy(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Against finite differences, with nothing dropped."""
        monkeypatch.setattr(learning_curve, "DROPOUT", 0.0)
        rng = np.random.default_rng(1)
        batch = np.hstack([rng.normal(size=(6, 3)), np.ones((6, 1))]).astype(np.float32)
        targets = np.eye(2, dtype=np.float32)[rng.integers(0, 2, 6)] * 0.9 + 0.05
        weights = rng.normal(size=(4, 2)).astype(np.float32)

        def loss(w: Array) -> float:
            logits = batch.astype(np.float64) @ w
            logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            return float(-(targets * logs).sum(axis=1).mean())

        found = learning_curve._gradient(weights, batch, targets, rng)
        for i, j in itertools.product(range(4), range(2)):
            step = np.zeros((4, 2))
            step[i, j] = 1e-5
            slope = (loss(weights + step) - loss(weights - step)) / 2e-5
            assert found[i, j] == pytest.approx(slope, abs=1e-5)
