"""How often the log says the same thing: a few times, then once a minute with a number."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")

FEW = 5
VARIETY = 30
KINDS = 256
WINDOW_S = 60.0

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Repeats(Generic[Item]):
    """`count` messages of one kind were held back within `seconds`; `last` is the latest."""

    count: int
    seconds: float
    last: Item


@dataclass(slots=True)
class _Kind(Generic[Item]):
    """Texts that differ at most in their numbers, and what became of them in a minute."""

    until_s: float
    said: dict[str, int] = field(default_factory=dict)  # one more than few: held back, too
    too_many: bool = False
    held: int = 0
    held_from_s: float = 0.0
    held_to_s: float = 0.0
    last: list[Item] = field(default_factory=list)  # one at most

    def admit(self, text: str, few: int, variety: int) -> bool:
        times = self.said.get(text, 0)
        if times == 0 and len(self.said) >= variety:
            self.too_many = True
            return False
        self.said[text] = min(times, few) + 1
        return times < few

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

    def begin_window(self, until_s: float, few: int) -> None:
        """Only what was held back stays held back; where that is not known, all."""
        self.until_s = until_s
        self.said = {
            text: few for text, times in self.said.items() if times > few or self.too_many
        }
        self.too_many = False


class RepeatLimit(Generic[Item]):
    """Lets a text through `few` times a window, then holds it back and counts it.

    Texts that differ only in their numbers are of one kind, of which `variety` different
    ones are let through, so that a fault that counts frames is bounded too. Texts of
    another kind never suffer. While a kind goes on being held back its allowance stays
    used up; a window without it, and it is new again. At most `kinds` are remembered,
    those said latest. Times are seconds on one monotonic clock.
    """

    def __init__(
        self,
        *,
        few: int = FEW,
        variety: int = VARIETY,
        kinds: int = KINDS,
        window_s: float = WINDOW_S,
    ) -> None:
        self._few = few
        self._variety = variety
        self._most = kinds
        self._window_s = window_s
        self._kinds: OrderedDict[str, _Kind[Item]] = OrderedDict()
        self._forgotten: list[Repeats[Item]] = []
        self._next_s = float("inf")

    def admit(self, text: str, item: Item, now_s: float) -> bool:
        """Whether the text is to be said now; `item` is what `due` gives back otherwise."""
        shape = _NUMBER.sub("#", text)
        kind = self._kinds.get(shape)
        if kind is None:
            kind = self._kinds[shape] = _Kind(now_s + self._window_s)
            self._next_s = min(self._next_s, kind.until_s)
            if len(self._kinds) > self._most:
                self._forgotten += self._kinds.popitem(last=False)[1].take()
        else:
            self._kinds.move_to_end(shape)
        if kind.admit(text, self._few, self._variety):
            return True
        kind.hold(item, now_s)
        return False

    def due(self, now_s: float) -> list[Repeats[Item]]:
        """What was held back in the windows that have ended; call it before `admit`."""
        if now_s < self._next_s and not self._forgotten:
            return []
        found, self._forgotten = self._forgotten, []
        for shape, kind in list(self._kinds.items()):
            if now_s < kind.until_s:
                continue
            if kind.held:
                found += kind.take()
                kind.begin_window(now_s + self._window_s, self._few)
            else:
                del self._kinds[shape]
        self._next_s = min((kind.until_s for kind in self._kinds.values()), default=float("inf"))
        return found

    def close(self) -> list[Repeats[Item]]:
        """All that is still held back; everything is forgotten."""
        found, self._forgotten = self._forgotten, []
        for kind in self._kinds.values():
            found += kind.take()
        self._kinds.clear()
        return found
