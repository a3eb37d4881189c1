"""What a camera frame costs each of several models, measured in turns."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from pi_classifier.inference.classifier import ModelClassifier
from pi_classifier.preprocessing.area_average import Pixels
from pi_classifier.preprocessing.preprocessor import Preprocessor
from pi_classifier.types import Classifier, Frame

FRAME_SIZE = (480, 640)
WARM_UP, ROUNDS = 5, 60


def frame_ms(
    classifiers: Sequence[Classifier], pictures: Sequence[Pixels] | None = None
) -> list[float]:
    """Time of one camera frame, 640×480, for each classifier: resize and network.

    The classifiers take turns, so that what else the computer does slows all alike, and
    the processor's time is counted, not the clock's, so that waiting for other programs
    does not count. For each the median is taken; of a cascade the median for each stage
    that answered, weighted by how many of the `pictures` (RGB uint8, any size) it
    answered. Without pictures a frame of noise is shown.
    """
    if pictures is None:
        pictures = [np.random.default_rng(1).integers(0, 256, (*FRAME_SIZE, 3), np.uint8)]
    resize = Preprocessor(FRAME_SIZE)
    frames = [Frame(resize(p).copy(), i, i) for i, p in enumerate(pictures)]
    return _in_turns(classifiers, [frames] * len(classifiers))


def network_ms(classifiers: Sequence[ModelClassifier]) -> list[float]:
    """Time of the network alone for each model: pixels that have its size already.

    On a small computer, where a network takes far longer than a resize, cascades cost
    about what these times say. Measured as by `frame_ms`.
    """
    rng = np.random.default_rng(1)
    shown = [
        [Frame(rng.integers(0, 256, (*c.input_size, 3), np.uint8), 0, 0)] for c in classifiers
    ]
    return _in_turns(classifiers, shown)


def _in_turns(classifiers: Sequence[Classifier], frames: Sequence[Sequence[Frame]]) -> list[float]:
    """Show each its frames, forwards and backwards in turn; milliseconds as in `frame_ms`."""
    taken: list[dict[int, list[int]]] = [{} for _ in classifiers]
    for number in range(WARM_UP + ROUNDS):
        order = list(range(len(classifiers)))
        for i in order if number % 2 == 0 else reversed(order):
            frame = frames[i][number % len(frames[i])]
            start_ns = time.process_time_ns()
            stage = classifiers[i].classify(frame).stage
            if number >= WARM_UP:
                taken[i].setdefault(stage, []).append(time.process_time_ns() - start_ns)
    return [
        sum(len(times) * float(np.median(times)) for times in stages.values()) / ROUNDS / 1e6
        for stages in taken
    ]
