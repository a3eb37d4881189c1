"""The recovery ladder: a camera that failed is restarted, then opened anew, for a bounded time.

Camera drivers only say that they failed. What to do about it, how often and for how
long, is decided here once for all of them.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pi_classifier.cameras.stream import Clock, StreamState, SystemClock
from pi_classifier.errors import CameraError
from pi_classifier.types import Camera, Frame

Opener = Callable[[], Camera]
"""Opens a camera, as often as it is called; raises CameraError when it cannot be had now."""

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0
# Cameras whose cable is loose fail again at once: only after so long without a fault
# do the delays begin anew.
STABLE_S = 10.0
# What opening or restarting takes at most, where a camera asks for no more: libcamera, and
# USB devices on a slow hub.
STEP_S = 20.0


RecoveryPhase = Literal[
    "opening", "failed", "waiting", "restarting", "reopening", "recovered", "gave up"
]


@dataclass(frozen=True, slots=True)
class RecoveryStep:
    """One step of the ladder, for the log and for whoever watches over the frames.

    `phase`: "opening" (the first time), "failed" (a camera that gave frames stopped),
    "waiting" (for `limit_s`, before the next attempt), "restarting", "reopening",
    "recovered" (a frame came), "gave up". `attempt` counts the tries since the
    last frame, `elapsed_s` the time; `limit_s` is how long this step may take.
    """

    phase: RecoveryPhase
    attempt: int
    reason: str
    elapsed_s: float
    limit_s: float


OnStep = Callable[[RecoveryStep], object]


class RecoveringCamera:
    """A camera that comes back by itself, for as long as `recovery_s` after a fault.

    `opener` opens the camera, at the first frame or by `open`; `name` is what its frames call
    it. A fault is answered by the camera's own `restart` if it has one, then by closing it and
    opening it again, after delays that double from half a second to ten, a random quarter more
    or less; when `recovery_s` have passed since the fault, the last error is raised; with
    `recovery_s` 0 the first one. `on_step` is called for every step, on the thread that
    reads the frames; `step_s` is how long opening or restarting may take. While it may not
    give up (`may_give_up`), it goes on trying.

    The frames' numbers and times go on across a fault: a camera opened anew counts from
    the number after the last, and from the time that has really passed.
    """

    def __init__(
        self,
        opener: Opener,
        recovery_s: float,
        *,
        name: str = "",
        on_step: OnStep = lambda _: None,
        step_s: float = STEP_S,
        may_give_up: Callable[[], bool] = lambda: True,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._opener = opener
        self._recovery_s = recovery_s
        self._name = name
        self._on_step = on_step
        self._step_s = step_s
        self._may_give_up = may_give_up
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._lock = threading.Lock()  # around `_camera`, which `stop` needs from elsewhere
        self._camera: Camera | None = None
        self._source: Iterator[Frame] | None = None
        self._state = StreamState("camera")
        self._timeline = MonotonicTimeline()
        self._tries = 0
        self._fault_s: float | None = None  # when the present fault began
        self._recovered_s = -STABLE_S

    def open(self) -> None:
        """Open the camera now, at the first attempt; raises CameraError, ConfigError."""
        self._report("opening", "", self._step_s)
        self._replace_camera(self._opener())

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the camera ends or `stop`; raises CameraError after the last try."""
        self._state.check_open()
        return self._frames()

    def stop(self) -> None:
        """End the frames for good, also amid a recovery; may be called from any thread."""
        self._state.stop()
        with self._lock:
            camera = self._camera
        if camera is not None:
            camera.stop()

    def close(self) -> None:
        """Close the camera; a second call does nothing."""
        self._state.close()
        self._replace_camera(None)

    def switch(
        self,
        opener: Opener,
        recovery_s: float,
        step_s: float = STEP_S,
        *,
        name: str = "",
        on_step: OnStep | None = None,
    ) -> None:
        """Go on with another camera, of another name perhaps, from the next frame on.

        For the thread that reads the frames, between two of them. When the other one
        cannot be opened, the old one is opened again and the error is raised.
        """
        self._replace_camera(None)
        try:
            self._report("opening", "", step_s)
            camera = opener()
        except Exception:
            self._report("reopening", "the new camera could not be opened", self._step_s)
            self._try(self._reopen)
            raise
        self._replace_camera(camera)
        self._opener, self._recovery_s, self._step_s = opener, recovery_s, step_s
        self._name = name
        self._on_step = on_step or self._on_step

    def _frames(self) -> Iterator[Frame]:
        with self._state.one_consumer():
            yield from self._recovering()

    def _recovering(self) -> Iterator[Frame]:
        while True:
            try:
                frame = self._next()
            except CameraError as error:
                if self._state.closed:
                    raise
                if self._state.stopped.is_set():
                    return
                self._recover(error)
                continue
            if frame is None:
                return
            if self._fault_s is not None:
                self._recovered()
            frame = self._timeline.shifted(frame, self._clock.now_s())
            yield replace(frame, camera=self._name) if self._name else frame

    def _next(self) -> Frame | None:
        """Return the next frame; None when there are no more."""
        self._state.check_open()
        if self._source is None:
            if self._state.stopped.is_set():
                return None
            if self._camera is None:
                self.open()
            with self._lock:
                camera = self._camera
            if camera is None:  # closed by another thread meanwhile
                self._state.check_open()
                return None
            self._source = camera.frames()
        return next(self._source, None)

    def _recover(self, error: CameraError) -> None:
        """Climb the ladder until the camera is open again; raise the last error at the end.

        A camera that is open again has not recovered yet: only a frame says so, and until
        then further errors climb on from here. So a camera that opens well and fails at once
        waits longer each time, and comes to its end after `recovery_s` like any other.
        """
        self._source = None
        now_s = self._clock.now_s()
        if self._fault_s is None:
            self._fault_s = now_s
            if now_s - self._recovered_s >= STABLE_S:
                self._tries = 0
            if self._camera is not None:
                self._report("failed", str(error), 0.0)
        while not self._state.stopped.is_set():
            delay_s = self._delay_s()
            if self._elapsed_s() + delay_s > self._recovery_s and self._may_give_up():
                self._report("gave up", str(error), 0.0)
                raise error
            self._report("waiting", str(error), delay_s)
            if self._clock.wait(self._state.stopped, delay_s):
                return
            first, self._tries = self._tries == 0, self._tries + 1
            restart = getattr(self._camera, "restart", None) if first else None
            self._report("restarting" if restart else "reopening", str(error), self._step_s)
            problem = self._try(restart or self._reopen)
            if problem is None:
                return
            error = problem

    def _try(self, attempt: Callable[[], object]) -> CameraError | None:
        try:
            attempt()
        except CameraError as error:
            return error
        return None

    def _reopen(self) -> None:
        self._replace_camera(None)
        self._replace_camera(self._opener())

    def _replace_camera(self, camera: Camera | None) -> None:
        self._source = None
        with self._lock:
            old, self._camera = self._camera, camera
        if old is not None:
            old.close()
        if camera is not None:
            self._timeline.reopened()
            if self._state.stopped.is_set():  # stopped while it was being opened
                camera.stop()

    def _recovered(self) -> None:
        self._report("recovered", "", 0.0)
        self._fault_s = None
        self._recovered_s = self._clock.now_s()

    def _delay_s(self) -> float:
        longest_s = min(FIRST_DELAY_S * 2.0 ** min(self._tries, 10), LONGEST_DELAY_S)
        return longest_s * (0.75 + 0.5 * self._jitter())

    def _elapsed_s(self) -> float:
        return 0.0 if self._fault_s is None else self._clock.now_s() - self._fault_s

    def _report(self, phase: RecoveryPhase, reason: str, limit_s: float) -> None:
        self._on_step(RecoveryStep(phase, self._tries, reason, self._elapsed_s(), limit_s))


