"""The life of a camera that makes its own frames: pace, stop and close."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from pi_classifier.errors import CameraClosed, CameraError

_NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """Time to pace frames by; tests pass one whose time is virtual."""

    def now_s(self) -> float:
        """Return seconds on a monotonic clock."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until `event` is set (True) or `timeout_s` has passed (False)."""
        ...


class SystemClock:
    """The computer's own monotonic clock."""

    def now_s(self) -> float:
        """Return seconds since some moment in the past."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until `event` is set (True) or `timeout_s` has passed (False)."""
        return event.wait(timeout_s)


class Playback:
    """Paces frames, and ends them from any thread.

    With `realtime` a frame is due one period after the last one. A consumer that
    is late loses nothing: the next frame is then due at once and the schedule
    slips. Without it every frame is due at once.
    """

    def __init__(self, name: str, fps: float, *, realtime: bool, clock: Clock | None) -> None:
        self._name = name
        self._fps = fps
        self._realtime = realtime
        self._clock = clock if clock is not None else SystemClock()
        self._ended = threading.Event()
        self._closed = False
        self._busy = threading.Lock()
        self._last: tuple[int, float] | None = None  # the last timestamp, and when it was due

    def timestamp_ns(self, sequence: int) -> int:
        """Return the time of a frame by its number alone, whatever the pace."""
        return round(sequence * _NS_PER_S / self._fps)

    def stop(self) -> None:
        """End the frames for good; may be called from any thread, and before they start."""
        self._ended.set()

    def close(self) -> None:
        """End the frames and refuse further ones."""
        self._closed = True
        self._ended.set()

    def check_open(self) -> None:
        """Raise CameraClosed after `close`."""
        if self._closed:
            raise CameraClosed(f"{self._name}: the camera is closed; open it again to use it")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold the stream: a camera gives each frame to one consumer only."""
        if not self._busy.acquire(blocking=False):
            raise CameraError(
                f"{self._name}: another consumer reads its frames; "
                "read them in one place and pass them on"
            )
        try:
            yield
        finally:
            self._busy.release()

    def ticks(self) -> Iterator[None]:
        """Yield whenever a frame is due, until `stop`; raises CameraClosed after `close`."""
        period_s = 1 / self._fps
        due_s = self._clock.now_s()
        while not self._over():
            yield
            if self._realtime:
                now_s = self._clock.now_s()
                due_s = max(due_s + period_s, now_s)
                self._clock.wait(self._ended, due_s - now_s)

    def due(self, timestamp_ns: int) -> bool:
        """Wait until a frame of that time is due; whether the frames go on.

        For frames with times of their own, as `ticks` for those at a fixed rate.
        Raises CameraClosed after `close`.
        """
        if self._realtime:
            now_s = self._clock.now_s()
            last_ns, last_s = self._last or (timestamp_ns, now_s)
            due_s = max(now_s, last_s + (timestamp_ns - last_ns) / _NS_PER_S)
            self._last = timestamp_ns, due_s
            self._clock.wait(self._ended, due_s - now_s)
        return not self._over()

    def wait(self, timeout_s: float) -> bool:
        """Let time pass as a stalled camera does; whether the frames ended meanwhile."""
        if self._realtime:
            self._clock.wait(self._ended, timeout_s)
        return self._over()

    def _over(self) -> bool:
        self.check_open()
        return self._ended.is_set()
