"""Faults to order from the emulated camera, written `kind@frame` or `kind@frame:count`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from pi_classifier.errors import ConfigError
from pi_classifier.suggest import suggestion

FaultKind = Literal["stall", "error", "disappear", "hang", "drop", "dark"]

FAULTS: dict[FaultKind, str] = {
    "stall": "stall@40: frames stop before frame 40, until the time-out",
    "error": "error@40: the camera fails before frame 40",
    "disappear": "disappear@40:3: the camera is gone before frame 40 and cannot be opened 3 times "
    "(disappear@40: ever)",
    "hang": "hang@40: the program hangs before frame 40 and can only be killed",
    "drop": "drop@40:5: frames 40 to 44 are missing",
    "dark": "dark@40:20: frames 40 to 59 are black",
}
_COUNTED = ("disappear", "drop", "dark")
_PATTERN = re.compile(r"([a-z]+)@(\d{1,12})(?::(\d{1,12}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: from frame `at` on, for `count` frames; "disappear": for `count` openings.

    `count` 0, which only "disappear" has, is for ever.
    """

    kind: FaultKind
    at: int
    count: int = 1

    def covers(self, sequence: int) -> bool:
        """Whether the fault concerns this frame."""
        return self.at <= sequence < self.at + self.count


def parse_faults(texts: Iterable[str]) -> tuple[Fault, ...]:
    """Read the faults ordered; raises ConfigError for the first that makes no sense."""
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> Fault:
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"fault {text!r}: expected kind@frame or kind@frame:count, such as drop@40:5"
        )
    kind, at, count = match.groups()
    if kind not in FAULTS:
        raise ConfigError(
            f"fault {text!r}: no such fault.{suggestion(kind, FAULTS)} "
            f"Faults: {'; '.join(FAULTS.values())}"
        )
    if count is not None and kind not in _COUNTED:
        raise ConfigError(f"fault {text!r}: {kind} takes no count; write {kind}@{at}")
    if count is not None and int(count) == 0:
        raise ConfigError(f"fault {text!r}: expected a count of 1 or more")
    return Fault(cast("FaultKind", kind), int(at), int(count or (kind != "disappear")))
