"""The camera that plays frames the program makes itself: drawn, or read from files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from pi_classifier.cameras.stream import Clock, StreamState, SystemClock
from pi_classifier.types import Frame

_NS_PER_S = 1_000_000_000


def frame_time_ns(sequence: int, fps: float) -> int:
    """Return the time of a frame in nanoseconds by its number alone, whatever the pace."""
    return round(sequence * _NS_PER_S / fps)


class Playback:
    """When frames are due: with `realtime` by their timestamps, otherwise at once.

    A consumer that is late loses nothing: the next frame is then due at once and the
    schedule slips. `name` is the camera's, for messages.
    """

    def __init__(self, name: str, *, realtime: bool, clock: Clock | None = None) -> None:
        self.state = StreamState(name)
        self._realtime = realtime
        self._clock = clock or SystemClock()
        self._last: tuple[int, float] | None = None  # the last timestamp, and when it was due

    def goes_on(self) -> bool:
        """Whether the frames go on; raises CameraClosed after `close`."""
        self.state.check_open()
        return not self.state.stopped.is_set()

    def wait_until_due(self, timestamp_ns: int) -> bool:
        """Wait until a frame of that time is due; whether the frames go on.

        Raises CameraClosed after `close`.
        """
        if self._realtime:
            now_s = self._clock.now_s()
            last_ns, last_s = self._last or (timestamp_ns, now_s)
            due_s = max(now_s, last_s + (timestamp_ns - last_ns) / _NS_PER_S)
            self._last = timestamp_ns, due_s
            self._clock.wait(self.state.stopped, due_s - now_s)
        return self.goes_on()

    def wait(self, timeout_s: float) -> bool:
        """Let time pass as a stalled camera does; whether the frames go on.

        Raises CameraClosed after `close`.
        """
        if self._realtime:
            self._clock.wait(self.state.stopped, timeout_s)
        return self.goes_on()


class PlayedCamera:
    """Plays `frames`, each at the time that `playback` says, to one consumer.

    Each frame is made while the last one is shown. An error that `frames` raises is the
    camera's own; where it can go on, `frames` of the camera may be called again. `release`
    frees what the frames are made from, never while one is being made.
    """

    def __init__(
        self,
        playback: Playback,
        frames: Iterator[Frame],
        release: Callable[[], None] | None = None,
    ) -> None:
        self._playback = playback
        self._state = playback.state
        self._source = frames
        self._release = release
        self._making = threading.Lock()

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the last one or `stop`.

        Raises CameraClosed after `close`, and what the source of the frames raises.
        """
        self._state.check_open()
        return self._frames()

    def stop(self) -> None:
        """End the frames for good; may be called from any thread, and before they start."""
        self._state.stop()

    def close(self) -> None:
        """End the frames, refuse further ones and free what they are made from."""
        self._state.close()
        if self._release is not None:
            with self._making:
                self._release()

    def _frames(self) -> Iterator[Frame]:
        with self._state.one_consumer():
            while True:
                with self._making:
                    frame = next(self._source, None) if self._playback.goes_on() else None
                if frame is None or not self._playback.wait_until_due(frame.timestamp_ns):
                    return
                yield frame
