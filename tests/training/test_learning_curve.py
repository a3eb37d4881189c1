"""The learning curve: the law it fits, what it foretells, and when it says it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pi_classifier_training.reporting import learning_curve
from pi_classifier_training.reporting.learning_curve import (
    SHARES,
    Curve,
    HeadInputs,
    fit,
    forecast,
    measure,
)

COUNTS = 2000 * np.array(SHARES)


def curve(errors: np.ndarray, checks: int = 1000, counts: np.ndarray = COUNTS) -> Curve:
    """A curve with exactly these shares of `checks` photos wrong, always the same first."""
    wrong = np.arange(checks) < np.round(errors * checks)[:, None, None]
    return Curve(counts, np.repeat(wrong, 2, axis=1))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([0.0, 0.01, 0.1]),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.sampled_from([0.05, 0.5, 1.0, 1.5]),
)
def test_a_law_is_found_again_from_its_own_values(a: float, b: float, c: float) -> None:
    found = fit(COUNTS, a + b * COUNTS**-c)
    assert found(COUNTS) == pytest.approx(a + b * COUNTS**-c, abs=1e-9)
    assert (found.a, found.b) >= (0.0, 0.0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0]), min_size=7, max_size=7))
def test_whatever_was_measured_more_photos_do_no_harm(errors: list[float]) -> None:
    found = fit(COUNTS, np.array(errors))
    assert 0 <= found(4000) <= found(2000) + 1e-12


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
    errors: np.ndarray, checks: int, most: int, said: str
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


def test_a_head_errs_less_with_more_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_curve, "EPOCHS", 30)
    steps: list[None] = []
    found = measure(blobs(480, 1), blobs(600, 2), 3, seeds=2, step=lambda: steps.append(None))
    assert len(steps) == 2 * len(SHARES)
    assert found.counts.tolist() == [60, 84, 120, 171, 240, 339, 480]
    assert found.wrong.shape == (7, 2, 600)
    assert found.errors[-1] < found.errors[0] - 0.03
    # Far better than guessing one of three.
    assert found.errors[-1] < 0.5
    again = measure(blobs(480, 1), blobs(600, 2), 3, seeds=2)
    assert np.array_equal(found.wrong, again.wrong)


def test_shares_are_nested_and_even_over_labels() -> None:
    order = [np.arange(40), np.arange(40, 50)]
    small, large = (learning_curve._share_of(order, share) for share in (0.25, 0.5))
    assert set(small) < set(large)
    assert [int((small < 40).sum()), int((small >= 40).sum())] == [10, 2]
    # A label with few photos never disappears.
    assert len(learning_curve._share_of([np.arange(3)], 0.125)) == 1
