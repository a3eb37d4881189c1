"""Steps are timed one by one, and do what they do untimed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pi_classifier.config.settings import RunSettings
from pi_classifier.decision import SmootherSettings, make_smoother
from pi_classifier.gate import AlwaysOpen
from pi_classifier.measuring.stopwatch import Stopwatch, timed_service
from pi_classifier.service.run_loop import run
from pi_classifier.service.service import PipelineParts, Service
from pi_classifier.types import Category, Decision, Frame, Prediction

PIXELS = np.zeros((8, 8, 3), np.uint8)


class Camera:
    def frames(self) -> Iterator[Frame]:
        for number in range(1000):
            yield Frame(PIXELS, number, number * 100_000_000)

    def stop(self) -> None: ...

    def close(self) -> None: ...


class EveryOther:
    """A gate that lets every other frame through."""

    def admits(self, frame: Frame) -> bool:
        return frame.sequence % 2 == 0


class Sure:
    name, labels = "sure", ("cyan",)

    def classify(self, frame: Frame) -> Prediction:
        del frame
        return Prediction((Category(0, "cyan", 0.99),), "sure", 0, 1)

    def close(self) -> None: ...


class Told:
    name, busy, dropped, failures = "told", False, 0, 0

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    def emit(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def close(self) -> None: ...


def service(gate: Any, sink: Told) -> Service:
    return Service(
        Camera(), PipelineParts(gate, Sure(), make_smoother(SmootherSettings()), (sink,))
    )


def test_every_step_is_timed_as_often_as_it_runs() -> None:
    watch, sink = Stopwatch(), Told()
    timed = timed_service(service(EveryOther(), sink), watch, RunSettings(frames=20))
    counters = run(timed)
    assert (counters.frames, counters.admitted) == (20, 10)
    assert [decision.label for decision in sink.decisions] == ["cyan"]
    counts = {name: len(times) for name, times in watch.spans.items()}
    steps = {"capture": 20, "gate": 20, "classify": 10, "decision": 10, "sinks": 1}
    assert counts.items() >= steps.items()
    assert counts["frame"] in (19, 20)  # the last one may never be asked beyond
    assert sum(watch.spans["classify"]) <= sum(watch.spans["frame"]) + max(watch.spans["classify"])


def test_decisions_are_those_of_the_untimed_service() -> None:
    timed, plain = Told(), Told()
    run(timed_service(service(AlwaysOpen(), timed), Stopwatch(), RunSettings(frames=9)))
    untimed = service(AlwaysOpen(), plain)
    run(Service(untimed.camera, untimed.parts, limits=RunSettings(frames=9)))
    assert timed.decisions == plain.decisions


def test_what_was_taken_is_not_taken_again() -> None:
    def twice(number: int, *, more: int = 0) -> int:
        return 2 * number + more

    watch = Stopwatch()
    double = watch.timed("double", twice)
    assert (double(3), double(3, more=1)) == (6, 7)
    assert len(watch.taken()["double"]) == 2
    assert watch.taken() == {}