class MonotonicTimeline:
    """Numbers and times that never go back, whatever the camera begins from when opened anew.

    A camera opened anew may count from 0 and by another clock. Its first frame fixes both
    offsets: one number after the last frame, and as much later as really passed between.
    """

    def __init__(self) -> None:
        self._last_sequence = -1
        self._last_ns = -1
        self._last_seen_s = 0.0
        self._reopened = False
        self._sequence_offset = 0
        self._offset_ns = 0

    def reopened(self) -> None:
        """Take the next frame for the first of a camera that was opened again."""
        self._reopened = self._last_sequence >= 0
        self._sequence_offset = self._offset_ns = 0

    def shifted(self, frame: Frame, now_s: float) -> Frame:
        """Return the frame with number and time on the line; itself, where both fit already."""
        if self._reopened:
            self._reopened = False
            if frame.sequence <= self._last_sequence:
                self._sequence_offset = self._last_sequence + 1 - frame.sequence
            if frame.timestamp_ns <= self._last_ns:
                passed_ns = max(1, round((now_s - self._last_seen_s) * 1e9))
                self._offset_ns = self._last_ns + passed_ns - frame.timestamp_ns
        if self._sequence_offset or self._offset_ns:
            frame = replace(
                frame,
                sequence=frame.sequence + self._sequence_offset,
                timestamp_ns=frame.timestamp_ns + self._offset_ns,
            )
        self._last_sequence, self._last_ns = frame.sequence, frame.timestamp_ns
        self._last_seen_s = now_s
        return frame
