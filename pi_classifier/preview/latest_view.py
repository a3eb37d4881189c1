"""The newest frame and its scores, handed from the frame thread to those who draw it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pi_classifier.types import Category, Detection, Frame, Prediction

_POLL_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One frame, its prediction (None: nothing classified yet), the label decided on."""

    frame: Frame
    prediction: Prediction | None
    decided: str | None

    @property
    def heading(self) -> str:
        """The label decided on, in words where there is none."""
        unknown = self.prediction is not None and self.prediction.unknown
        return self.decided or ("something unknown" if unknown else "nothing I know")

    @property
    def detections(self) -> tuple[Detection, ...]:
        """What is seen where in the frame; empty where it is looked at as a whole."""
        return self.prediction.detections if self.prediction else ()

    def best(self, count: int) -> tuple[Category, ...]:
        """Return the first `count` categories; none before the first prediction."""
        return self.prediction.categories[:count] if self.prediction else ()


class LatestView:
    """One slot: the frame thread puts without waiting, viewers take the newest.

    Where nobody waits, a put is one assignment; all drawing is on the viewers' threads.
    """

    def __init__(self) -> None:
        self._view: View | None = None
        self._changed = threading.Condition()
        self._waiting = 0
        self._closed = False

    @property
    def newest(self) -> View | None:
        """The newest view, at once; None before the first frame."""
        return self._view

    def put(self, view: View) -> None:
        """Replace the newest view; for the frame thread."""
        self._view = view
        # A viewer counts itself before it reads the slot, so none is missed without the lock.
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def after(self, seen: View | None, timeout_s: float) -> View | None:
        """Wait for another view than `seen`; None at the end, or when none comes in time."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            self._waiting += 1
            try:
                while self._view is seen and not self._closed:
                    left_s = deadline_s - time.monotonic()
                    if left_s <= 0:
                        return None
                    self._changed.wait(left_s)
            finally:
                self._waiting -= 1
            return None if self._view is seen else self._view

    @property
    def closed(self) -> bool:
        """Whether no further view will come."""
        return self._closed

    def close(self) -> None:
        """Wake everybody who waits: no further view comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class PreviewThread:
    """Calls `show` with the newest view, at most every `every_s` seconds, until the end.

    The last view of all is shown too. What `show` raises ends it: `on_failure` is
    called, and `close` raises the error.
    """

    def __init__(
        self,
        latest: LatestView,
        show: Callable[[View], None],
        every_s: float,
        on_failure: Callable[[], None],
    ) -> None:
        self._latest = latest
        self._show = show
        self._every_s = every_s
        self._on_failure = on_failure
        self._error: Exception | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Show the last view, unless that takes longer than `timeout_s`."""
        self._latest.close()
        self._ending.set()
        self._thread.join(timeout_s)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        seen: View | None = None
        try:
            while True:
                view = self._latest.after(seen, _POLL_S)
                if view is None:
                    if self._latest.closed:
                        return
                    continue
                began_s, seen = time.monotonic(), view
                self._show(view)
                self._ending.wait(max(0.0, began_s + self._every_s - time.monotonic()))
        except Exception as error:  # noqa: BLE001  raised again by `close`
            self._error = error
            self._on_failure()
