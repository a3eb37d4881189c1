"""The head's solver, against scikit-learn's and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.retraining import head as module
from pi_classifier_training.retraining.epochs import label_weights
from pi_classifier_training.retraining.head import FITS, STRENGTHS, choose_strength, fit_head

Array = NDArray[np.float32]


def clouds(
    n: int, labels: int, *, spread: float = 1.0, seed: int = 1, skew: float = 0.0
) -> tuple[Array, NDArray[np.int64]]:
    """Overlapping clouds in channels of very different scales; `skew` makes labels rarer."""
    rng = np.random.default_rng(seed)
    shares = np.exp(-skew * np.arange(labels))
    indices = rng.choice(labels, n, p=shares / shares.sum()).astype(np.int64)
    indices[: 2 * labels] = np.arange(2 * labels) % labels
    centers = rng.normal(size=(labels, 12)) * 1.5
    values = centers[indices] + spread * rng.normal(size=(n, 12))
    scales = np.geomspace(4, 50, 12)
    return (values * scales + 3 * scales).astype(np.float32), indices


@pytest.mark.parametrize(("labels", "skew"), [(3, 0.0), (5, 0.8)])
@pytest.mark.parametrize("strength", [4.0, 64.0])
def test_it_is_the_minimum_that_scikit_learn_finds(
    labels: int, skew: float, strength: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import LogisticRegression

    monkeypatch.setattr(module, "TOLERANCE", 1e-5)
    features, indices = clouds(400, labels, spread=2.5, skew=skew)
    own = fit_head(features, indices, labels, strength=strength)
    deviation, mean = features.std(axis=0), features.mean(axis=0)
    weights = label_weights(indices, labels, "auto")[indices]
    theirs = LogisticRegression(C=1 / strength, tol=1e-7, max_iter=5_000).fit(
        ((features - mean) / deviation).astype(np.float64), indices, sample_weight=weights
    )
    assert own.kernel * deviation[:, np.newaxis] == pytest.approx(theirs.coef_.T, abs=0.01)
    scores = np.exp(own.logits(features))
    scores /= scores.sum(axis=1, keepdims=True)
    expected = theirs.predict_proba((features - mean) / deviation)
    assert scores == pytest.approx(expected, abs=1e-3)


def test_what_8_bits_cannot_tell_apart_gets_no_large_weight() -> None:
    """A label that only a channel's last digits tell would be noise in a full-integer file."""
    features, indices = clouds(200, 2)
    span = np.ptp(features)
    hidden = (indices[:, np.newaxis] * span / 2_000).astype(np.float32)
    kernel = fit_head(np.hstack([features, hidden]), indices, 2, strength=2.0).kernel
    # Half a step of 8 bits in that channel moves no score by much.
    assert np.abs(kernel[-1]).max() * span / 510 < 1


def test_the_gradient_is_that_of_the_loss() -> None:
    features, indices = clouds(60, 3)
    objective = module._Objective(features, indices, np.array([1, 2, 0.5], np.float32), 0.3)
    rng = np.random.default_rng(2)
    at = rng.normal(size=39) * 0.3
    gradient = objective(at)[1]
    for i in range(0, 39, 4):
        step = np.zeros(39)
        step[i] = 1e-2
        slope = (objective(at + step)[0] - objective(at - step)[0]) / 2e-2
        assert gradient[i] == pytest.approx(slope, abs=2e-3)


def test_portions_change_nothing_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    features, indices = clouds(301, 3)
    whole = fit_head(features, indices, 3)
    monkeypatch.setattr(module, "_PORTION_BYTES", 12 * 4 * 17)
    assert fit_head(features, indices, 3).kernel == pytest.approx(whole.kernel, rel=0.02, abs=1e-3)


def test_the_same_features_give_the_same_bits() -> None:
    features, indices = clouds(200, 3)
    one, two = (fit_head(features, indices, 3) for _ in range(2))
    assert np.array_equal(one.kernel, two.kernel)
    assert np.array_equal(one.bias, two.bias)


