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

from pi_classifier.cameras.playback import Clock, SystemClock
from pi_classifier.errors import CameraClosed, CameraError
from pi_classifier.types import Camera, Frame

Opener = Callable[[], Camera]
"""Opens the camera; raises `CameraError` when it is not to be had now."""

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0
# Cameras whose cable is loose fail again at once: only after so long without a fault
# do the delays begin anew.
STABLE_S = 10.0
# What opening or restarting takes at most, where a camera asks for no more: libcamera, and
# USB devices on a slow hub.
STEP_S = 20.0


Kind = Literal["opening", "failed", "waiting", "restarting", "reopening", "recovered", "gave up"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the ladder, for the log and for whoever watches over the frames.

    `kind`: "opening" (the first time), "failed" (a camera that gave frames stopped),
    "waiting" (for `limit_s`, before the next attempt), "restarting", "reopening",
    "recovered" (a frame came), "gave up". `attempt` counts the tries since the
    last frame, `elapsed_s` the time; `limit_s` is how long this step may take.
    """

    kind: Kind
    attempt: int
    reason: str
    elapsed_s: float
    limit_s: float


def _ignore(step: Step) -> None:
    del step


class RecoveringCamera:
    """A camera that comes back by itself, for as long as `recovery_s` after a fault.

    `opener` opens the camera, at the first frame or by `open`. A fault is answered by
    the camera's own `restart` if it has one, then by closing it and opening it again,
    after delays that double from half a second to ten, a random quarter more or less;
    when `recovery_s` have passed since the fault, the last error is raised. With
    `recovery_s` 0 every fault is. `on_step` is told of every step, on the thread that
    reads the frames; `step_s` is how long opening or restarting may take.

    The frames' numbers and times go on across a fault: a camera opened anew counts from
    the number after the last, and from the time that has really passed.
    """

    def __init__(
        self,
        opener: Opener,
        recovery_s: float,
        *,
        on_step: Callable[[Step], None] = _ignore,
        step_s: float = STEP_S,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._opener = opener
        self._recovery_s = recovery_s
        self._on_step = on_step
        self._step_s = step_s
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._lock = threading.Lock()  # around `_camera`, which `stop` needs from elsewhere
        self._camera: Camera | None = None
        self._source: Iterator[Frame] | None = None
        self._stopped = threading.Event()
        self._closed = False
        self._reading = threading.Lock()  # a camera gives each frame to one consumer only
        self._timeline = _Timeline()
        self._tries = 0
        self._fault_s: float | None = None  # when the present fault began
        self._recovered_s = -STABLE_S

    def open(self) -> None:
        """Open the camera now, at the first attempt; raises CameraError, ConfigError."""
        self._step("opening", "", self._step_s)
        self._replace_camera(self._opener())

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the camera ends or `stop`; raises CameraError after the last try."""
        self._check_open()
        return self._frames()

    def stop(self) -> None:
        """End the frames for good, also amid a recovery; may be called from any thread."""
        self._stopped.set()
        with self._lock:
            camera = self._camera
        if camera is not None:
            camera.stop()

    def close(self) -> None:
        """Close the camera; a second call does nothing."""
        self._closed = True
        self._stopped.set()
        self._replace_camera(None)

    def switch(self, opener: Opener, recovery_s: float, step_s: float = STEP_S) -> None:
        """Go on with another camera from the next frame on.

        For the thread that reads the frames, between two of them. When the other one
        cannot be opened, the old one is opened again and the error is raised.
        """
        self._replace_camera(None)
        try:
            self._step("opening", "", step_s)
            camera = opener()
        except Exception:
            self._step("reopening", "the new camera could not be opened", self._step_s)
            self._try(self._reopen)
            raise
        self._replace_camera(camera)
        self._opener, self._recovery_s, self._step_s = opener, recovery_s, step_s

    def _check_open(self) -> None:
        if self._closed:
            raise CameraClosed("the camera is closed; open it again to use it")

    def _frames(self) -> Iterator[Frame]:
        if not self._reading.acquire(blocking=False):
            raise CameraError(
                "another consumer reads the camera's frames; "
                "read them in one place and pass them on"
            )
        try:
            yield from self._recovering()
        finally:
            self._reading.release()

    def _recovering(self) -> Iterator[Frame]:
        while True:
            try:
                frame = self._next()
            except CameraError as error:
                if self._closed:
                    raise
                if self._stopped.is_set():
                    return
                self._recover(error)
                continue
            if frame is None:
                return
            if self._fault_s is not None:
                self._recovered()
            yield self._timeline.place(frame, self._clock.now_s())

    def _next(self) -> Frame | None:
        """Return the next frame; None when there are no more."""
        self._check_open()
        if self._source is None:
            if self._stopped.is_set():
                return None
            if self._camera is None:
                self.open()
            with self._lock:
                camera = self._camera
            if camera is None:  # closed by another thread meanwhile
                raise CameraClosed("the camera is closed; open it again to use it")
            self._source = camera.frames()
        return next(self._source, None)

    def _recover(self, error: CameraError) -> None:
        """Climb the ladder until the camera is open again; raise the last error at the end."""
        self._source = None
        now_s = self._clock.now_s()
        if self._fault_s is None:
            self._fault_s = now_s
            if now_s - self._recovered_s >= STABLE_S:
                self._tries = 0
            if self._camera is not None:
                self._step("failed", str(error), 0.0)
        while not self._stopped.is_set():
            delay_s = self._delay_s()
            if self._elapsed_s() + delay_s > self._recovery_s:
                self._step("gave up", str(error), 0.0)
                raise error
            self._step("waiting", str(error), delay_s)
            if self._clock.wait(self._stopped, delay_s):
                return
            first, self._tries = self._tries == 0, self._tries + 1
            restart = getattr(self._camera, "restart", None) if first else None
            self._step("restarting" if restart else "reopening", str(error), self._step_s)
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
            self._timeline.begin_anew()
            if self._stopped.is_set():  # stopped while it was being opened
                camera.stop()

    def _recovered(self) -> None:
        self._step("recovered", "", 0.0)
        self._fault_s = None
        self._recovered_s = self._clock.now_s()

    def _delay_s(self) -> float:
        longest_s = min(FIRST_DELAY_S * 2.0 ** min(self._tries, 10), LONGEST_DELAY_S)
        return longest_s * (0.75 + 0.5 * self._jitter())

    def _elapsed_s(self) -> float:
        return 0.0 if self._fault_s is None else self._clock.now_s() - self._fault_s

    def _step(self, kind: Kind, reason: str, limit_s: float) -> None:
        self._on_step(Step(kind, self._tries, reason, self._elapsed_s(), limit_s))


class _Timeline:
    """Numbers and times that never go back, whatever the camera begins from when opened anew."""

    def __init__(self) -> None:
        self._sequence = -1
        self._timestamp_ns = -1
        self._seen_s = 0.0
        self._anew = False
        self._sequences = 0
        self._offset_ns = 0

    def begin_anew(self) -> None:
        """Take the next frame for the first of a camera that was opened again."""
        self._anew = self._sequence >= 0
        self._sequences = self._offset_ns = 0

    def place(self, frame: Frame, now_s: float) -> Frame:
        """Return the frame with its place on the line; itself, unless it has to be moved."""
        if self._anew:
            self._anew = False
            if frame.sequence <= self._sequence:
                self._sequences = self._sequence + 1 - frame.sequence
            if frame.timestamp_ns <= self._timestamp_ns:
                passed_ns = max(1, round((now_s - self._seen_s) * 1e9))
                self._offset_ns = self._timestamp_ns + passed_ns - frame.timestamp_ns
        if self._sequences or self._offset_ns:
            frame = replace(
                frame,
                sequence=frame.sequence + self._sequences,
                timestamp_ns=frame.timestamp_ns + self._offset_ns,
            )
        self._sequence, self._timestamp_ns, self._seen_s = (
            frame.sequence,
            frame.timestamp_ns,
            now_s,
        )
        return frame
