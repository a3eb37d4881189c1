"""What the frame thread is at, for whoever watches over it from another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pi_classifier.service.counters import Counters
from pi_classifier.types import Decision


class Activity:
    """Frames counted, and what the frame thread is knowingly at instead of frames.

    The frame thread writes, others read; every value is replaced whole, so that the
    frame path needs no lock. `counters.frames` grows with every frame that came
    through the classifier; `decision` is the last one sent to the sinks.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.now_s = now_s
        self.counters = Counters()
        self.decision: Decision | None = None
        # Set when the first frame was classified.
        self.ready = threading.Event()
        # Set whenever somebody should look at once.
        self.changed = threading.Event()
        self._doing = ""
        self._allowed_until_s = now_s()

    @property
    def doing(self) -> str:
        """What it is knowingly at; empty while frames flow."""
        return self._doing

    @property
    def allowed_until_s(self) -> float:
        """The monotonic time until which no frame needs to come."""
        return self._allowed_until_s

    def busy(self, doing: str, limit_s: float) -> None:
        """Announce work without frames: what it is, and how long it may take at most."""
        self._doing = doing
        self._allowed_until_s = self.now_s() + limit_s
        self.changed.set()

    def flowing(self) -> None:
        """Announce that frames flow: from now on they alone are the sign of life."""
        self._doing = ""
        self._allowed_until_s = self.now_s()
        self.changed.set()

    def first_classified(self) -> None:
        """Announce the first classified frame."""
        self.ready.set()
        self.flowing()
