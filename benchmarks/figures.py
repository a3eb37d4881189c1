"""A measured figure: ours, the peer's beside it, and the aim."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Aim:
    """What a figure should be at most: our value itself, or its ratio to the peer's."""

    limit: float
    of: Literal["ours", "ratio"]

    def __str__(self) -> str:
        return f"{self.of} ≤ {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report.

    `ours` and `peers` are medians in `unit`. `quartiles` are those of the ratio for the
    same frame in the same round.
    """

    section: str
    subject: str
    name: str
    unit: str
    ours: float
    peer: str | None = None
    peers: float | None = None
    quartiles: tuple[float, float] | None = None
    aim: Aim | None = None

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's."""
        return self.ours / self.peers if self.peers else None

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; None where there is none."""
        if self.aim is None:
            return None
        value = self.ours if self.aim.of == "ours" else self.ratio
        return value is not None and math.isfinite(value) and value <= self.aim.limit

    def as_json(self) -> dict[str, Any]:
        """The figure as a JSON object."""
        return asdict(self) | {"ratio": self.ratio, "reached": self.reached}
