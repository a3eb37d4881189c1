"""The one sink: a bounded queue with a thread behind it, and a writer that does the work."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, Literal, Protocol, TypeVar

from pi_classifier.errors import SinkError
from pi_classifier.sinks.retry import Retry
from pi_classifier.types import Decision

_logger = logging.getLogger(__name__)

Item = TypeVar("Item")

CAPACITY = 256
# Together well under a second: a service manager or a person waits for it.
CLOSE_S = 0.3
_KILLED_S = 0.1


class Writer(Protocol[Item]):
    """What a queued sink writes to. Only `item` and `close` run outside the sink's thread."""

    def item(self, decision: Decision) -> Item | None:
        """What of a decision is to be written; None for nothing. Runs on the frame thread, so
        it must not wait.
        """

    def begin(self) -> None:
        """Called once before the first item; fails like `write`."""
        return

    def write(self, item: Item) -> None:
        """Write an item, however long that takes; raises `SinkError` when it could not."""

    def wanted(self, item: Item) -> bool:
        """Whether an item is still worth writing; asked after a failure."""
        del item
        return True

    def close(self) -> None:
        """End what is still being written and free what is held; may be called again."""
        return


class QueuedSink(Generic[Item]):
    """Hands what its writer makes of decisions to the writer, on a thread of its own, in order.

    `emit` never waits and never raises. An item that could not be written is tried again when
    `retry` says so, while later ones wait behind it. When `capacity` items wait, new ones are
    dropped and counted.

    With `keep="latest"` only the newest item waits, and the one it replaces is dropped: for
    sinks whose old items are worth nothing. There an item that failed gives way to a newer one,
    and is not tried again once it is not `wanted` any more.
    """

    def __init__(
        self,
        name: str,
        writer: Writer[Item],
        *,
        capacity: int = CAPACITY,
        keep: Literal["all", "latest"] = "all",
        retry: Retry | None = None,
    ) -> None:
        self.name = name
        self.dropped = 0
        self._writer = writer
        self._retry = retry or Retry(name)
        self._latest = keep == "latest"
        self._capacity = 1 if self._latest else capacity
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._cut = False
        self._writing = False
        self._warned = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether an item is being written or about to be; one put off by a failure is not."""
        with self._changed:
            return self._writing or self._is_due()

    @property
    def failures(self) -> int:
        """How many attempts to write have failed."""
        return self._retry.failures

    def emit(self, decision: Decision) -> None:
        """Queue what the writer makes of the decision."""
        item = self._writer.item(decision)
        if item is not None:
            self.put(item)

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

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what waits, for at most `timeout_s`, then close the writer.

        May be called again, to wait longer.
        """
        with self._changed:
            self._closing = True
            if self._latest and self._retry.wait_s() > 0:  # no time for another attempt
                self._drop_waiting()
            self._changed.notify_all()
        if not self._join(timeout_s):
            self._give_up(timeout_s)
        # In any case: what the writer still does is cut off, what it holds is freed.
        self._writer.close()
        self._join(_KILLED_S)

    def _join(self, timeout_s: float) -> bool:
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _give_up(self, timeout_s: float) -> None:
        with self._changed:
            self._cut = True
            left = len(self._items) + self._writing
            self._drop_waiting()
        if left and not self._latest:
            _logger.warning(
                "%s: %d decisions were not delivered within %.1f s", self.name, left, timeout_s
            )

    def _drop_waiting(self) -> None:
        self.dropped += len(self._items)
        self._items.clear()

    def _warn_full(self) -> None:
        if not self._warned:
            self._warned = True
            _logger.warning(
                "%s: too slow: %d decisions are waiting, more are dropped and counted",
                self.name,
                self._capacity,
            )

    def _run(self) -> None:
        error = _error_of(self._writer.begin)
        with self._changed:
            if error is not None and not self._cut:
                self._retry.failed(error)
        while (item := self._next()) is not None:
            # Without the lock: `emit` must never wait for a writer.
            stale = self._retry.failing and not self._writer.wanted(item)
            error = None if stale else _error_of(partial(self._writer.write, item))
            with self._changed:
                self._writing = False
                if stale:
                    self.dropped += 1
                elif error is None:
                    self._retry.succeeded()
                else:
                    self._note_failed(item, error)

    def _next(self) -> Item | None:
        """Wait for an item that is due; None at the end."""
        with self._changed:
            while not self._is_due():
                if self._closing and not self._items:
                    return None
                self._changed.wait(self._retry.wait_s() if self._items else None)
            self._writing = True
            return self._items.popleft()

    def _is_due(self) -> bool:
        return bool(self._items) and (self._closing or self._retry.wait_s() == 0)

    def _note_failed(self, item: Item, error: Exception) -> None:
        if not self._cut:  # else `close` made it fail
            self._retry.failed(error)
        if self._closing:  # no time for another attempt
            self._drop_waiting()
            self.dropped += 1
        elif self._latest and self._items:
            self.dropped += 1
        else:
            self._items.appendleft(item)


def _error_of(attempt: Callable[[], None]) -> Exception | None:
    try:
        attempt()
    except SinkError as error:
        return error
    except Exception as error:  # noqa: BLE001  a bug in one writer must not end the thread
        return SinkError(f"unexpected {type(error).__name__}: {error}")
    return None
