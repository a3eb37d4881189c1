"""A thread that shows the newest view again and again, in its own time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pi_classifier.preview.latest_view import Latest, View

_POLL_S = 1.0


class Looker:
    """Calls `show` with the newest view, at most every `every_s` seconds, until the end.

    The last view of all is shown too. What `show` raises ends it: `on_failure` is
    called, and `close` raises the error.
    """

    def __init__(
        self,
        latest: Latest,
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
        self._thread = threading.Thread(target=self._look, name="preview", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Show the last view, unless that takes longer than `timeout_s`."""
        self._latest.close()
        self._ending.set()
        self._thread.join(timeout_s)
        if self._error is not None:
            raise self._error

    def _look(self) -> None:
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
