"""A timer for "nothing was seen for a while"."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_JOIN_S = 0.2


class IdleTimer:
    """Calls `then` once, on a thread of its own, when `after_s` have passed since `start`.

    `cancel` calls it off; a `start` while it runs changes nothing. The thread exists from
    the first `start` on.
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

    def start(self) -> None:
        """Note that nothing is seen from now on."""
        with self._changed:
            if self._closing or self._due_s is not None:
                return
            self._due_s = self._clock() + self._after_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="idle-timer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def cancel(self) -> None:
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
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        with self._changed:
            while not self._closing:
                left_s = None if self._due_s is None else self._due_s - self._clock()
                if left_s is None or left_s > 0:
                    self._changed.wait(left_s)
                    continue
                self._due_s = None
                # Still under the lock: once `cancel` has returned it is not called any more.
                self._then()
