"""What the service manager is told, with a clock of the test's own."""

from __future__ import annotations

import numpy as np

from pi_classifier.service.liveness import Liveness
from pi_classifier.service.notifier import ServiceNotifier
from pi_classifier.types import Category, Decision, Frame, Prediction

LIMIT_S = 8.0
DAISY = Decision("daisy", 0.934, 7, 700, 0, "fast")
FRAME = Frame(np.zeros((1, 1, 3), np.uint8), 0, 0)
DAISY_SEEN = Prediction((Category(0, "daisy", 0.9),), "fast", 0, 0)


class Clock:
    def __init__(self) -> None:
        self.time_s = 100.0

    def __call__(self) -> float:
        return self.time_s


def notified(
    watchdog_s: float | None = LIMIT_S,
) -> tuple[ServiceNotifier, Liveness, Clock, list[str]]:
    clock = Clock()
    liveness, told = Liveness(clock), list[str]()
    notifier = ServiceNotifier(lambda state: told.extend(state.splitlines()), liveness, watchdog_s)
    return notifier, liveness, clock, told


def test_while_the_start_takes_long_for_a_reason_more_time_is_asked_for() -> None:
    notifier, liveness, clock, told = notified()
    liveness.waiting("Starting: reads the model", 60.0)
    notifier.tick()
    assert "EXTEND_TIMEOUT_USEC=70000000" in told
    assert "STATUS=Starting: reads the model" in told
    told.clear()
    clock.time_s += 61
    notifier.tick()
    assert not [each for each in told if each.startswith("EXTEND")]
    assert "WATCHDOG=1" not in told


def test_ready_is_told_once_and_time_no_longer_asked_for() -> None:
    notifier, liveness, clock, told = notified()
    liveness.waiting("Starting", 60.0)
    liveness.progress(FRAME, DAISY_SEEN)
    notifier.tick()
    assert "READY=1" in told
    assert "WATCHDOG=1" in told
    clock.time_s += 10
    liveness.waiting("Waiting for the camera: gone", 60.0)
    told.clear()
    notifier.tick()
    assert told == ["WATCHDOG=1", "STATUS=Waiting for the camera: gone"]


def test_the_status_is_told_when_it_changes_and_every_two_seconds() -> None:
    notifier, liveness, clock, told = notified(None)
    notifier.tick()
    assert told == ["STATUS=I see nothing I know"]
    notifier.tick()
    assert len(told) == 1
    liveness.decision = DAISY
    notifier.tick()
    assert told[1:] == ["STATUS=I see a daisy (0.93)"]
    liveness.counters.frames = 20
    clock.time_s += 2
    notifier.tick()
    assert told[2:] == ["STATUS=I see a daisy (0.93) · 10.0 frames/s"]


def test_a_refused_reload_stays_to_be_read_for_a_while() -> None:
    notifier, _, clock, told = notified(None)
    notifier.tick()
    notifier.reloading()
    notifier.reloaded("config.toml:\n  fsp: no such setting")
    assert told[1:] == [
        "RELOADING=1",
        "MONOTONIC_USEC=100000000",
        "READY=1",
        "STATUS=Reload refused, the old configuration stays: config.toml: fsp: no such setting",
    ]
    told.clear()
    notifier.tick()
    assert told == []
    clock.time_s += 2
    notifier.tick()
    assert told == ["STATUS=I see nothing I know"]


def test_a_longer_limit_is_asked_for_only_when_needed() -> None:
    notifier, _, _, told = notified()
    notifier.fit_watchdog(1.0, 10.0)
    assert told == []
    notifier.fit_watchdog(10.0, 10.0)
    notifier.fit_watchdog(10.0, 10.0)
    assert told == ["WATCHDOG_USEC=20200000"]
    notifier.fit_watchdog(1.0, 10.0)
    assert told[1:] == ["WATCHDOG_USEC=8000000"]
