"""Several cameras as one: each is asked on a thread of its own, one consumer gets their frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from pi_classifier.cameras.stream import StreamState
from pi_classifier.types import Camera, Frame

# A driver that hangs is left behind, with its thread.
_LEAVE_S = 2.0
# So long a camera that takes another's place waits until that one has let go of its device.
_HANDOVER_S = 10.0

Limit = Callable[[Iterator[Frame]], Iterator[Frame]]


class SeveralCameras:
    """Cameras by name, their frames in one stream; `limit` ends those of each camera.

    A camera is asked for its next frame when its last one was dealt with, on a thread of its
    own: one that is slow, fails or hangs keeps no other waiting, and a live one passes over
    what there was no time for, as it does when it is alone. Of frames that wait, that of the
    camera whose last one is the longest ago comes first. So where there is not time for all,
    all get the same number of frames, and one that has fewer gets all of its own.

    `on_end` is called with the name of a camera that has come to its end, on its thread.
    """

    def __init__(
        self, limit: Limit = iter, *, on_end: Callable[[str], object] = lambda _: None
    ) -> None:
        self.limit = limit
        self._on_end = on_end
        self._state = StreamState("cameras")
        self.lock = threading.Lock()
        self._changed = threading.Condition(self.lock)
        self._running = False
        self._readers: list[_Reader] = []  # whose turn it is comes first
        self._lost: set[str] = set()  # would have given up, were there no others

    def add(self, name: str, camera: Camera) -> None:
        """Take in a camera whose frames carry `name`; before the frames are asked for."""
        self._readers.append(_Reader(name, camera, self))

    def frames(self) -> Iterator[Frame]:
        """Yield the cameras' frames until all have ended or `stop`.

        Raises what any camera raises: around each stands its recovery, so that is the end.
        """
        self._state.check_open()
        return self._frames()

    def may_give_up(self, name: str) -> bool:
        """Whether the camera may give up: no other is left that gives frames.

        For `RecoveringCamera`; the program goes on as long as one of the cameras does.
        """
        with self.lock:
            self._lost.add(name)
            return all(reader.has_ended or reader.name in self._lost for reader in self._readers)

    def exchange(self, leaving: Collection[str], joining: Mapping[str, Camera]) -> None:
        """Go on without some cameras and with others, which may have the same names.

        For the thread that reads the frames, between two of them. What joins is opened once
        what leaves has let go of its device.
        """
        come = [_Reader(name, camera, self) for name, camera in joining.items()]
        with self.lock:
            gone = [reader for reader in self._readers if reader.name in leaving]
            self._readers = [reader for reader in self._readers if reader not in gone] + come
            self._lost -= set(leaving)
        for reader in gone:
            reader.leave()
        if self._running:
            for reader in come:
                reader.start(after=gone)

    def stop(self) -> None:
        """End the frames for good; may be called from any thread, and before they start."""
        self._state.stop()
        with self.lock:
            cameras = [reader.camera for reader in self._readers]
            self._changed.notify_all()
        for camera in cameras:
            camera.stop()

    def close(self) -> None:
        """Close all cameras at the same time; a second call does nothing."""
        self._state.close()
        with self.lock:
            readers, self._readers = self._readers, []
            self._changed.notify_all()
        for reader in readers:
            reader.leave()
        deadline_s = time.monotonic() + _LEAVE_S
        for reader in readers:
            reader.wait_until_gone(deadline_s)

    def frame_came(self, name: str) -> None:
        """Note that a camera has a frame; for its thread, which holds the lock."""
        self._lost.discard(name)
        self._changed.notify_all()

    def ended(self, name: str, error: Exception | None) -> None:
        """Note that a camera has come to its end, by itself or by an error; for its thread."""
        if error is None:
            self._on_end(name)
        with self.lock:
            self._changed.notify_all()

    def _frames(self) -> Iterator[Frame]:
        with self._state.one_consumer():
            self._running = True
            for reader in self._readers:
                reader.start()
            while (turn := self._next()) is not None:
                reader, frame = turn
                try:
                    yield frame
                finally:  # a consumer that has enough has seen it, too
                    reader.dealt_with()

    def _next(self) -> tuple[_Reader, Frame] | None:
        """Wait for a frame, of the reader whose turn it is; None at the end."""
        with self.lock:
            while True:
                self._state.check_open()
                if self._state.stopped.is_set():
                    return None
                failed = next((one.error for one in self._readers if one.error), None)
                if failed is not None:
                    raise failed
                for reader in self._readers:
                    if reader.frame is not None:
                        self._readers.remove(reader)
                        self._readers.append(reader)
                        return reader, reader.frame
                if all(reader.has_ended for reader in self._readers):
                    return None
                self._changed.wait()


class _Reader:
    """One camera, the thread that asks it for frames, and the frame that waits."""

    def __init__(self, name: str, camera: Camera, among: SeveralCameras) -> None:
        self.name = name
        self.camera = camera
        self.frame: Frame | None = None
        self.error: Exception | None = None
        self.has_ended = False
        self._among = among
        self._leaving = False
        self._dealt_with = threading.Condition(among.lock)
        self._thread: threading.Thread | None = None

    def start(self, after: Sequence[_Reader] = ()) -> None:
        """Begin, once those in `after` are gone; a second call does nothing."""
        if self._thread is not None:
            return
        name = f"camera {self.name}"
        self._thread = threading.Thread(target=self._run, args=(after,), name=name, daemon=True)
        self._thread.start()

    def dealt_with(self) -> None:
        """Ask the camera for its next frame."""
        with self._among.lock:
            self.frame = None
            self._dealt_with.notify_all()

    def leave(self) -> None:
        """Begin to let go of the camera."""
        self.camera.stop()
        with self._among.lock:
            self._leaving = True
            self._dealt_with.notify_all()
        if self._thread is None:
            self.camera.close()

    def wait_until_gone(self, deadline_s: float) -> None:
        """Wait until the camera is closed, or that monotonic time."""
        if self._thread is not None:
            self._thread.join(max(0.0, deadline_s - time.monotonic()))

    def _run(self, after: Sequence[_Reader]) -> None:
        deadline_s = time.monotonic() + _HANDOVER_S
        for reader in after:
            reader.wait_until_gone(deadline_s)
        try:
            for frame in self._among.limit(self.camera.frames()):
                if not self._offered(frame):
                    break
        except Exception as error:  # noqa: BLE001  raised again where the frames are read
            self.error = error
        self.has_ended = True
        if not self._leaving:  # another one may have its name by now
            self._among.ended(self.name, self.error)
        self.camera.close()

    def _offered(self, frame: Frame) -> bool:
        """Have the frame wait until it was dealt with; whether there is to be another."""
        with self._among.lock:
            self.frame = frame
            self._among.frame_came(self.name)
            self._dealt_with.wait_for(lambda: self.frame is None or self._leaving)
            return not self._leaving
