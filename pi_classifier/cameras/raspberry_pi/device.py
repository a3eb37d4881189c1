"""One open picamera2 camera, of which no call waits for ever."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from pi_classifier.cameras.raspberry_pi import diagnosis, picamera2_api
from pi_classifier.cameras.raspberry_pi.pixels import PixelReader
from pi_classifier.cameras.stream import Clock
from pi_classifier.errors import CameraError, CameraTimeout
from pi_classifier.preprocessing.area_average import Pixels

_logger = logging.getLogger(__name__)

# How soon `stopped` is noticed while no frame comes.
_SLICE_S = 0.2
# What stopping or closing may take; a driver that hangs takes for ever.
_CLOSE_S = 5.0


class PiDevice:
    """The camera of that number in libcamera's list, opened; `name` is for messages.

    `picamera` is picamera2's own object, for what cannot hang. Raises CameraError.
    """

    def __init__(self, number: int, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._closed = False
        self._waiting = threading.Lock()
        self._job: Any = None
        self._mapped = picamera2_api.mapped_array()
        self.picamera = picamera2_api.open_device(number)

    def next_request(self, limit_s: float, stopped: threading.Event) -> Any:
        """Wait for the next finished request, the newest there is; the caller releases it.

        None once `stopped` is set, or the device closed. Raises CameraTimeout after
        `limit_s`, CameraError.
        """
        deadline_s = self._clock.now_s() + limit_s
        with self._waiting:
            try:
                # A job that found no frame in time stays in picamera2's queue: it is waited for
                # again, as a second one would miss the frame that the first one gets.
                if self._job is None:
                    self._job = self.picamera.capture_request(wait=False)
                while not stopped.is_set():
                    with contextlib.suppress(TimeoutError):
                        request = self._job.get_result(timeout=_SLICE_S)
                        self._job = None
                        return request
                    if self._clock.now_s() >= deadline_s:
                        raise CameraTimeout(f"{self._name}: no frame within {limit_s:g} s")
            except CancelledError:  # by `stop` or `close`, from another thread
                self._job = None
            except CameraError:
                raise
            except Exception as error:
                self._job = None
                if not self._closed:
                    raise diagnosis.explained(error, "waiting for a frame") from error
        return None

    def copied(self, request: Any, stream: str, read: PixelReader) -> Pixels:
        """Return the pixels of one stream of a request."""
        with self._mapped(request, stream, reshape=False, write=False) as mapped:
            return read(mapped.array)

    def stop(self) -> None:
        """Cancel what waits and stop the stream; raises CameraError if it does not stop."""
        _within(_CLOSE_S, self._cancel, self.picamera.stop, name="stop")

    def close(self) -> None:
        """Free the device, or give up after a while; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            _within(_CLOSE_S, self._cancel, self.picamera.close, name="close")
        except Exception as error:  # noqa: BLE001  it is for good, whatever comes of it
            _logger.warning("%s: %s", self._name, error)

    def _cancel(self) -> None:
        """Cancel what waits, or stopping would queue behind it for ever.

        Takes picamera2's lock, which a stop that hangs holds.
        """
        self.picamera.cancel_all_and_flush()
        if not self._waiting.acquire(timeout=2 * _SLICE_S):
            return  # flushing has just ended the wait of whoever holds it
        try:
            job, self._job = self._job, None
            if job is not None:
                # one that finished in this very moment holds a buffer
                with contextlib.suppress(Exception, CancelledError):
                    job.get_result(timeout=_SLICE_S).release()
        finally:
            self._waiting.release()


def _within(limit_s: float, *actions: Callable[[], object], name: str) -> None:
    """Do what may hang, in order; raises what it raises, and CameraError when it hangs."""
    failures: list[Exception] = []

    def act() -> None:
        try:
            for action in actions:
                action()
        except Exception as error:  # noqa: BLE001  raised again by who waits
            failures.append(error)

    thread = threading.Thread(target=act, name=f"camera-{name}", daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise CameraError(
            f"it did not {name} within {limit_s:g} s, so its driver hangs; if it stays so, start "
            "the computer again"
        )
    if failures:
        raise failures[0]
