"""Losses against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.retraining.losses import (
    TEMPERATURE,
    cross_entropy,
    distilled,
    hint_loss,
)

tf = pytest.importorskip("tensorflow")

Array = NDArray[np.float32]
LOGITS = np.array([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]], np.float32)


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def test_cross_entropy_is_the_mean_of_minus_target_times_logarithm() -> None:
    targets = np.array([[1, 0, 0], [0.1, 0.8, 0.1]], np.float32)
    expected = -(targets * np.log(softmax(LOGITS))).sum(axis=1)
    assert float(cross_entropy(targets, LOGITS)) == pytest.approx(expected.mean(), rel=1e-6)
    weights = np.array([2.0, 0.5], np.float32)
    weighted = float(cross_entropy(targets, LOGITS, weights))
    assert weighted == pytest.approx((weights * expected).mean(), rel=1e-6)


def test_distillation_is_least_where_the_student_says_what_the_teacher_says() -> None:
    teacher = softmax(LOGITS / TEMPERATURE)
    same = float(distilled(teacher, LOGITS))
    entropy = -(teacher * np.log(teacher)).sum(axis=1).mean()
    assert same == pytest.approx(TEMPERATURE**2 * entropy, rel=1e-6)
    for off in (LOGITS * 0.5, LOGITS * 2, LOGITS[:, ::-1]):
        assert float(distilled(teacher, off)) > same


def test_its_gradient_is_as_large_as_that_of_labels_whatever_the_temperature() -> None:
    """Hinton et al.: gradients fall with 1 / T², so the loss is multiplied by T²."""
    logits = tf.constant(LOGITS * 0.01)
    teacher = softmax(np.array([[0.02, 0.0, 0.0], [0.0, 0.0, 0.02]], np.float32))
    softened = softmax(np.array([[0.02, 0.0, 0.0], [0.0, 0.0, 0.02]], np.float32) / TEMPERATURE)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        plain, warm = cross_entropy(teacher, logits), distilled(softened, logits)
    # Where logits are small, both are (student − teacher) / labels.
    one, other = (tape.gradient(loss, logits).numpy() for loss in (plain, warm))
    assert other == pytest.approx(one, abs=1e-4)


class TestHints:
    THEIRS = np.array([[1.0, 3.0], [5.0, 7.0]], np.float32)

    def test_is_the_squared_difference_in_units_of_the_teachers_variance(self) -> None:
        ours = self.THEIRS + np.array([[1, -1], [2, 0]], np.float32)
        # (1 + 1 + 4 + 0) / 4 over a variance of 5.
        assert float(hint_loss(ours, self.THEIRS)) == pytest.approx(1.5 / 5, rel=1e-5)

    def test_does_not_depend_on_the_size_of_the_numbers(self) -> None:
        ours = self.THEIRS + 1
        small = float(hint_loss(ours * 0.1, self.THEIRS * 0.1))
        assert small == pytest.approx(float(hint_loss(ours, self.THEIRS)), rel=1e-3)

    def test_teaches_the_student_alone(self) -> None:
        ours, theirs = tf.constant(self.THEIRS + 1), tf.constant(self.THEIRS)
        with tf.GradientTape() as tape:
            tape.watch([ours, theirs])
            loss = hint_loss(ours, theirs)
        to_ours, to_theirs = tape.gradient(loss, [ours, theirs])
        assert to_theirs is None
        assert (to_ours.numpy() > 0).all()

    def test_a_teacher_that_always_says_the_same_gives_a_number(self) -> None:
        constant = np.ones((2, 2), np.float32)
        assert np.isfinite(float(hint_loss(constant + 1, constant)))
