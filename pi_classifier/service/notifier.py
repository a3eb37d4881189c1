"""The thread that talks with the service manager: ready, status, watchdog, stopping."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from typing import Self

from pi_classifier.logs.events import Event, entry
from pi_classifier.printable import one_line
from pi_classifier.service.liveness import CameraLiveness, Liveness, Watchdog, sufficient_limit_s
from pi_classifier.service.status import (
    STATUS_EVERY_S,
    FrameRate,
    status_line,
    status_of_several,
)

_logger = logging.getLogger(__name__)

Notify = Callable[[str], None]
"""Sends a state string of sd_notify(3) to the service manager."""

_TICK_S = 1.0
# How long a start may take longer, each time it is asked for.
_EXTENSION_S = 10.0


class ServiceNotifier:
    """While entered, a thread tells the service manager how the service is.

    READY once, with the first classified frame; STATUS when it changes, and every two
    seconds for the frame rate; WATCHDOG as `Watchdog` says; while the start takes long
    for a reason the frame thread has given, EXTEND_TIMEOUT_USEC. `watchdog_s` is the
    manager's limit (None: it has none).
    """

    def __init__(
        self, notify: Notify, liveness: Liveness, watchdog_s: float | None = None
    ) -> None:
        self.liveness = liveness
        self._notify = notify
        self._watchdog_s = self._limit_s = watchdog_s
        now_s = liveness.now_s()
        self._watchdog = None if watchdog_s is None else Watchdog(watchdog_s, now_s)
        self._tick_s = min(_TICK_S, (watchdog_s or 4 * _TICK_S) / 8)
        self._ready_sent = False
        self._ended = threading.Event()
        self._status = ""
        self._status_s = now_s - STATUS_EVERY_S
        self._rate = FrameRate(now_s)
        self._rates: dict[CameraLiveness, FrameRate] = {}  # of several cameras
        self._watched: dict[str, Watchdog] = {}
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def fit_watchdog(self, timeout_s: float, fps: float) -> None:
        """Ask the manager for a longer watchdog limit where the camera's own times need one.

        `timeout_s` is when the camera counts as failed, `fps` its frames per second.
        """
        if self._watchdog_s is None:
            return
        needed_s = sufficient_limit_s(self._watchdog_s, timeout_s, fps)
        if needed_s != self._limit_s:
            self._limit_s = needed_s
            self._watchdog = Watchdog(needed_s, self.liveness.now_s())
            self._notify(f"WATCHDOG_USEC={round(needed_s * 1e6)}")
            _logger.info("a hang is noticed after %.0f s: camera.timeout_s asks for it", needed_s)

    def stopping(self, why: str) -> None:
        """Say that the service is on its way out, and why: the last status."""
        self._end()
        self._notify(f"STOPPING=1\nSTATUS={one_line(why)}")

    def reloading(self) -> None:
        """Say that the configuration is being read anew; `reloaded` must follow."""
        monotonic_us = round(self.liveness.now_s() * 1e6)
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={monotonic_us}")

    def reloaded(self, problem: str = "") -> None:
        """Say that the reload is over; `problem` is shown as the status for a while."""
        if problem:
            with self._lock:
                self._status = f"Reload refused, the old configuration stays: {one_line(problem)}"
                self._status_s = self.liveness.now_s()
                self._notify(f"READY=1\nSTATUS={self._status}")
        else:
            self._notify("READY=1")

    def _end(self) -> None:
        self._ended.set()
        self.liveness.changed.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            self.tick()
            self.liveness.changed.wait(self._tick_s)
            self.liveness.changed.clear()

    def tick(self) -> None:
        """Send what has changed since the last tick."""
        liveness, now_s = self.liveness, self.liveness.now_s()
        states = []
        if liveness.ready.is_set() and not self._ready_sent:
            self._ready_sent = True
            states.append("READY=1")
            _logger.info("ready: the first frame is classified", extra=entry(Event.READY))
        elif not self._ready_sent and now_s < liveness.deadline_s:
            left_s = liveness.deadline_s - now_s
            states.append(f"EXTEND_TIMEOUT_USEC={round((left_s + _EXTENSION_S) * 1e6)}")
        if self._watchdog is not None:
            states += self._watch(self._watchdog, now_s)
            self._watch_cameras(now_s)
        states += self._new_status(now_s)
        if states:
            self._notify("\n".join(states))

    def _watch(self, watchdog: Watchdog, now_s: float) -> list[str]:
        frames = self.liveness.counters.frames
        ping = watchdog.ping_due(frames, self.liveness.deadline_s, now_s)
        stuck_s = watchdog.stuck_s(now_s)
        if stuck_s is not None:
            _logger.error(
                "no frame has passed for %.0f s, and nothing is known to be waited for; "
                "if this goes on, the service is restarted",
                stuck_s,
                extra=entry(Event.STUCK, SECONDS=f"{stuck_s:.0f}"),
            )
        return ["WATCHDOG=1"] if ping else []

    def _watch_cameras(self, now_s: float) -> None:
        """Tell of a camera that gives no frames while others do: they are not restarted for it."""
        for name, camera in self.liveness.cameras.items():
            watched = self._watched.setdefault(name, Watchdog(self._limit_s or math.inf, now_s))
            watched.ping_due(camera.counters.frames, camera.deadline_s, now_s)
            stuck_s = watched.stuck_s(now_s)
            if stuck_s is not None:
                _logger.error(
                    "%s: no frame for %.0f s, and nothing is known to be waited for; the other "
                    "cameras go on",
                    name,
                    stuck_s,
                    extra=entry(Event.STUCK, CAMERA=name, SECONDS=f"{stuck_s:.0f}"),
                )

    def _status_line(self, now_s: float) -> str:
        liveness = self.liveness
        if liveness.cameras and not liveness.waiting_for:
            cameras = liveness.cameras  # a reload may replace them
            self._rates = {
                camera: self._rates.get(camera) or FrameRate(now_s) for camera in cameras.values()
            }
            per_s = {
                name: self._rates[camera].update(camera.counters.frames, now_s)
                for name, camera in cameras.items()
            }
            return one_line(status_of_several(liveness, per_s))
        rate = self._rate.update(liveness.counters.frames, now_s)
        return one_line(
            status_line(liveness.waiting_for, liveness.decision, liveness.counters, rate)
        )

    def _new_status(self, now_s: float) -> list[str]:
        line = self._status_line(now_s)
        head, _, _ = line.partition(" · ")
        with self._lock:
            due = now_s - self._status_s >= STATUS_EVERY_S
            if not due and (self._status.startswith((head, "Reload refused"))):
                return []
            self._status, self._status_s = line, now_s
        return [f"STATUS={line}"]
