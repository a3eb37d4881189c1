"""What every camera's stream of frames shares: stop, close, one consumer, a clock, a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, takewhile
from typing import Protocol

from pi_classifier.errors import CameraClosed, CameraError
from pi_classifier.types import Frame


class Clock(Protocol):
    """Time to wait by; tests pass one whose time is virtual."""

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


class StreamState:
    """Whether a camera's frames go on; `name` is the camera's, for messages.

    `stopped` is set by `stop` and by `close`, from any thread, and stays set.
    """

    def __init__(self, name: str) -> None:
        self.stopped = threading.Event()
        self._name = name
        self._closed = False
        self._reading = threading.Lock()

    @property
    def closed(self) -> bool:
        """Whether the camera was closed."""
        return self._closed

    def stop(self) -> None:
        """End the frames for good."""
        self.stopped.set()

    def close(self) -> None:
        """End the frames and refuse further ones."""
        self._closed = True
        self.stopped.set()

    def check_open(self) -> None:
        """Raise CameraClosed after `close`."""
        if self._closed:
            raise CameraClosed(f"{self._name}: is closed; open it again to use it")

    @contextmanager
    def one_consumer(self) -> Iterator[None]:
        """Hold the stream while it is read; raises CameraError where another consumer does.

        Two consumers would each miss the frames that the other one got.
        """
        if not self._reading.acquire(blocking=False):
            raise CameraError(
                f"{self._name}: another consumer reads its frames; "
                "read them in one place and pass them on"
            )
        try:
            yield
        finally:
            self._reading.release()


def limited(
    frames: Iterator[Frame], count: int | None = None, duration_s: float | None = None
) -> Iterator[Frame]:
    """Yield at most `count` frames, and only those of the first `duration_s` seconds.

    Seconds are those of the frames' timestamps, from the first frame on. None: no limit.
    """
    if duration_s is not None:
        frames = _first_ns(frames, round(duration_s * 1e9))
    return islice(frames, count)


def _first_ns(frames: Iterator[Frame], duration_ns: int) -> Iterator[Frame]:
    first = next(frames, None)
    if first is None:
        return
    end_ns = first.timestamp_ns + duration_ns
    yield first
    yield from takewhile(lambda frame: frame.timestamp_ns < end_ns, frames)
