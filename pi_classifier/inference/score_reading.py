"""From what a network puts out to scores: logits or probabilities, calibration, yes and no."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from pi_classifier.inference.quantization import Pixels, Scores
from pi_classifier.modelfile.model_file import ModelFile
from pi_classifier.modelfile.tflite_graph import Activation, TensorSpec

log = logging.getLogger(__name__)

SCORES = ("auto", "probabilities", "logits", "independent-probabilities", "independent-logits")
# What a network has behind its outputs; "logistic" where a sigmoid has yet to be put behind each.
Reading = Activation | Literal["logistic"]

# Of logits the outputs for black and for white hardly ever both sum to 1.
_PROBE_COLORS = (
    (0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0), (0, 255, 0), (0, 0, 255),
)  # fmt: skip
_OFF_BY_ARITHMETIC, _OFF_BY_ROUNDING = 0.01, 0.25


class ScoreReader:
    """Turns the network's outputs float32 ``[outputs]`` into scores float32 ``[labels]``.

    Of one output with two labels the score is that of the second; the first gets the rest.
    """

    def __init__(self, activation: Reading, temperature: float, labels: int) -> None:
        self._activation = activation
        self._temperature = temperature
        self._labels = labels

    def __call__(self, outputs: Scores) -> Scores:
        """Return the scores; without calibration they may be `outputs` itself."""
        scores = calibrated(outputs, self._activation, self._temperature)
        if len(scores) == self._labels:
            return scores
        return np.array([1 - scores[0], scores[0]], np.float32)


def activation_of(model: ModelFile, stated: str, run: Callable[[Pixels], Scores]) -> Reading:
    """What the outputs of `model` have behind them: as `stated` (one of `SCORES`), else as found.

    The last operator tells it, but for networks that end in a sum or a mean of probabilities:
    those are known by running them on pictures of one color.
    """
    if stated == "independent-probabilities":
        return "sigmoid"
    if stated == "independent-logits":
        return "logistic"
    outputs = model.output.count
    found = model.activation
    if stated == "probabilities":
        found = "sigmoid" if outputs == 1 or found == "sigmoid" else "softmax"
    elif stated == "logits":
        found = "none"
    elif found == "none" and outputs > 1 and _gives_probabilities(model, run):
        log.info("%s: its outputs are from 0 to 1 and sum to 1: probabilities", model.path)
        return "softmax"
    if found == "none":
        log.info(
            "%s: ends without softmax or sigmoid; outputs are taken for logits (if they are "
            "probabilities: model.scores)",
            model.path,
        )
    return found


def are_independent(reading: Reading, model: ModelFile) -> bool:
    """Whether each label has its own probability; else they share 100 %."""
    one_for_two = model.output.count < len(model.labels)
    return not one_for_two and (reading in {"sigmoid", "logistic"} or model.output.count == 1)


def _gives_probabilities(model: ModelFile, run: Callable[[Pixels], Scores]) -> bool:
    pictures = (np.full((*model.input_size, 3), color, np.uint8) for color in _PROBE_COLORS)
    return all(_are_probabilities(run(picture), model.output) for picture in pictures)


def _are_probabilities(outputs: Scores, spec: TensorSpec) -> bool:
    rounding = min(len(outputs) * spec.scale / 2, _OFF_BY_ROUNDING)
    off = abs(float(outputs.sum()) - 1)
    within = outputs.min() >= -_OFF_BY_ARITHMETIC and outputs.max() <= 1 + _OFF_BY_ARITHMETIC
    return bool(within) and off <= _OFF_BY_ARITHMETIC + rounding


def calibrated(scores: Scores, activation: Reading, temperature: float) -> Scores:
    """Turn a network's outputs into scores by its activation and calibration temperature.

    A network that ends without softmax or sigmoid gives logits: softmax(z / T), of a single
    output or of independent ones sigmoid(z / T). For probabilities p the same is p^(1/T), scaled
    to sum 1; for independent sigmoid scores p^(1/T) / (p^(1/T) + (1 − p)^(1/T)). Guo et al. 2017,
    arXiv:1706.04599.
    """
    total: Scores | np.floating[Any]
    if activation == "logistic" or (activation == "none" and len(scores) == 1):
        # The sigmoid as (1 + tanh(z / 2)) / 2 does not overflow.
        powers = 1 + np.tanh(scores / np.float32(2 * temperature))
        total = np.float32(2)
    elif activation == "none":
        powers = np.exp((scores - scores.max()) / np.float32(temperature))
        total = powers.sum()
    elif temperature == 1.0:
        return scores
    else:
        powers = np.power(scores, np.float32(1 / temperature))
        total = max(powers.sum(), np.finfo(np.float32).tiny)
        if activation == "sigmoid":
            total = powers + np.power(1 - scores, np.float32(1 / temperature))
    result: Scores = powers / total
    return result
