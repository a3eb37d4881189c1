"""Live video: the newest frame wins, what nobody had time for is counted as a gap."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.stream import StreamState
from pi_classifier.cameras.video.pyav import Picture, VideoError
from pi_classifier.errors import CameraError, CameraTimeout
from pi_classifier.types import Frame

# A reader that waits for its network or device lets go by itself, after its own time-out.
_CLOSE_S = 1.0
_NS_PER_S = 1_000_000_000

_logger = logging.getLogger(__name__)


class FrameRateLimiter:
    """Lets about one picture pass in each period, and all where fewer come.

    It has half a period of slack: pictures that come at just this rate come unevenly.
    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._due_ns = 0

    def admits(self, now_ns: int) -> bool:
        """Whether the picture that comes now passes."""
        if now_ns < self._due_ns - self._period_ns // 2:
            return False
        self._due_ns = max(self._due_ns, now_ns) + self._period_ns
        return True


class Pictures(Protocol):
    """Where live pictures come from; `pictures` raises VideoError when there are no more.

    `damaged` counts those that could not be decoded. `interrupt` ends what is waited for,
    where that can be, from any thread.
    """

    damaged: int

    def pictures(self) -> Iterator[Picture]: ...

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


class LiveCamera:
    """Drains `video` in a thread of its own and hands out the newest picture.

    `name` is for messages; `explain` says what a failure while reading means, and the cure.
    Pictures beyond `settings.fps` are passed over; those the consumer was too slow for
    leave a gap in `sequence`. Timestamps are the moments the pictures arrived, on the
    computer's monotonic clock. Only pictures handed out are converted and resized.
    """

    def __init__(
        self,
        video: Pictures,
        name: str,
        settings: CameraSettings,
        explain: Callable[[VideoError], str],
    ) -> None:
        self._video = video
        self._name = name
        self._explain = explain
        self._state = StreamState(name)
        # at a low frame rate the next picture is not late before it was asked for
        self._timeout_s = settings.timeout_s + 1 / settings.fps
        self._limiter = FrameRateLimiter(round(_NS_PER_S / settings.fps))
        self._changed = threading.Condition()
        self._newest: tuple[Picture, int, int] | None = None  # with its number and time in ns
        self._failure: Exception | None = None
        self._first: int | None = None
        self._reader = threading.Thread(target=self._read, name=f"reader of {name}", daemon=True)
        self._reader.start()

    def frames(self) -> Iterator[Frame]:
        """Yield the newest frame again and again until `stop`.

        Raises CameraClosed after `close`, CameraTimeout when no picture comes within
        the settings' time-out, and CameraError when the video fails or ends.
        """
        self._state.check_open()
        return self._frames()

    def stop(self) -> None:
        """End the frames for good; may be called from any thread, and before they start."""
        with self._changed:
            self._state.stop()
            self._changed.notify_all()

    def close(self) -> None:
        """Let go of the device; refuse further frames."""
        with self._changed:
            self._state.close()
            self._changed.notify_all()
        self._video.interrupt()
        self._reader.join(_CLOSE_S)

    def _frames(self) -> Iterator[Frame]:
        with self._state.one_consumer():
            deadline_s = time.monotonic() + self._timeout_s
            while (newest := self._next_picture(deadline_s)) is not None:
                picture, number, arrived_ns = newest
                pixels = picture()
                if pixels is None:
                    continue  # damaged: no new deadline, or a stream of those would never end
                if self._first is None:
                    self._first = number
                yield Frame(pixels, number - self._first, arrived_ns)
                deadline_s = time.monotonic() + self._timeout_s

    def _next_picture(self, deadline_s: float) -> tuple[Picture, int, int] | None:
        """Wait for a picture not yet handed out; None once stopped."""
        with self._changed:
            while True:
                self._state.check_open()
                if self._state.stopped.is_set():
                    return None
                if self._newest is not None:
                    newest, self._newest = self._newest, None
                    return newest
                if self._failure is not None:
                    raise self._failure
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise CameraTimeout(
                        f"{self._name}: no frame within {self._timeout_s:g} s; check that the "
                        "camera still works and is still connected"
                    )
                self._changed.wait(left_s)

    def _read(self) -> None:
        failure: Exception = CameraError(
            f"{self._name}: the stream has ended; the camera may have been switched off"
        )
        try:
            self._drain()
        except VideoError as error:
            failure = CameraError(f"{self._name}: {self._explain(error)}")
        except Exception as error:  # noqa: BLE001  raised again where the frames are read
            failure = error
        finally:
            if self._video.damaged:
                _logger.warning(
                    "%s: %d pictures were damaged on the way", self._name, self._video.damaged
                )
            self._video.close()
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    def _drain(self) -> None:
        number = 0
        for picture in self._video.pictures():
            now_ns = time.monotonic_ns()
            if not self._limiter.admits(now_ns):
                if self._state.stopped.is_set():
                    return
                continue
            with self._changed:
                if self._state.stopped.is_set():
                    return
                self._newest = picture, number, now_ns
                self._changed.notify_all()
            number += 1
