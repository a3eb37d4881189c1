"""Watchdog, status, supervisor and camera steps, with a clock of the test's own."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras.recovery import Step
from pi_classifier.logs.events import Event
from pi_classifier.service.camera_recovery_log import CameraSteps
from pi_classifier.service.counters import Counters
from pi_classifier.service.liveness import Activity
from pi_classifier.service.notifier import Supervisor, one_line
from pi_classifier.service.status import status_line
from pi_classifier.service.watchdog import Watchdog, sufficient_limit_s
from pi_classifier.types import Decision

LIMIT_S = 8.0
DAISY = Decision("daisy", 0.934, 7, 700, 0, "fast")


class Clock:
    def __init__(self) -> None:
        self.time_s = 100.0

    def __call__(self) -> float:
        return self.time_s


def test_the_first_ping_is_due_at_once_and_the_next_a_quarter_later() -> None:
    watchdog = Watchdog(LIMIT_S, 0.0)
    assert watchdog.ping_due(0, 0.0, 0.0)
    assert not watchdog.ping_due(1, 0.0, 1.9)
    assert watchdog.ping_due(2, 0.0, 2.0)


def test_without_a_frame_since_the_last_ping_there_is_none() -> None:
    watchdog = Watchdog(LIMIT_S, 0.0)
    assert watchdog.ping_due(5, 0.0, 0.0)
    assert not any(watchdog.ping_due(5, 0.0, 2.0 + tick) for tick in range(100))
    assert watchdog.ping_due(6, 0.0, 103.0)


def test_who_is_knowingly_at_work_is_alive_until_the_time_is_over() -> None:
    watchdog = Watchdog(LIMIT_S, 0.0)
    assert watchdog.ping_due(5, 30.0, 0.0)
    assert watchdog.ping_due(5, 30.0, 29.9)
    assert not watchdog.ping_due(5, 30.0, 32.0)


def test_a_hang_is_told_once_each_time() -> None:
    watchdog = Watchdog(LIMIT_S, 0.0)
    watchdog.ping_due(1, 0.0, 0.0)
    assert watchdog.stuck_s(3.9) is None
    watchdog.ping_due(1, 0.0, 4.0)
    assert watchdog.stuck_s(4.0) == 4.0
    assert watchdog.stuck_s(5.0) is None
    watchdog.ping_due(2, 0.0, 6.0)
    assert watchdog.stuck_s(6.0) is None
    assert watchdog.stuck_s(10.0) == 4.0


@given(
    st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from([0.0, 0.5, 1.0, 3.0, 9.0]))),
    st.sampled_from([0.5, 8.0, 30.0]),
)
def test_pings_never_outrun_frames(steps: list[tuple[int, float]], limit_s: float) -> None:
    watchdog, frames, now_s, pings = Watchdog(limit_s, 0.0), 0, 0.0, 0
    for more, passed_s in steps:
        frames += more
        now_s += passed_s
        pings += watchdog.ping_due(frames, -1.0, now_s)
    assert pings <= frames + 1


@pytest.mark.parametrize(
    ("timeout_s", "fps", "limit_s"), [(5.0, 10.0, 30.0), (20.0, 10.0, 40.2), (5.0, 0.1, 30.0)]
)
def test_the_limit_leaves_a_camera_its_time(timeout_s: float, fps: float, limit_s: float) -> None:
    assert sufficient_limit_s(30.0, timeout_s, fps) == pytest.approx(limit_s)


def test_the_status_says_what_is_seen() -> None:
    counters = Counters(frames=40, admitted=20)
    counters.answered.update({0: 15, 1: 5})
    line = status_line("", DAISY, counters, 9.96)
    assert line == "I see a daisy (0.93) · 10.0 frames/s · 75 % by the first stage"
    nothing = status_line("", None, Counters(), None)
    assert nothing == "I see nothing I know"


def test_the_status_says_what_is_waited_for_and_what_was_seen_last() -> None:
    line = status_line("Waiting for the camera: gone", DAISY, Counters(dropped=3), 10.0)
    assert line == ("Waiting for the camera: gone · last: I see a daisy (0.93) · 3 frames dropped")


def test_a_status_has_no_line_end() -> None:
    assert one_line("2 errors:\n  first\n\n  second\n") == "2 errors: first; second"


def supervised(
    watchdog_s: float | None = LIMIT_S,
) -> tuple[Supervisor, Activity, Clock, list[str]]:
    clock = Clock()
    activity, told = Activity(clock), list[str]()
    supervisor = Supervisor(lambda state: told.extend(state.splitlines()), activity, watchdog_s)
    return supervisor, activity, clock, told


def test_while_the_start_takes_long_for_a_reason_more_time_is_asked_for() -> None:
    supervisor, activity, clock, told = supervised()
    activity.busy("Starting: reads the model", 60.0)
    supervisor.tick()
    assert "EXTEND_TIMEOUT_USEC=70000000" in told
    assert "STATUS=Starting: reads the model" in told
    told.clear()
    clock.time_s += 61
    supervisor.tick()
    assert not [each for each in told if each.startswith("EXTEND")]
    assert "WATCHDOG=1" not in told


def test_ready_is_told_once_and_time_no_longer_asked_for() -> None:
    supervisor, activity, clock, told = supervised()
    activity.busy("Starting", 60.0)
    activity.counters.frames = 1
    activity.first_classified()
    supervisor.tick()
    assert "READY=1" in told
    assert "WATCHDOG=1" in told
    clock.time_s += 10
    activity.busy("Waiting for the camera: gone", 60.0)
    told.clear()
    supervisor.tick()
    assert told == ["WATCHDOG=1", "STATUS=Waiting for the camera: gone"]


def test_the_status_is_told_when_it_changes_and_every_two_seconds() -> None:
    supervisor, activity, clock, told = supervised(None)
    supervisor.tick()
    assert told == ["STATUS=I see nothing I know"]
    supervisor.tick()
    assert len(told) == 1
    activity.decision = DAISY
    supervisor.tick()
    assert told[1:] == ["STATUS=I see a daisy (0.93)"]
    activity.counters.frames = 20
    clock.time_s += 2
    supervisor.tick()
    assert told[2:] == ["STATUS=I see a daisy (0.93) · 10.0 frames/s"]


def test_a_refused_reload_stays_to_be_read_for_a_while() -> None:
    supervisor, _, clock, told = supervised(None)
    supervisor.tick()
    supervisor.reloading()
    supervisor.reloaded("config.toml:\n  fsp: no such setting")
    assert told[1:] == [
        "RELOADING=1",
        "MONOTONIC_USEC=100000000",
        "READY=1",
        "STATUS=Reload refused, the old configuration stays: config.toml: fsp: no such setting",
    ]
    told.clear()
    supervisor.tick()
    assert told == []
    clock.time_s += 2
    supervisor.tick()
    assert told == ["STATUS=I see nothing I know"]


def test_a_longer_limit_is_asked_for_only_when_needed() -> None:
    supervisor, _, _, told = supervised()
    supervisor.grant(1.0, 10.0)
    assert told == []
    supervisor.grant(10.0, 10.0)
    supervisor.grant(10.0, 10.0)
    assert told == ["WATCHDOG_USEC=20200000"]
    supervisor.grant(1.0, 10.0)
    assert told[1:] == ["WATCHDOG_USEC=8000000"]


def events(caplog: pytest.LogCaptureFixture) -> list[Event]:
    return [record.event for record in caplog.records if hasattr(record, "event")]


def test_the_steps_of_a_recovery_are_logged_once_per_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    activity = Activity(clock)
    steps = CameraSteps("pi", activity)
    steps(Step("failed", 0, "no frame for 5 s", 0.0, 0.0))
    for attempt in range(5):
        steps(Step("waiting", attempt, "no camera", float(attempt), 8.0))
        steps(Step("reopening", attempt + 1, "no camera", float(attempt), 20.0))
    assert activity.doing == "Waiting for the camera (try 5, 4 s): no camera"
    assert activity.allowed_until_s == clock.time_s + 25.0
    steps(Step("recovered", 5, "", 12.34, 0.0))
    assert activity.doing == ""
    assert activity.allowed_until_s <= clock.time_s
    assert events(caplog) == [Event.CAMERA_LOST, Event.CAMERA_STEP, Event.CAMERA_RECOVERED]
    assert caplog.messages[-1] == "the camera gives frames again, after 5 tries in 12.3 s"
    assert steps.counts == {"failed": 1, "waiting": 5, "reopening": 5, "recovered": 1}


def test_a_camera_that_is_not_there_at_first_has_its_own_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    steps = CameraSteps("pi", Activity(Clock()))
    steps(Step("opening", 0, "", 0.0, 20.0))
    steps(Step("waiting", 0, "no camera", 0.0, 0.5))
    steps(Step("gave up", 9, "no camera", 59.0, 0.0))
    assert events(caplog) == [Event.CAMERA_WAITING, Event.CAMERA_STEP]
