"""Unknown rejection: a frame unlike every label is told by its scores, and answered "unknown"."""

from __future__ import annotations

import numpy as np

from pi_classifier.inference.quantization import Scores
from pi_classifier.modelfile.manifest import UnknownScore

UNKNOWN_REJECTION = ("auto", "on", "off")


class UnknownRejection:
    """Tells from a frame's scores whether it is unlike every label, as the model file says how.

    The scores float32 ``[labels]`` share 100 % and are those before calibration, so that a
    temperature chosen later changes nothing. What it computes with is allocated once.
    """

    def __init__(self, unknown: UnknownScore) -> None:
        self._unknown = unknown
        self._floor = np.float32(unknown.floor)
        self._logarithms = np.empty_like(unknown.weights)

    def score(self, scores: Scores) -> float:
        """How unlike every label: weights times logarithms of scores, none below the floor."""
        logarithms = self._logarithms
        np.maximum(scores, self._floor, out=logarithms)
        np.log(logarithms, out=logarithms)
        return float(logarithms @ self._unknown.weights)

    def __call__(self, scores: Scores) -> bool:
        """Whether the frame is unknown."""
        return self.score(scores) > self._unknown.threshold