def test_every_photo_twice_is_every_photo_once() -> None:
    features, indices = clouds(200, 3)
    once = fit_head(features, indices, 3, strength=8)
    twice = fit_head(np.tile(features, (2, 1)), np.tile(indices, 2), 3, strength=8, views=2)
    assert twice.logits(features) == pytest.approx(once.logits(features), abs=1e-2)


def test_begun_near_the_end_it_ends_sooner_at_the_same_place() -> None:
    features, indices = clouds(400, 3)
    cold: list[None] = []
    warm: list[None] = []
    near = fit_head(features, indices, 3, strength=32)
    at = fit_head(features, indices, 3, strength=28, step=lambda: cold.append(None))
    again = fit_head(features, indices, 3, strength=28, start=near, step=lambda: warm.append(None))
    assert 0 < len(warm) < len(cold)
    assert again.logits(features) == pytest.approx(at.logits(features), abs=1e-2)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([0.0, 7.0, -1e4, 1e-8]), st.sampled_from([2, 3]))
def test_a_channel_that_never_moves_gets_no_weight(value: float, labels: int) -> None:
    features, indices = clouds(60, labels)
    features[:, 5] = value
    head = fit_head(features, indices, labels)
    assert head.kernel[5] == pytest.approx(np.zeros(labels), abs=1e-6)
    assert np.isfinite(head.bias).all()


def test_a_label_without_photos_is_never_said() -> None:
    features, indices = clouds(80, 2)
    head = fit_head(features, indices * 2, 3)
    assert (head.logits(features).argmax(axis=1) != 1).all()


class TestStrength:
    def test_noise_wants_the_strongest_and_clear_sight_the_weakest(self) -> None:
        noise = np.random.default_rng(1).normal(size=(120, 30)).astype(np.float32)
        indices = np.arange(120, dtype=np.int64) % 3
        assert choose_strength(noise, indices, 3) == max(STRENGTHS)
        clear, truth = clouds(240, 3, spread=0.2)
        assert choose_strength(clear, truth, 3) == min(STRENGTHS)

    def test_what_belongs_together_is_never_on_both_sides(self) -> None:
        """Each photo ten times over: seen apart, a weak penalty that learns them by heart wins."""
        rng = np.random.default_rng(1)
        truth = np.arange(40, dtype=np.int64) % 2
        features = np.repeat(rng.normal(size=(40, 30)), 10, axis=0).astype(np.float32)
        groups = [f"video {i // 10}" for i in range(400)]
        indices = np.repeat(truth, 10)
        assert choose_strength(features, indices, 2) == min(STRENGTHS)
        assert choose_strength(features, indices, 2, groups) == max(STRENGTHS)

    def test_of_many_photos_some_say_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "FOLDED_PHOTOS", 90)
        features, indices = clouds(600, 3)
        read: list[int] = []

        class Counted:
            shape = features.shape

            def __getitem__(self, rows: slice, /) -> Array:
                read.extend(range(rows.start, rows.stop))
                return features[rows]

        steps: list[None] = []
        choose_strength(Counted(), indices, 3, step=lambda: steps.append(None))
        assert len(read) == len(set(read)) == 90
        assert np.bincount(indices[read]).tolist() == [30, 30, 30]
        assert len(steps) == FITS

    def test_three_photos_of_a_label_are_enough(self) -> None:
        features, indices = clouds(30, 3, skew=2)
        assert choose_strength(features, indices, 3) in STRENGTHS

    @pytest.mark.parametrize("per_label", [1, 2, 3, 4])
    def test_so_are_fewer_photos_of_every_label_than_folds(self, per_label: int) -> None:
        indices = np.repeat(np.arange(3), per_label)
        features = np.eye(3, dtype=np.float32)[indices]
        strength = choose_strength(features, indices, 3)
        assert strength in STRENGTHS
        assert per_label > 1 or strength == max(STRENGTHS)
