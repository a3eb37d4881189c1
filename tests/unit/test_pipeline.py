"""The loop: order of calls, who sees which frame, counters, limits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.decision import Smoother, SmootherSettings
from pi_classifier.errors import CameraTimeout
from pi_classifier.pipeline import Counters, LimitedCamera, RunSettings, decisions
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
    camera = LimitedCamera(EndlessCamera(), RunSettings(frames=12))
    made = list(decisions(camera.frames(), EvenGate(), classifier, eager()))
    assert classifier.seen == [0, 2, 4, 6, 8, 10]
    assert [each.sequence for each in made] == [0, 10]


def test_counters() -> None:
    counters = Counters()
    camera = LimitedCamera(EndlessCamera(), RunSettings(frames=15))
    list(decisions(camera.frames(), EvenGate(), Alternating(), eager(), counters.observe))
    assert (counters.frames, counters.admitted, dict(counters.answered)) == (15, 8, {0: 5, 1: 3})
    assert counters.first_stage_share == 5 / 8
    assert counters.ms_per_frame == 2.0
    assert str(counters) == (
        "15 frames (8 classified, 0 dropped), 0 decisions, "
        "62% answered by the first stage, 2.0 ms per frame"
    )


def test_gaps_in_the_numbers_are_dropped_frames() -> None:
    counters = Counters()
    for sequence in (3, 4, 7, 8, 0, 1):  # a camera opened again counts from 0
        counters.observe(Frame(PIXELS, sequence, 0), None)
    assert (counters.frames, counters.dropped) == (6, 2)


def test_counters_of_nothing() -> None:
    assert Counters().first_stage_share == 0
    assert Counters().ms_per_frame == 0


def test_the_camera_fault_is_raised() -> None:
    class Failing(EndlessCamera):
        def frames(self) -> Iterator[Frame]:
            yield Frame(PIXELS, 0, 0)
            raise CameraTimeout("no frame for 2 s")

    with pytest.raises(CameraTimeout, match="no frame"):
        list(decisions(Failing().frames(), OpenGate(), Alternating(), eager()))


@given(
    frames=st.sampled_from([None, 1, 2, 10, 11]),
    duration_s=st.sampled_from([None, 0.1, 0.1 + 1e-9, 0.2, 1.0]),
)
def test_limits(frames: int | None, duration_s: float | None) -> None:
    if frames is None and duration_s is None:
        return
    camera = EndlessCamera()
    sequences = [
        each.sequence for each in LimitedCamera(camera, RunSettings(frames, duration_s)).frames()
    ]
    in_time = [
        n for n in range(12) if duration_s is None or n * 100_000_000 < round(duration_s * 1e9)
    ]
    assert sequences == in_time[: frames if frames is not None else None]
    if duration_s is None:
        assert camera.delivered == frames, "a frame was taken beyond the limit"


def test_a_limited_camera_passes_stop_and_close_on() -> None:
    camera = EndlessCamera()
    limited = LimitedCamera(camera, RunSettings(frames=1))
    limited.stop()
    limited.close()
    assert camera.calls == ["stop", "close"]
