"""The recovery ladder in virtual time: steps, delays, bounds, and a time line without jumps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras.recovery import (
    FIRST_DELAY_S,
    LONGEST_DELAY_S,
    STABLE_S,
    RecoveringCamera,
    RecoveryStep,
)
from pi_classifier.errors import CameraClosed, CameraError, CameraUnavailable
from pi_classifier.types import Camera, Frame
from tests.virtual_clock import VirtualClock

PIXELS = np.zeros((1, 1, 3), np.uint8)
PERIOD_S = 0.1


@dataclass
class Scripted:
    """A camera that gives so many frames each time, then does what its script says."""

    clock: VirtualClock
    rounds: list[int | None]
    log: list[str]
    restartable: bool = False
    start_ns: int = 0
    closed: bool = False
    stopped: bool = False
    number: int = field(default=0, init=False)

    def frames(self) -> Iterator[Frame]:
        count = self.rounds.pop(0) if self.rounds else 0
        while count is None or count > 0:
            if self.stopped:
                return
            self.clock.time_s += PERIOD_S
            yield Frame(PIXELS, self.number, self.start_ns + self.number * 100_000_000)
            self.number += 1
            count = None if count is None else count - 1
        raise CameraError("no frame")

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        assert not self.closed
        self.closed = True
        self.log.append("close")


class Restartable(Scripted):
    def restart(self) -> None:
        self.log.append("restart")


def opener(
    clock: VirtualClock,
    log: list[str],
    *cameras: list[int | None] | None,
    kind: type[Scripted] = Scripted,
    start_ns: int = 0,
) -> Callable[[], Camera]:
    """Open cameras with these scripts in turn; None cannot be opened, nor what comes after."""
    waiting = iter(cameras)

    def open_next() -> Camera:
        rounds = next(waiting, None)
        log.append("open")
        if rounds is None:
            raise CameraUnavailable("nothing there")
        return kind(clock, rounds, log, start_ns=start_ns)

    return open_next


def watched(
    open_next: Callable[[], Camera],
    clock: VirtualClock,
    recovery_s: float = 60.0,
    jitter: float = 0.5,
) -> tuple[RecoveringCamera, list[RecoveryStep]]:
    steps: list[RecoveryStep] = []
    camera = RecoveringCamera(
        open_next, recovery_s, on_step=steps.append, clock=clock, jitter=lambda: jitter
    )
    return camera, steps


def kinds(steps: list[RecoveryStep]) -> list[str]:
    return [step.phase for step in steps]


def test_a_camera_that_can_is_restarted_first_then_opened_anew() -> None:
    clock, log = VirtualClock(), list[str]()
    camera, steps = watched(opener(clock, log, [3, 0], [2], kind=Restartable), clock)
    got = [frame.sequence for frame in islice(camera.frames(), 5)]
    assert got == [0, 1, 2, 3, 4]
    assert log == ["open", "restart", "close", "open"]
    assert kinds(steps) == [
        "opening", "failed", "waiting", "restarting", "waiting", "reopening", "recovered",
    ]  # fmt: skip


def test_a_camera_without_restart_is_opened_anew_at_once() -> None:
    clock, log = VirtualClock(), list[str]()
    camera, steps = watched(opener(clock, log, [1], [1]), clock)
    assert len(list(islice(camera.frames(), 2))) == 2
    assert log == ["open", "close", "open"]
    assert "restarting" not in kinds(steps)


def test_delays_double_to_a_limit_and_the_bound_is_kept() -> None:
    clock, log = VirtualClock(), list[str]()
    camera, steps = watched(opener(clock, log, [2]), clock, recovery_s=60)
    with pytest.raises(CameraError, match="nothing there"):
        list(camera.frames())
    assert clock.waits_s == [0.5, 1, 2, 4, 8, 10, 10, 10, 10]
    assert sum(clock.waits_s) <= 60
    assert kinds(steps)[-1] == "gave up"
    assert kinds(steps).count("failed") == 1


@given(st.floats(0, 1), st.sampled_from([0.0, 0.3, 0.5, 1.0, 59.9, 60.0, 600.0]))
def test_jitter_stays_within_a_quarter_and_the_bound_holds(jitter: float, bound: float) -> None:
    clock, log = VirtualClock(), list[str]()
    camera, _ = watched(opener(clock, log, [1]), clock, recovery_s=bound, jitter=jitter)
    with pytest.raises(CameraError):
        list(camera.frames())
    assert sum(clock.waits_s) <= bound
    for number, waited in enumerate(clock.waits_s):
        usual = min(FIRST_DELAY_S * 2**number, LONGEST_DELAY_S)
        assert 0.75 * usual <= waited <= 1.25 * usual


def test_without_recovery_the_fault_is_raised_as_it_is() -> None:
    clock, log = VirtualClock(), list[str]()
    camera, steps = watched(opener(clock, log, [1]), clock, recovery_s=0)
    with pytest.raises(CameraError, match="no frame"):
        list(camera.frames())
    assert log == ["open"]
    assert kinds(steps) == ["opening", "failed", "gave up"]


def test_a_camera_missing_at_first_is_waited_for() -> None:
    clock, log = VirtualClock(), list[str]()
    tries = iter([None, None, [1]])

    def open_third() -> Camera:
        rounds = next(tries)
        if rounds is None:
            raise CameraUnavailable("nothing there")
        return Scripted(clock, list(rounds), log)

    camera, steps = watched(open_third, clock)
    assert next(camera.frames()).sequence == 0
    assert kinds(steps) == [
        "opening", "waiting", "reopening", "waiting", "reopening", "recovered",
    ]  # fmt: skip
    assert steps[1].reason == "nothing there"


def test_open_itself_waits_for_nothing() -> None:
    clock, log = VirtualClock(), list[str]()
    camera, _ = watched(opener(clock, log), clock)
    with pytest.raises(CameraUnavailable):
        camera.open()
    assert clock.waits_s == []


@pytest.mark.parametrize("start_ns", [0, 10**15])
def test_numbers_and_times_never_go_back(start_ns: int) -> None:
    clock, log = VirtualClock(), list[str]()
    camera, _ = watched(opener(clock, log, [4], [3], start_ns=start_ns), clock)
    frames = list(islice(camera.frames(), 7))
    assert [frame.sequence for frame in frames] == list(range(7))
    times = [frame.timestamp_ns for frame in frames]
    assert times == sorted(set(times))
    # the fault lasted 0.5 s and a period, and so does the gap
    assert times[4] - times[3] == pytest.approx(0.6e9, abs=1e3)
    assert times[5] - times[4] == 100_000_000


def test_frames_that_need_no_moving_are_passed_on_untouched() -> None:
    clock, log = VirtualClock(), list[str]()
    inner = Scripted(clock, [None], log)
    camera, _ = watched(lambda: inner, clock)
    stream = camera.frames()
    assert [next(stream).timestamp_ns for _ in range(3)] == [0, 100_000_000, 200_000_000]


def test_faults_in_a_row_go_on_with_longer_delays_and_quiet_times_forgive() -> None:
    clock, log = VirtualClock(), list[str]()
    long = round(STABLE_S / PERIOD_S) + 2
    camera, _ = watched(opener(clock, log, [1], [1], [long], [1]), clock)
    assert len(list(islice(camera.frames(), long + 3))) == long + 3
    assert clock.waits_s == [0.5, 1.0, 0.5]


def test_stop_amid_a_recovery_ends_the_frames() -> None:
    clock, log = VirtualClock(), list[str]()
    camera, steps = watched(opener(clock, log, [1]), clock)

    class Stopping(VirtualClock):
        def wait(self, event: threading.Event, timeout_s: float) -> bool:
            camera.stop()
            return super().wait(event, timeout_s)

    camera._clock = Stopping()
    assert len(list(camera.frames())) == 1
    assert kinds(steps) == ["opening", "failed", "waiting"]


def test_stop_reaches_the_camera_of_the_moment() -> None:
    clock, log = VirtualClock(), list[str]()
    camera, _ = watched(opener(clock, log, [1], [None]), clock)
    stream = camera.frames()
    next(stream), next(stream)
    camera.stop()
    assert list(stream) == []


def test_close_frees_the_camera_and_refuses_further_frames() -> None:
    clock, log = VirtualClock(), list[str]()
    camera, _ = watched(opener(clock, log, [None]), clock)
    next(camera.frames())
    camera.close()
    camera.close()
    assert log == ["open", "close"]
    with pytest.raises(CameraClosed):
        camera.frames()


def test_switching_goes_on_with_the_same_stream_on_another_camera() -> None:
    clock, log = VirtualClock(), list[str]()
    camera, _ = watched(opener(clock, log, [None]), clock)
    stream = camera.frames()
    assert [next(stream).sequence for _ in range(3)] == [0, 1, 2]
    other: list[str] = []
    later: list[RecoveryStep] = []
    camera.switch(opener(clock, other, [2]), 0, name="pond", on_step=later.append)
    assert log == ["open", "close"]
    assert [(one.sequence, one.camera) for one in islice(stream, 2)] == [(3, "pond"), (4, "pond")]
    with pytest.raises(CameraError):
        next(stream)
    assert kinds(later) == ["failed", "gave up"]
    assert other == ["open"]


def test_a_switch_that_fails_returns_to_the_camera_there_was() -> None:
    clock, log = VirtualClock(), list[str]()
    camera, steps = watched(opener(clock, log, [None], [None]), clock)
    stream = camera.frames()
    next(stream)
    with pytest.raises(CameraUnavailable, match="nothing there"):
        camera.switch(opener(clock, []), 60)
    assert next(stream).sequence == 1
    assert log == ["open", "close", "open"]
    assert kinds(steps) == ["opening", "opening", "reopening"]


def test_its_frames_carry_its_name() -> None:
    clock = VirtualClock()
    camera = RecoveringCamera(opener(clock, [], [2]), 0.0, name="pond", clock=clock)
    assert [frame.camera for frame in islice(camera.frames(), 2)] == ["pond", "pond"]
