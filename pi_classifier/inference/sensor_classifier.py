"""The classifier for cameras that classify by themselves: it names the scores of their frames."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pi_classifier.errors import ConfigError, ModelMismatch
from pi_classifier.modelfile.labels import read_labels, silent_labels
from pi_classifier.types import Category, Frame, Prediction

NAME = "imx500"


class SensorClassifier:
    """Gives labels, in output order, to the scores that frames carry."""

    def __init__(self, labels: Sequence[str], top_k: int = 0) -> None:
        self.name = NAME
        self.labels = tuple(labels)
        self._top_k = min(top_k or len(self.labels), len(self.labels))

    @property
    def silent_labels(self) -> tuple[str, ...]:
        """Those of the labels whose name says that nothing is to be seen."""
        return silent_labels(self.labels)

    def classify(self, frame: Frame) -> Prediction:
        """Return the best labels; raises ModelMismatch for scores of other labels, or none."""
        start_ns = time.perf_counter_ns()
        scores = frame.scores
        if scores is None:
            raise ModelMismatch(
                f'model "{NAME}": this camera does not classify by itself; choose a model, or '
                "the camera imx500:FILE.rpk"
            )
        if len(scores) != len(self.labels):
            raise ModelMismatch(
                f'model "{NAME}": the sensor\'s network gives {len(scores)} scores, and the label '
                f"file has {len(self.labels)} labels; set model.labels to the network's own"
            )
        order = np.argsort(-scores, kind="stable")[: self._top_k].tolist()
        categories = tuple(Category(i, self.labels[i], float(scores[i])) for i in order)
        return Prediction(categories, self.name, 0, time.perf_counter_ns() - start_ns)

    def close(self) -> None:
        """Do nothing: the sensor has the network."""


def open_sensor_classifier(
    labels: str | None, top_k: int, unknown_rejection: str = "auto"
) -> SensorClassifier:
    """Open it with the label file at `labels`; raises ConfigError, ModelFileError."""
    if unknown_rejection == "on":
        raise ConfigError(
            f'model.unknown_rejection = on: model "{NAME}" does not say how unknown frames are '
            'told; set it to "auto"'
        )
    if labels is None:
        raise ConfigError(
            f'model "{NAME}": needs the labels of the sensor\'s network; set model.labels to its '
            "label file, one label a line"
        )
    return SensorClassifier(read_labels(Path(labels)), top_k)
