"""How far two processors' scores of the same pictures lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .scores import Answers

# One runtime on two processors; why, and what was measured: docs/decisions/0021-processors.md.
FLOAT_TOLERANCE = 1e-5
SAME_RUNTIME_STEPS = 1


@dataclass(frozen=True, slots=True)
class Difference:
    """Between this machine's `Answers` and those of another processor.

    `other_labels` counts pictures with another best label, and `widest_gap` is how far
    apart their two best scores were here at most; `differing` counts single scores that
    are not equal bit for bit, `largest` and `p99` are the largest and the 99th percentile
    of all differences. `golden_off` and `golden_tolerance` are the self-test's.
    """

    model: str
    pictures: int
    values: int
    other_labels: int
    widest_gap: float
    differing: int
    largest: float
    p99: float
    step: float
    golden_off: float
    golden_tolerance: float
    same_pixels: bool

    @property
    def steps(self) -> int:
        """The largest difference in steps of a quantized output; 0 for float ones."""
        return round(self.largest / self.step) if self.step else 0

    @property
    def self_test(self) -> bool:
        """Whether the daemon would start with this model there."""
        return self.golden_off <= self.golden_tolerance

    @property
    def within(self) -> bool:
        """Whether it is what the same runtime may do on another processor."""
        allowed = SAME_RUNTIME_STEPS * self.step if self.step else FLOAT_TOLERANCE
        return (
            self.largest <= allowed
            and not self.other_labels
            and self.same_pixels
            and self.self_test
        )


def difference(here: Answers, there: Answers) -> Difference:
    """Compare the answers of one model, to as many pictures as were shown there.

    Raises ValueError where there are none, or the models are not the same.
    """
    count = len(there.scores)
    if here.model != there.model or not 0 < count <= len(here.scores):
        raise ValueError(f"{here.model} and {there.model} did not see the same pictures")
    ours = here.scores[:count]
    off = np.abs(ours.astype(np.float64) - there.scores)
    other = there.scores.argmax(axis=1) != ours.argmax(axis=1)
    second, first = np.sort(ours, axis=1)[:, -2:].T
    return Difference(
        model=here.model,
        pictures=count,
        values=ours.size,
        other_labels=int(other.sum()),
        widest_gap=float((first - second)[other].max(initial=0)),
        differing=int((off > 0).sum()),
        largest=float(off.max()),
        p99=float(np.quantile(off, 0.99)),
        step=here.step,
        golden_off=there.golden_off,
        golden_tolerance=there.golden_tolerance,
        same_pixels=np.array_equal(here.pixels[:count], there.pixels),
    )
