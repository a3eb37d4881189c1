"""The newest frame and what was made of it, handed from the frame thread to whoever looks."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from pi_classifier.types import Frame, Prediction


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One frame, its prediction (None: nothing classified yet), the label decided on."""

    frame: Frame
    prediction: Prediction | None
    decided: str | None


class Latest:
    """One slot: the frame thread puts without waiting, lookers take the newest.

    Where nobody waits, a put is one assignment; all drawing is the lookers' own.
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
        # A looker counts itself before it looks, so none is missed without the lock.
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
        """Let everybody who waits go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
