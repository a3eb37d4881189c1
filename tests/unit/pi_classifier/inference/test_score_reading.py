from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pi_classifier.inference.score_reading import (
    Reading,
    ScoreReader,
    activation_of,
    are_independent,
    calibrated,
)
from pi_classifier.modelfile.model_file import ModelFile, read_model_file
from pi_classifier.modelfile.tflite_graph import Activation, TensorSpec

DATA = Path(__file__).resolve().parents[3] / "data"
Scores = NDArray[np.float32]
Run = Callable[[NDArray[np.uint8]], Scores]


class TestCalibration:
    @given(st.lists(st.floats(-20, 20), min_size=2, max_size=8), st.sampled_from([0.5, 1.0, 2.0]))
    def test_softmax_outputs_and_logits_agree(self, logits: list[float], t: float) -> None:
        z = np.array(logits, np.float64)
        p = np.exp(z - z.max())
        p = (p / p.sum()).astype(np.float32)
        expected = np.exp((z - z.max()) / t)
        expected /= expected.sum()
        from_logits = calibrated(z.astype(np.float32), "none", t)
        np.testing.assert_allclose(from_logits, expected, atol=1e-4)
        np.testing.assert_allclose(calibrated(p, "softmax", t), expected, atol=2e-3)
        assert from_logits.sum() == pytest.approx(1, abs=1e-4)

    def test_without_temperature_scores_are_left_alone(self) -> None:
        scores = np.array([0.2, 0.3], np.float32)
        assert calibrated(scores, "softmax", 1.0) is scores
        assert calibrated(scores, "sigmoid", 1.0) is scores

    def test_sigmoid_scores_stay_independent(self) -> None:
        scores = np.array([0.5, 0.9, 0.9, 0.0, 1.0], np.float32)
        softer = calibrated(scores, "sigmoid", 2.0)
        assert softer.tolist() == pytest.approx([0.5, 0.75, 0.75, 0.0, 1.0])

    def test_all_zero_scores_stay_zero(self) -> None:
        assert calibrated(np.zeros(3, np.float32), "softmax", 2.0).tolist() == [0, 0, 0]

    @given(st.lists(st.floats(-20, 20), min_size=1, max_size=4), st.sampled_from([0.5, 1.0, 2.0]))
    def test_independent_logits_have_a_sigmoid_each(self, logits: list[float], t: float) -> None:
        z = np.array(logits, np.float32)
        expected = 1 / (1 + np.exp(-z.astype(np.float64) / t))
        np.testing.assert_allclose(calibrated(z, "logistic", t), expected, atol=1e-6)

    @given(st.floats(-1e4, 1e4), st.sampled_from([0.5, 1.0, 2.0]))
    def test_a_single_logit_is_a_sigmoid(self, z: float, t: float) -> None:
        """Softmax over one output would be 1 for everything."""
        (score,) = calibrated(np.array([z], np.float32), "none", t)
        with np.errstate(over="ignore"):
            expected = 1 / (1 + np.exp(-np.float64(z) / t))
        assert score == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("activation", "output", "scores"),
    [("none", 0.0, [0.5, 0.5]), ("none", 2.0, [0.119203, 0.880797]), ("sigmoid", 0.3, [0.7, 0.3])],
)
def test_one_output_for_two_labels(
    activation: Activation, output: float, scores: list[float]
) -> None:
    read = ScoreReader(activation, 1.0, labels=2)
    assert read(np.array([output], np.float32)).tolist() == pytest.approx(scores, abs=1e-6)


def model(outputs: int, activation: Activation, scale: float = 0.0) -> ModelFile:
    base = read_model_file(DATA / "logits.tflite")
    output = TensorSpec((1, outputs), "float32", scale, 0)
    return dataclasses.replace(base, output=output, activation=activation)


def color_shares(pixels: NDArray[np.uint8]) -> Scores:
    """Probabilities without a softmax: the shares of red, green and blue."""
    means = pixels.reshape(-1, 3).mean(axis=0) + 1
    return np.asarray(means / means.sum(), np.float32)


def brightness(pixels: NDArray[np.uint8]) -> Scores:
    """Logits that are small, and sum to 1 for pictures of one full color."""
    return np.asarray(pixels.reshape(-1, 3).mean(axis=0) / 255, np.float32)


def never(pixels: NDArray[np.uint8]) -> Scores:
    raise AssertionError(f"run on {pixels.shape} without need")


@pytest.mark.parametrize(
    ("outputs", "activation", "stated", "run", "found"),
    [
        (3, "none", "auto", color_shares, "softmax"),
        (3, "none", "auto", brightness, "none"),
        (3, "none", "logits", never, "none"),
        (3, "none", "probabilities", never, "softmax"),
        (3, "softmax", "auto", never, "softmax"),
        (3, "sigmoid", "auto", never, "sigmoid"),
        (3, "sigmoid", "probabilities", never, "sigmoid"),
        (3, "softmax", "logits", never, "none"),
        (1, "none", "auto", never, "none"),
        (1, "none", "probabilities", never, "sigmoid"),
        (1, "sigmoid", "auto", never, "sigmoid"),
        (3, "none", "independent-logits", never, "logistic"),
        (3, "none", "independent-probabilities", never, "sigmoid"),
    ],
)
def test_what_is_behind_the_outputs(
    outputs: int, activation: Activation, stated: str, run: Run, found: Reading
) -> None:
    assert activation_of(model(outputs, activation), stated, run) == found


@pytest.mark.parametrize(
    ("row", "scale", "found"),
    [
        ([0.5, 0.5, 0.0], 0.0, "softmax"),
        ([0.5, 0.505, 0.0], 0.0, "softmax"),
        ([0.5, 0.52, 0.0], 0.0, "none"),
        ([0.5, 0.48, 0.0], 0.0, "none"),
        ([1.2, -0.2, 0.0], 0.0, "none"),
        ([0.0, 0.0, 0.0], 0.0, "none"),
        ([0.0, 0.0, 0.0], 2.0, "none"),
        ([0.5, 0.48, 0.0], 0.02, "softmax"),
    ],
)
def test_probabilities_are_from_0_to_1_and_sum_to_1(
    row: list[float], scale: float, found: Activation
) -> None:
    """But for rounding, of a quantized output half a step each."""
    outputs = np.array(row, np.float32)
    assert activation_of(model(3, "none", scale), "auto", lambda _: outputs) == found


@pytest.mark.parametrize(
    ("outputs", "reading", "independent"),
    [
        (3, "sigmoid", True),
        (3, "logistic", True),
        (3, "softmax", False),
        (3, "none", False),
        (1, "none", True),
    ],
)
def test_which_scores_are_independent(outputs: int, reading: Reading, independent: bool) -> None:
    labels = ("a", "b", "c")[:outputs]
    judged = dataclasses.replace(model(outputs, "none"), labels=labels)
    assert are_independent(reading, judged) is independent


def test_no_and_yes_of_one_output_are_not_independent() -> None:
    judged = dataclasses.replace(model(1, "sigmoid"), labels=("no", "yes"))
    assert not are_independent("sigmoid", judged)


def test_what_was_found_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        activation_of(model(3, "none"), "auto", color_shares)
        activation_of(model(3, "none"), "auto", brightness)
        activation_of(model(3, "softmax"), "auto", never)
    first, second = caplog.messages
    assert "logits.tflite: its outputs are from 0 to 1 and sum to 1: probabilities" in first
    assert "taken for logits" in second
    assert "model.scores" in second
