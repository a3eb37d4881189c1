"""A bounded queue with a thread behind it: how sinks that may block stay out of the frame path."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, Literal, TypeVar

from pi_classifier.errors import SinkError
from pi_classifier.sinks.retry import Retry

_logger = logging.getLogger(__name__)

Item = TypeVar("Item")

CAPACITY = 256
CLOSE_S = 0.3


class DeliveryQueue(Generic[Item]):
    """Hands items to `deliver` on a thread of its own, in order.

    `put` never blocks and never raises. `deliver` raises `SinkError` when it
    could not; the item is tried again when `retry` says so, while later ones wait
    behind it. When `capacity` items wait, new ones are dropped and counted.

    With `keep="latest"` only the newest item waits, and the one it replaces is
    dropped: for sinks whose old items are worth nothing. After a failure it is tried
    again, as long as there is no newer one and it is `still_wanted`; `withdraw` drops it.

    `begin` is called on the thread before the first item, and fails like `deliver`.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[Item], None],
        *,
        retry: Retry | None = None,
        capacity: int = CAPACITY,
        keep: Literal["all", "latest"] = "all",
        begin: Callable[[], None] = lambda: None,
        still_wanted: Callable[[Item], bool] = lambda _item: True,
    ) -> None:
        self._name = name
        self._deliver = deliver
        self._begin = begin
        self._still_wanted = still_wanted
        self._retry = retry or Retry(name)
        self._latest = keep == "latest"
        self._capacity = 1 if self._latest else capacity
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._busy = False
        self._warned = False
        self.delivered = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether an item is being delivered or about to be; one put off by a failure is not."""
        with self._changed:
            return self._busy or self._is_due()

    @property
    def failures(self) -> int:
        """How many attempts to deliver have failed."""
        return self._retry.failures

    def put(self, item: Item) -> None:
        """Queue an item, or drop and count one when there is no room."""
        with self._changed:
            if self._closing:
                self.dropped += 1
                return
            if len(self._items) >= self._capacity:
                self.dropped += 1
                if not self._latest:
                    self._warn_full()
                    return
                self._items.clear()
            self._items.append(item)
            self._changed.notify_all()

    def withdraw(self) -> None:
        """Drop what waits for another attempt after a failure."""
        with self._changed:
            if self._retry.wait_s() > 0:
                self.dropped += len(self._items)
                self._items.clear()
                self._changed.notify_all()

    def close(self, timeout_s: float = CLOSE_S) -> bool:
        """Deliver what waits, for at most `timeout_s`; True when the thread has ended.

        May be called again, to wait longer.
        """
        with self._changed:
            self._closing = True
            if self._latest and self._retry.wait_s() > 0:  # no time for another attempt
                self.dropped += len(self._items)
                self._items.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
        if not self._thread.is_alive():
            return True
        with self._changed:
            left = len(self._items) + self._busy
            self.dropped += len(self._items)
            self._items.clear()
        if left and not self._latest:
            _logger.warning(
                "%s: %d decisions were not delivered within %.1f s", self._name, left, timeout_s
            )
        return False

    def _warn_full(self) -> None:
        if not self._warned:
            self._warned = True
            _logger.warning(
                "%s: too slow, %d decisions wait; more are dropped and counted",
                self._name,
                self._capacity,
            )

    def _run(self) -> None:
        error = _error_of(self._begin)
        if error is not None:
            with self._changed:
                self._retry.failed(error)
        while True:
            with self._changed:
                while not self._is_due():
                    if self._closing and not self._items:
                        return
                    self._changed.wait(self._retry.wait_s() if self._items else None)
                item = self._items.popleft()
                self._busy = True
            error = _error_of(partial(self._deliver, item))
            with self._changed:
                self._busy = False
                self._settle(item, error)

    def _is_due(self) -> bool:
        return bool(self._items) and (self._closing or self._retry.wait_s() == 0)

    def _settle(self, item: Item, error: Exception | None) -> None:
        if error is None:
            self.delivered += 1
            self._retry.succeeded()
            return
        self._retry.failed(error)
        if self._closing:  # no time for another attempt
            self.dropped += 1 + len(self._items)
            self._items.clear()
        elif self._latest and (self._items or not self._still_wanted(item)):
            self.dropped += 1
        else:
            self._items.appendleft(item)


def _error_of(attempt: Callable[[], None]) -> Exception | None:
    try:
        attempt()
    except SinkError as error:
        return error
    except Exception as error:  # noqa: BLE001  a bug in one sink must not end the thread
        return SinkError(f"unexpected {type(error).__name__}: {error}")
    return None
