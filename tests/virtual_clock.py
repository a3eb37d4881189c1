"""A clock for cameras whose time passes without anybody waiting."""

from __future__ import annotations

import threading


class VirtualClock:
    """Waiting takes no time: it only moves the hand. `waits_s` are the waits, in seconds."""

    def __init__(self, time_s: float = 100.0) -> None:
        self.time_s = time_s
        self.waits_s: list[float] = []

    def now_s(self) -> float:
        return self.time_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if not event.is_set():
            self.waits_s.append(timeout_s)
            self.time_s += timeout_s
        return event.is_set()
