"""Frames the program makes itself: when they come, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count, islice

import numpy as np
import pytest

from pi_classifier.cameras.playback import Playback, PlayedCamera, frame_time_ns
from pi_classifier.errors import CameraClosed
from pi_classifier.types import Frame
from tests.virtual_clock import VirtualClock

PIXELS = np.zeros((1, 1, 3), np.uint8)
FPS = 4.0


def drawn(numbers: Iterator[int]) -> Iterator[Frame]:
    for number in numbers:
        yield Frame(PIXELS, number, frame_time_ns(number, FPS))


def played(clock: VirtualClock, *, realtime: bool = True) -> PlayedCamera:
    return PlayedCamera(Playback("film", realtime=realtime, clock=clock), drawn(count()))


def test_realtime_waits_one_period_between_frames() -> None:
    clock = VirtualClock()
    arrivals = [clock.time_s for _ in islice(played(clock).frames(), 5)]
    assert arrivals == pytest.approx([100.0, 100.25, 100.5, 100.75, 101.0])


def test_a_gap_takes_the_time_of_the_frames_that_are_missing() -> None:
    clock = VirtualClock()
    playback = Playback("film", realtime=True, clock=clock)
    camera = PlayedCamera(playback, drawn(iter([0, 1, 6])))
    arrivals = [clock.time_s for _ in camera.frames()]
    assert arrivals == pytest.approx([100.0, 100.25, 101.5])


def test_a_late_consumer_loses_no_frame_and_the_schedule_slips() -> None:
    clock = VirtualClock()
    arrivals = []
    for frame in islice(played(clock).frames(), 4):
        arrivals.append((frame.sequence, clock.time_s))
        if frame.sequence == 1:
            clock.time_s += 2.0
    assert [number for number, _ in arrivals] == [0, 1, 2, 3]
    assert [time_s for _, time_s in arrivals] == pytest.approx([100.0, 100.25, 102.25, 102.5])


def test_without_realtime_nothing_is_waited_for() -> None:
    clock = VirtualClock()
    assert len(list(islice(played(clock, realtime=False).frames(), 5))) == 5
    assert clock.waits_s == []


def test_a_consumer_that_leaves_makes_room_for_the_next() -> None:
    camera = played(VirtualClock())
    stream = camera.frames()
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert next(camera.frames()).sequence == 1


def test_what_frames_are_made_from_is_never_freed_under_one_that_is_being_made() -> None:
    making, proceed, log = threading.Event(), threading.Event(), []

    def slow() -> Iterator[Frame]:
        making.set()
        assert proceed.wait(10)
        log.append("made")
        yield Frame(PIXELS, 0, 0)

    playback = Playback("film", realtime=False)
    camera = PlayedCamera(playback, slow(), lambda: log.append("freed"))
    refused: list[str] = []

    def consume() -> None:
        with pytest.raises(CameraClosed) as closed:
            next(camera.frames())
        refused.append(str(closed.value))

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert making.wait(10)
    closer = threading.Thread(target=camera.close)
    closer.start()
    assert playback.state.stopped.wait(10)
    proceed.set()
    closer.join(10)
    consumer.join(10)
    assert log == ["made", "freed"]
    assert refused == ["film: is closed; open it again to use it"]
