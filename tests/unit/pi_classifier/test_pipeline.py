"""The loop: order of calls, who sees which frame."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

import numpy as np
import pytest

from pi_classifier.decision import Smoother, SmootherSettings
from pi_classifier.errors import CameraTimeout
from pi_classifier.pipeline import decisions
from pi_classifier.types import Category, Frame, Prediction

PIXELS = np.zeros((1, 1, 3), np.uint8)


class EndlessCamera:
    """Ten frames a second for ever; remembers what was asked of it."""

    def __init__(self) -> None:
        self.delivered = 0
        self.calls: list[str] = []

    def frames(self) -> Iterator[Frame]:
        for sequence in count():
            self.delivered += 1
            yield Frame(PIXELS, sequence, 5_000 + sequence * 100_000_000)

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")


class EvenGate:
    def admits(self, frame: Frame) -> bool:
        return frame.sequence % 2 == 0


class OpenGate:
    def admits(self, frame: Frame) -> bool:
        return True


class Alternating:
    """Says daisy for ten frames, then rose for ten; stage 1 answers for roses."""

    name = "alternating"
    labels = ("daisy", "rose")

    def __init__(self) -> None:
        self.seen: list[int] = []

    def classify(self, frame: Frame) -> Prediction:
        self.seen.append(frame.sequence)
        index = frame.sequence // 10 % 2
        return Prediction((Category(index, self.labels[index], 0.9),), self.name, index, 2_000_000)

    def close(self) -> None: ...


def eager() -> Smoother:
    return Smoother(SmootherSettings(patience=1, refractory_s=0))


def test_decisions_come_as_they_are_made() -> None:
    camera = EndlessCamera()
    stream = decisions(camera.frames(), OpenGate(), Alternating(), eager())
    first = next(stream)
    assert (first.label, first.sequence, camera.delivered) == ("daisy", 0, 1)
    second = next(stream)
    assert (second.label, second.sequence, camera.delivered) == ("rose", 10, 11)


def test_only_admitted_frames_are_classified_and_smoothed() -> None:
    classifier = Alternating()
    frames = islice(EndlessCamera().frames(), 12)
    made = list(decisions(frames, EvenGate(), classifier, eager()))
    assert classifier.seen == [0, 2, 4, 6, 8, 10]
    assert [each.sequence for each in made] == [0, 10]


def test_the_camera_fault_is_raised() -> None:
    class Failing(EndlessCamera):
        def frames(self) -> Iterator[Frame]:
            yield Frame(PIXELS, 0, 0)
            raise CameraTimeout("no frame for 2 s")

    with pytest.raises(CameraTimeout, match="no frame"):
        list(decisions(Failing().frames(), OpenGate(), Alternating(), eager()))
