"""The one queue before whatever the log is written to: bounded, with a thread behind it."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import NamedTuple, TypeAlias

from pi_classifier.errors import SinkError

CAPACITY = 1000
RETRY_S = 0.5
CLOSE_S = 1.0


class Entry(NamedTuple):
    """What is logged: a text, which may have several lines, and its journal fields."""

    text: str
    fields: Mapping[str, str]


Write = Callable[[Entry], None]
"""Writes an entry, however long that takes; raises SinkError when it could not."""

# how many entries are missing before it, and an entry or what `flush` waits for
_Item: TypeAlias = tuple[int, Entry | threading.Event]


class LogQueue:
    """Takes entries without ever waiting; a thread hands them to `write`, in order.

    `write` may wait as long as it likes. When it raises `SinkError` the entry is tried
    again every `retry_s`, while later ones wait behind it. When `capacity` entries wait,
    new ones are dropped and counted, and the entry that `missing` makes of their number
    takes their place. `fallback` is for what comes too late: it must not wait, and
    returns whether it wrote the entry.
    """

    def __init__(
        self,
        write: Write,
        *,
        missing: Callable[[int], Entry],
        fallback: Callable[[Entry], bool] = lambda _entry: False,
        capacity: int = CAPACITY,
        retry_s: float = RETRY_S,
    ) -> None:
        self._write = write
        self._missing = missing
        self._fallback = fallback
        self._capacity = capacity
        self._retry_s = retry_s
        self._dropped = self._unwritten = self.failures = 0
        self._closing = threading.Event()
        self._start()
        _queues.add(self)

    def _start(self) -> None:
        # A log call may interrupt another one (a destructor that logs), so nothing here may
        # take a lock: a deque's ends and a SimpleQueue are safe.
        self._items: deque[_Item] = deque()
        self._calls: SimpleQueue[bool] = SimpleQueue()  # True for each item, False at the end
        self._gap = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many entries were not written and never will be."""
        return self._dropped + self._unwritten

    @property
    def busy(self) -> bool:
        """Whether an entry waits or is being written."""
        return bool(self._items)

    def put(self, entry: Entry) -> None:
        """Have the entry written soon, or drop and count it."""
        if self._closing.is_set():
            self._write_late(entry)
        elif len(self._items) >= self._capacity:
            self._dropped += 1
            self._gap += 1
        else:
            gap, self._gap = self._gap, 0
            self._append((gap, entry))

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put is written, for at most `timeout_s`; True when it is."""
        if self._closing.is_set():
            return self.close(timeout_s)
        reached = threading.Event()
        self._append((0, reached))
        return reached.wait(timeout_s)

    def close(self, timeout_s: float = CLOSE_S) -> bool:
        """Write what waits, for at most `timeout_s`; True when the thread has ended.

        Later entries go to `fallback`.
        """
        if not self._closing.is_set():
            self._closing.set()
            self._calls.put(False)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _append(self, item: _Item) -> None:
        self._items.append(item)
        self._calls.put(True)

    def _run(self) -> None:
        while self._calls.get():
            gap, item = self._items[0]
            if gap:
                self._deliver(self._missing(gap))
            if not isinstance(item, threading.Event):
                self._deliver(item)
            self._items.popleft()
            if isinstance(item, threading.Event):
                item.set()
        if self._gap:
            self._deliver(self._missing(self._gap))

    def _deliver(self, entry: Entry) -> None:
        while True:
            last_try = self._closing.is_set()
            try:
                self._write(entry)
            except SinkError:
                self.failures += 1
                if last_try:
                    self._write_late(entry)
                    return
                self._closing.wait(self._retry_s)
            except Exception:  # noqa: BLE001  one entry must not end the log
                self.failures += 1
                self._unwritten += 1
                return
            else:
                return

    def _write_late(self, entry: Entry) -> None:
        if not self._fallback(entry):
            self._unwritten += 1


_queues: weakref.WeakSet[LogQueue] = weakref.WeakSet()


def _start_in_child() -> None:
    """A forked process has no threads but the one that forked; what waits is its parent's."""
    for queue in list(_queues):
        if not queue._closing.is_set():  # noqa: SLF001
            queue._start()  # noqa: SLF001


os.register_at_fork(after_in_child=_start_in_child)
