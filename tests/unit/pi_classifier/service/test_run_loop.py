"""The run loop with parts made for the test: who gets which decision, what is logged."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from pi_classifier.config.settings import RunSettings
from pi_classifier.decision import Smoother, SmootherSettings
from pi_classifier.errors import CameraTimeout, InferenceError
from pi_classifier.gate import IntervalGate
from pi_classifier.service.run_loop import run
from pi_classifier.service.service import PipelineParts, Service, close_together
from pi_classifier.types import Camera, Category, Decision, Frame, Prediction

PIXELS = np.zeros((1, 1, 3), np.uint8)


class TenASecond:
    """Frames for ever, or until an error."""

    def __init__(self, fails_at: int | None = None) -> None:
        self._fails_at = fails_at

    def frames(self) -> Iterator[Frame]:
        sequence = 0
        while sequence != self._fails_at:
            yield Frame(PIXELS, sequence, sequence * 100_000_000)
            sequence += 1
        raise CameraTimeout("no frame")

    def stop(self) -> None: ...

    def close(self) -> None: ...


class Rounds:
    """Ten frames of daisy, ten of nothing, and so on."""

    name = "rounds"
    labels = ("background", "daisy")

    def classify(self, frame: Frame) -> Prediction:
        index = 1 - frame.sequence // 10 % 2
        return Prediction((Category(index, self.labels[index], 0.9),), self.name, 0, 1_500_000)

    def close(self) -> None: ...


class Kept:
    """A sink that stays busy for so many looks at it."""

    name = "kept"
    dropped = failures = 0

    def __init__(self, looks: float = 0) -> None:
        self.decisions: list[Decision] = []
        self.looks = looks

    @property
    def busy(self) -> bool:
        self.looks -= 1
        return self.looks >= 0

    def emit(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def close(self) -> None: ...


def service(camera: Camera, *sinks: Kept, frames: int | None = None) -> Service:
    smoother = Smoother(SmootherSettings(patience=1), ("background",))
    parts = PipelineParts(IntervalGate(0), Rounds(), smoother, sinks)
    return Service(camera, parts, limits=RunSettings(frames=frames))


def first(frames: int, *sinks: Kept) -> Service:
    """A service that ends after so many frames."""
    return service(TenASecond(), *sinks, frames=frames)


def test_every_sink_gets_every_decision() -> None:
    one, other = Kept(), Kept()
    counters = run(first(35, one, other))
    assert [(each.sequence, each.label) for each in one.decisions] == [
        (0, "daisy"),
        (10, None),
        (20, "daisy"),
        (30, None),
    ]
    assert other.decisions == one.decisions
    assert (counters.frames, counters.decisions, counters.labels) == (35, 4, 2)


def test_sinks_finish_what_they_are_at_when_the_camera_ends() -> None:
    slow = Kept(looks=3)
    run(first(1, Kept(), slow))
    assert slow.looks < 0


def test_a_sink_that_does_not_finish_is_not_waited_for_long() -> None:
    run(first(1, Kept(math.inf)), finish_s=0.05)


def test_a_stopped_service_waits_for_no_sink() -> None:
    waiting = first(1, Kept(math.inf))
    waiting.stop()
    began_s = time.monotonic()
    run(waiting)
    assert time.monotonic() - began_s < 1


def test_sinks_that_hang_are_closed_at_the_same_time() -> None:
    together = threading.Barrier(3)

    class Hung(Kept):
        def close(self) -> None:
            together.wait(10)  # passes only when all three are being closed

    close_together([Hung(), Hung(), Hung()])
    assert not together.broken


def test_a_fault_comes_through_after_what_was_decided() -> None:
    kept = Kept()
    with pytest.raises(CameraTimeout):
        run(service(TenASecond(fails_at=15), kept))
    assert len(kept.decisions) == 2


def test_a_model_that_fails_ends_it() -> None:
    class Broken(Rounds):
        def classify(self, frame: Frame) -> Prediction:
            raise InferenceError("the runtime failed")

    smoother = Smoother(SmootherSettings())
    with pytest.raises(InferenceError):
        run(Service(TenASecond(), PipelineParts(IntervalGate(0), Broken(), smoother)))


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == level]


def test_the_counters_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run(first(1801))
    logged = lines(caplog, logging.INFO)
    assert [line.split(" frames")[0] for line in logged] == ["601", "1201", "1801"]
    assert logged[0] == (
        "601 frames (601 classified, 0 dropped), 60 decisions, 1 visit (daisy 1), "
        "100% answered by the first stage, 1.5 ms per frame"
    )


def test_a_minute_that_is_not_over_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run(first(600))
    assert lines(caplog, logging.INFO) == []


def test_frames_are_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    closed = IntervalGate(500)
    smoother = Smoother(SmootherSettings())
    run(
        Service(
            TenASecond(), PipelineParts(closed, Rounds(), smoother), limits=RunSettings(frames=2)
        )
    )
    assert lines(caplog, logging.DEBUG) == [
        "frame 0: daisy 0.90 by stage 0 in 1.5 ms",
        "frame 1: kept out by the gate",
    ]
