"""Who makes the trials: this process, one after the other, or others at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from pi_classifier_training.search.trials import TrialResult, TrialSpec, run_trial


class Executor(Protocol):
    """Makes trials.

    `slots` trials run at the same time. `run` takes the next description only when a slot
    is free, so that whoever makes them may stop when time is short; results come in
    the order in which they end, and do not depend on who makes them, nor on how many
    at once. A trial that fails raises its error.
    """

    @property
    def slots(self) -> int:
        """How many trials run at the same time."""
        ...

    def run(self, specs: Iterable[TrialSpec]) -> Iterator[TrialResult]:
        """Make the trials; yield the result of each when it ends."""
        ...


class SerialExecutor:
    """One trial after the other, in this process."""

    slots = 1

    def run(self, specs: Iterable[TrialSpec]) -> Iterator[TrialResult]:
        """Make the trials in their order."""
        for spec in specs:
            yield run_trial(spec)
