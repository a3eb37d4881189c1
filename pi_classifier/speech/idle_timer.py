"""Noticing that nothing was seen for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_ENDED_S = 0.2


class Lull:
    """Calls `then` once, on a thread of its own, when `after_s` have passed since `begin`.

    `end` calls it off; a `begin` during a lull changes nothing. The thread is there from
    the first `begin` on.
    """

    def __init__(
        self,
        after_s: float,
        then: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._after_s = after_s
        self._then = then
        self._clock = clock
        self._changed = threading.Condition()
        self._due_s: float | None = None
        self._closing = False
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Note that nothing is seen from now on."""
        with self._changed:
            if self._closing or self._due_s is not None:
                return
            self._due_s = self._clock() + self._after_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lull", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def end(self) -> None:
        """Note that something is seen."""
        with self._changed:
            self._due_s = None
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_ENDED_S)

    def _run(self) -> None:
        with self._changed:
            while not self._closing:
                left_s = None if self._due_s is None else self._due_s - self._clock()
                if left_s is None or left_s > 0:
                    self._changed.wait(left_s)
                    continue
                self._due_s = None
                self._then()
