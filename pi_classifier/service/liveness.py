"""Whether the frame thread is alive, for the threads that watch over it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pi_classifier.service.counters import Counters
from pi_classifier.types import Decision, Frame, Prediction


class Liveness:
    """Frames counted, and what the frame thread waits for while there are none.

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
        # Set whenever the watching thread should look at once.
        self.changed = threading.Event()
        self._waiting_for = ""
        self._deadline_s = now_s()

    @property
    def waiting_for(self) -> str:
        """What the frame thread waits for; empty while frames flow."""
        return self._waiting_for

    @property
    def deadline_s(self) -> float:
        """The monotonic time until which no frame needs to come."""
        return self._deadline_s

    def waiting(self, what: str, limit_s: float) -> None:
        """Announce work without frames: what it is, and how long it may take at most."""
        self._waiting_for = what
        self._deadline_s = self.now_s() + limit_s
        self.changed.set()

    def resumed(self) -> None:
        """Announce that frames flow: from now on they alone are the sign of life."""
        self._waiting_for = ""
        self._deadline_s = self.now_s()
        self.changed.set()

    def progress(self, frame: Frame, prediction: Prediction | None) -> None:
        """Count a frame that was classified, or that the gate kept out (None)."""
        self.counters.observe(frame, prediction)
        if prediction is not None and not self.ready.is_set():
            self.ready.set()
            self.resumed()

    def decided(self, decision: Decision) -> None:
        """Count a decision on its way to the sinks."""
        self.counters.decided(decision)
        self.decision = decision
