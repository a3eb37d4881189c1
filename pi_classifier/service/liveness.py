"""Whether the frame thread is alive: what it tells of itself, and the watchdog's judgment.

Frames that have passed are the sign of life, and nothing else is, but an announced wait.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from pi_classifier.service.counters import Counters, Losses
from pi_classifier.types import Decision, Frame, Prediction

# A ping is due this often within the time after which the service manager acts, so that
# the service survives one that comes late.
_PINGS_PER_LIMIT = 4


class Waiting(Protocol):
    """Who is told when frames cannot come, and when they can."""

    def waiting(self, what: str, limit_s: float) -> None: ...

    def resumed(self) -> None: ...


class CameraLiveness:
    """One of several cameras: what was counted of it, seen last, and what it waits for."""

    def __init__(self, now_s: Callable[[], float], changed: threading.Event) -> None:
        self.counters = Counters(losses=Losses(lambda: 0))  # nothing is lost on its account
        self.decision: Decision | None = None
        self.waiting_for = ""
        self.deadline_s = now_s()
        self._now_s = now_s
        self._changed = changed

    def waiting(self, what: str, limit_s: float) -> None:
        """Announce that it gives no frames: why, and for how long at most."""
        self.waiting_for = what
        self.deadline_s = self._now_s() + limit_s
        self._changed.set()

    def resumed(self) -> None:
        """Announce that it gives frames."""
        self.waiting("", 0.0)

    def ended(self) -> None:
        """Announce that it has come to its end, and gives no more."""
        self.waiting("has ended", math.inf)


class Liveness:
    """Frames counted, and what the frame thread waits for while there are none.

    The frame thread writes, others read; every value is replaced whole, so that the
    frame path needs no lock. `counters.frames` grows with every frame that came
    through the classifier; `decision` is the last one sent to the sinks. Of several
    `cameras` each has the same for itself, by its name.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.now_s = now_s
        self.counters = Counters()
        self.decision: Decision | None = None
        self.cameras: Mapping[str, CameraLiveness] = {}
        # Set when the first frame was classified.
        self.ready = threading.Event()
        # Set whenever the watching thread should look at once.
        self.changed = threading.Event()
        self._waiting_for = ""
        self._deadline_s = now_s()

    @property
    def waiting_for(self) -> str:
        """What the frame thread waits for; empty while frames flow."""
        return self._waiting_for

    @property
    def deadline_s(self) -> float:
        """The monotonic time until which no frame needs to come.

        Of several cameras none needs to give one, or one of them has to.
        """
        if self._waiting_for or not self.cameras:
            return self._deadline_s
        return min(camera.deadline_s for camera in self.cameras.values())

    def of_camera(self) -> CameraLiveness:
        """Make what one of several cameras is to be watched by; see `cameras`."""
        return CameraLiveness(self.now_s, self.changed)

    def waiting(self, what: str, limit_s: float) -> None:
        """Announce work without frames: what it is, and how long it may take at most."""
        self._waiting_for = what
        self._deadline_s = self.now_s() + limit_s
        self.changed.set()

    def resumed(self) -> None:
        """Announce that frames flow: from now on they alone are the sign of life."""
        self._waiting_for = ""
        self._deadline_s = self.now_s()
        self.changed.set()

    def progress(self, frame: Frame, prediction: Prediction | None) -> None:
        """Count a frame that was classified, or that the gate kept out (None)."""
        self.counters.observe(frame, prediction)
        camera = self.cameras.get(frame.camera)
        if camera is not None:
            if not camera.counters.frames:  # that it is being opened is over
                camera.resumed()
            camera.counters.observe(frame, prediction)
        if prediction is not None and not self.ready.is_set():
            self.ready.set()
            self.resumed()

    def decided(self, decision: Decision) -> None:
        """Count a decision on its way to the sinks."""
        self.counters.decided(decision)
        self.decision = decision
        camera = self.cameras.get(decision.camera)
        if camera is not None:
            camera.counters.decided(decision)
            camera.decision = decision


class Watchdog:
    """Decides when to ping the service manager; `limit_s` is the manager's own limit.

    A ping needs a frame since the last one, unless the frame thread has said what it
    waits for and its deadline is not over. All times are seconds on one monotonic clock.
    """

    def __init__(self, limit_s: float, now_s: float) -> None:
        self._every_s = limit_s / _PINGS_PER_LIMIT
        self._stuck_after_s = limit_s / 2
        self._frames = -1
        self._pinged_s = now_s - limit_s
        self._alive_s = now_s
        self._reported = False

    def ping_due(self, frames: int, deadline_s: float, now_s: float) -> bool:
        """Whether to ping now, given the number of frames that have passed so far."""
        alive = frames != self._frames or now_s < deadline_s
        if alive:
            self._alive_s = now_s
            self._reported = False
        if not alive or now_s - self._pinged_s < self._every_s:
            return False
        self._frames = frames
        self._pinged_s = now_s
        return True

    def stuck_s(self, now_s: float) -> float | None:
        """How long nothing has passed, once for each time that is worrying; else None."""
        without_s = now_s - self._alive_s
        if self._reported or without_s < self._stuck_after_s:
            return None
        self._reported = True
        return without_s


def sufficient_limit_s(limit_s: float, timeout_s: float, fps: float) -> float:
    """The watchdog's limit in seconds that leaves a camera the time it is granted.

    A camera may take `timeout_s` to be called failed, and a frame `1 / fps`: twice
    both must fit, else merely waiting would look like a hang.
    """
    return max(limit_s, 2 * (timeout_s + 1 / fps))
