"""Live video: the newest frame wins, what nobody had time for is counted as a gap."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Protocol

from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.video.pyav import Picture
from pi_classifier.errors import CameraClosed, CameraError, CameraTimeout
from pi_classifier.types import Frame

# A reader that waits for its network or device lets go by itself, after its own time-out.
_CLOSE_S = 1.0
_NS_PER_S = 1_000_000_000


class Feed(Protocol):
    """Where pictures come from as fast as they happen; raises CameraError when it fails."""

    def pictures(self) -> Iterator[Picture]: ...

    def close(self) -> None: ...


class Thinning:
    """Takes about one of the pictures that come in each period, and all where fewer come.

    It has half a period of slack: pictures that come at just this rate come unevenly.
    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._due_ns = 0

    def takes(self, now_ns: int) -> bool:
        """Whether to take the picture that comes now."""
        if now_ns < self._due_ns - self._period_ns // 2:
            return False
        self._due_ns = max(self._due_ns, now_ns) + self._period_ns
        return True


class LiveCamera:
    """Drains a feed in a thread of its own and hands out the newest picture.

    Pictures beyond `settings.fps` are passed over; those the consumer was too slow for
    leave a gap in `sequence`. Timestamps are the moments the pictures arrived, on the
    computer's monotonic clock. Only pictures handed out are converted and resized.
    """

    def __init__(self, feed: Feed, name: str, settings: CameraSettings) -> None:
        self._name = name
        self._timeout_s = settings.timeout_s
        self._thinning = Thinning(round(_NS_PER_S / settings.fps))
        self._changed = threading.Condition()
        self._newest: tuple[Picture, int, int] | None = None
        self._failure: Exception | None = None
        self._first: int | None = None
        self._stopped = False
        self._closed = False
        self._busy = threading.Lock()
        self._reader = threading.Thread(
            target=self._read, args=(feed,), name=f"reader of {name}", daemon=True
        )
        self._reader.start()

    def frames(self) -> Iterator[Frame]:
        """Yield the newest frame again and again until `stop`.

        Raises CameraClosed after `close`, CameraTimeout when no picture comes within
        the settings' time-out, and CameraError when the feed fails or ends.
        """
        self._check_open()
        return self._frames()

    def stop(self) -> None:
        """End the frames for good; may be called from any thread, and before they start."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Let go of the device; refuse further frames."""
        with self._changed:
            self._closed = self._stopped = True
            self._changed.notify_all()
        self._reader.join(_CLOSE_S)

    def _frames(self) -> Iterator[Frame]:
        if not self._busy.acquire(blocking=False):
            raise CameraError(
                f"{self._name}: another consumer reads its frames; "
                "read them in one place and pass them on"
            )
        try:
            waited_from_s = time.monotonic()
            while (taken := self._take(waited_from_s + self._timeout_s)) is not None:
                picture, number, arrived_ns = taken
                pixels = picture()
                if pixels is None:
                    continue  # damaged: the time-out goes on, so that nothing but those ends too
                if self._first is None:
                    self._first = number
                yield Frame(pixels, number - self._first, arrived_ns)
                waited_from_s = time.monotonic()
        finally:
            self._busy.release()

    def _take(self, until_s: float) -> tuple[Picture, int, int] | None:
        """Wait for a picture not yet taken; None once stopped."""
        with self._changed:
            while True:
                self._check_open()
                if self._stopped:
                    return None
                if self._newest is not None:
                    taken, self._newest = self._newest, None
                    return taken
                if self._failure is not None:
                    raise self._failure
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    raise CameraTimeout(
                        f"{self._name}: no frame within {self._timeout_s:g} s; check that the "
                        "camera still works and is still connected"
                    )
                self._changed.wait(left_s)

    def _check_open(self) -> None:
        if self._closed:
            raise CameraClosed(f"{self._name}: the camera is closed; open it again to use it")

    def _read(self, feed: Feed) -> None:
        failure: Exception = CameraError(
            f"{self._name}: the stream has ended; the camera may have been switched off"
        )
        try:
            self._drain(feed)
        except Exception as error:  # noqa: BLE001  raised again where the frames are read
            failure = error
        finally:
            feed.close()
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    def _drain(self, feed: Feed) -> None:
        number = 0
        for picture in feed.pictures():
            now_ns = time.monotonic_ns()
            if not self._thinning.takes(now_ns):
                if self._stopped:
                    return
                continue
            with self._changed:
                if self._stopped:
                    return
                self._newest = picture, number, now_ns
                self._changed.notify_all()
            number += 1
