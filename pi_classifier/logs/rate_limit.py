"""The rate limit of the log: a burst of the same message, then once a minute with a number."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")

BURST = 5
DISTINCT = 30
MAX_KEYS = 256
WINDOW_S = 60.0

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Repeats(Generic[Item]):
    """`count` messages of one key were held back within `seconds`; `last` is the latest."""

    count: int
    seconds: float
    last: Item


@dataclass(slots=True)
class _Bucket(Generic[Item]):
    """The messages of one key, which differ at most in their numbers, in one window."""

    until_s: float
    times: dict[str, int] = field(default_factory=dict)  # burst + 1: held back, too
    overflowed: bool = False
    held: int = 0
    held_from_s: float = 0.0
    held_to_s: float = 0.0
    last: list[Item] = field(default_factory=list)  # one at most

    def admit(self, text: str, burst: int, distinct: int) -> bool:
        times = self.times.get(text, 0)
        if times == 0 and len(self.times) >= distinct:
            self.overflowed = True
            return False
        self.times[text] = min(times, burst) + 1
        return times < burst

    def hold(self, item: Item, now_s: float) -> None:
        if not self.held:
            self.held_from_s = now_s
        self.held += 1
        self.held_to_s = now_s
        self.last = [item]

    def take(self) -> Iterator[Repeats[Item]]:
        if self.held:
            yield Repeats(self.held, self.held_to_s - self.held_from_s, self.last[0])
        self.held, self.last = 0, []

    def begin_window(self, window_s: float, burst: int) -> None:
        """Begin the window after this one, with the allowance used up of what was held back.

        Where too many different texts came, nobody knows which: then of all, or a fault that
        counts frames would be logged `distinct` times in every window.
        """
        self.until_s += window_s
        self.times = {
            text: burst for text, times in self.times.items() if times > burst or self.overflowed
        }
        self.overflowed = False


class LogRateLimit(Generic[Item]):
    """Lets a text through `burst` times a window, then holds it back and counts it.

    Texts that differ only in their numbers have the same key, and `distinct` different
    ones of a key are let through, so that a fault that counts frames is bounded too. A
    key takes nothing from the allowance of another one. While a text goes on being held
    back its allowance stays used up; a window without it, and it is new again. At most
    `max_keys` are remembered, those used latest. Times are seconds on one monotonic clock.
    """

    def __init__(
        self,
        *,
        burst: int = BURST,
        distinct: int = DISTINCT,
        max_keys: int = MAX_KEYS,
        window_s: float = WINDOW_S,
    ) -> None:
        self._burst = burst
        self._distinct = distinct
        self._max_keys = max_keys
        self._window_s = window_s
        self._buckets: OrderedDict[str, _Bucket[Item]] = OrderedDict()
        self._forgotten: list[Repeats[Item]] = []
        self._next_s = float("inf")

    def admit(self, text: str, item: Item, now_s: float) -> bool:
        """Whether the text is to be logged now; `item` is what `due` gives back otherwise."""
        key = _NUMBER.sub("#", text)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(now_s + self._window_s)
            self._next_s = min(self._next_s, bucket.until_s)
            if len(self._buckets) > self._max_keys:
                self._forgotten += self._buckets.popitem(last=False)[1].take()
        else:
            self._buckets.move_to_end(key)
        if bucket.admit(text, self._burst, self._distinct):
            return True
        bucket.hold(item, now_s)
        return False

    def due(self, now_s: float) -> list[Repeats[Item]]:
        """What was held back in the windows that have ended; call it before `admit`."""
        if now_s < self._next_s and not self._forgotten:
            return []
        repeats, self._forgotten = self._forgotten, []
        for key, bucket in list(self._buckets.items()):
            if now_s < bucket.until_s:
                continue
            # The next window begins where this one ended, however late that is noticed: else
            # a text would be held back long after it was last heard of.
            goes_on = bucket.held and now_s < bucket.until_s + self._window_s
            repeats += bucket.take()
            if goes_on:
                bucket.begin_window(self._window_s, self._burst)
            else:
                del self._buckets[key]
        self._next_s = min(
            (bucket.until_s for bucket in self._buckets.values()), default=float("inf")
        )
        return repeats

    def close(self) -> list[Repeats[Item]]:
        """All that is still held back; everything is forgotten."""
        repeats, self._forgotten = self._forgotten, []
        for bucket in self._buckets.values():
            repeats += bucket.take()
        self._buckets.clear()
        return repeats
