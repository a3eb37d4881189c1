"""What a camera frame costs each of several models, measured in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pi_classifier.classifier import ModelClassifier
from pi_classifier.types import Classifier, Frame

FRAME_SHAPE = (480, 640, 3)
WARM_UP, ROUNDS = 5, 60


def frame_ms(classifiers: Sequence[Classifier]) -> list[float]:
    """Median time of one camera frame, 640×480, for each classifier: resize and network.

    Photos of many sizes would cost more. The classifiers take turns, so that what else
    the computer does slows all alike.
    """
    pixels = np.random.default_rng(1).integers(0, 256, FRAME_SHAPE, np.uint8)

    def timed(classifier: Classifier) -> Callable[[int], int]:
        return lambda number: classifier.classify(Frame(pixels, number, number)).latency_ns

    return _medians_ms([timed(classifier) for classifier in classifiers])


def network_ms(classifiers: Sequence[ModelClassifier]) -> list[float]:
    """Median time of the network alone for each model: pixels that have its size already.

    On a small computer, where a network takes far longer than a resize, cascades cost
    about what these times say.
    """
    rng = np.random.default_rng(1)

    def timed(classifier: ModelClassifier) -> Callable[[int], int]:
        pixels = rng.integers(0, 256, (*classifier.input_size, 3), np.uint8)
        return lambda number: classifier.classify(Frame(pixels, number, number)).latency_ns

    return _medians_ms([timed(classifier) for classifier in classifiers])


def _medians_ms(timed: Sequence[Callable[[int], int]]) -> list[float]:
    """Call each in every round, forwards and backwards in turn; medians in milliseconds."""
    taken = np.zeros((len(timed), WARM_UP + ROUNDS))
    for number in range(WARM_UP + ROUNDS):
        order = range(len(timed)) if number % 2 == 0 else reversed(range(len(timed)))
        for i in order:
            taken[i, number] = timed[i](number)
    return [float(median) / 1e6 for median in np.median(taken[:, WARM_UP:], axis=1)]
