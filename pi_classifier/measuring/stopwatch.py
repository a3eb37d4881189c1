"""Times what the steps of a frame take while the service's own loop runs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar, cast

from pi_classifier.config.settings import RunSettings
from pi_classifier.inference.cascade import Cascade
from pi_classifier.inference.classifier import ModelClassifier
from pi_classifier.inference.tiles import Tiles
from pi_classifier.service.service import PipelineParts, Service
from pi_classifier.types import Camera, Classifier, Frame

T = TypeVar("T")
Call = TypeVar("Call", bound=Callable[..., Any])

CAPTURE, GATE, CLASSIFY = "capture", "gate", "classify"
DECISION, SINKS, FRAME = "decision", "sinks", "frame"


class Stopwatch:
    """Nanoseconds of every run of a step, by the step's name, in the order of their first."""

    def __init__(self) -> None:
        self.spans: dict[str, list[int]] = {}

    def timed(self, name: str, call: Call) -> Call:
        """`call`, whose every run is timed."""

        def run(*arguments: Any, **options: Any) -> Any:
            begin_ns = time.perf_counter_ns()
            result = call(*arguments, **options)
            self.add(name, time.perf_counter_ns() - begin_ns)
            return result

        return cast("Call", run)

    def add(self, name: str, nanoseconds: int) -> None:
        """Note one run."""
        self.spans.setdefault(name, []).append(nanoseconds)

    def taken(self) -> dict[str, list[int]]:
        """What was noted since the last time this was asked."""
        spans, self.spans = self.spans, {}
        return spans


def timed_service(service: Service, watch: Stopwatch, limits: RunSettings) -> Service:
    """The service with every step timed, until `limits`; it is closed where the one given is.

    The steps inside its models are timed from now on in the one given, too.
    """
    _watch_models(service.parts.classifier, watch)
    camera = cast("Camera", _TimedCamera(service.camera, watch))
    return Service(camera, timed_parts(service.parts, watch), service.liveness, limits)


def timed_parts(parts: PipelineParts, watch: Stopwatch) -> PipelineParts:
    """The parts of the pipeline with every step timed."""
    return PipelineParts(
        _with(parts.gate, admits=watch.timed(GATE, parts.gate.admits)),
        _with(parts.classifier, classify=watch.timed(CLASSIFY, parts.classifier.classify)),
        _with(parts.smoother, update=watch.timed(DECISION, parts.smoother.update)),
        tuple(_with(sink, emit=watch.timed(SINKS, sink.emit)) for sink in parts.sinks),
    )


def _watch_models(classifier: Classifier, watch: Stopwatch) -> None:
    if isinstance(classifier, Cascade | Tiles):
        for part in classifier.classifiers:
            _watch_models(part, watch)
    elif isinstance(classifier, ModelClassifier):
        classifier.watch_steps(partial(_named, watch, classifier.name))


def _named(watch: Stopwatch, model: str, step: str, call: Call) -> Call:
    return watch.timed(f"{model}: {step}", call)


class _TimedCamera:
    """A camera; notes how long each frame was waited for, and how long it was worked on."""

    def __init__(self, camera: Camera, watch: Stopwatch) -> None:
        self._camera, self._watch = camera, watch
        self.stop, self.close = camera.stop, camera.close

    def frames(self) -> Iterator[Frame]:
        source = self._camera.frames()
        while True:
            asked_ns = time.perf_counter_ns()
            frame = next(source, None)
            if frame is None:
                return
            given_ns = time.perf_counter_ns()
            self._watch.add(CAPTURE, given_ns - asked_ns)
            yield frame
            self._watch.add(FRAME, time.perf_counter_ns() - given_ns)


def _with(part: T, **methods: Callable[..., Any]) -> T:
    """A part in which some methods are others."""
    return cast("T", _Replaced(part, methods))


class _Replaced:
    def __init__(self, part: object, methods: dict[str, Callable[..., Any]]) -> None:
        self._part = part
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)
