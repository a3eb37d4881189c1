"""The composition root: from settings to a running service, and back down again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from pi_classifier.cameras import open_camera
from pi_classifier.cascade import Cascade
from pi_classifier.classifier import ModelClassifier, open_classifier
from pi_classifier.config import Settings
from pi_classifier.decision import Smoother
from pi_classifier.errors import SinkError
from pi_classifier.gate import open_gate
from pi_classifier.modelfile import ModelFile
from pi_classifier.pipeline import Counters, LimitedCamera, decisions
from pi_classifier.sinks.jsonl import JsonlSink
from pi_classifier.sinks.log import LogSink
from pi_classifier.sinks.speech import SpeechSink
from pi_classifier.sinks.stdout import StdoutSink
from pi_classifier.types import Camera, Classifier, Frame, Gate, Prediction, Sink

_logger = logging.getLogger(__name__)

_COUNTERS_EVERY_NS = 60_000_000_000
# Enough for any phrase that is not a speech.
_FINISH_S = 5.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Service:
    """Everything the loop needs, open and ready."""

    camera: Camera
    gate: Gate
    classifier: Classifier
    smoother: Smoother
    sinks: tuple[Sink, ...]
    stopped: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """End the frames, and let nothing be said to its end; may be called by any thread."""
        self.stopped.set()
        self.camera.stop()


@contextmanager
def build(settings: Settings) -> Iterator[Service]:
    """Build the service from its settings, in order; on leaving, close in exact reverse,
    the sinks at the same time.

    The model comes first, so that what is wrong with it is said before a device is
    opened. Raises ConfigError, ModelError, CameraError.
    """
    with ExitStack() as stack:
        classifier = stack.enter_context(closing(open_classifier(settings.model)))
        models = list(_model_files(classifier))
        silent = {label for each in models for label in each.information.silent_labels}
        smoother = Smoother(settings.decision, silent)
        gate = open_gate(settings.gate)
        camera = stack.enter_context(closing(open_camera(settings.camera)))
        sinks: list[Sink] = []
        stack.callback(_close_together, sinks)
        for open_sink in _wanted_sinks(settings, camera, models):
            try:
                sinks.append(open_sink())
            except SinkError as error:
                _logger.warning("goes on without: %s", error)
        limited = LimitedCamera(camera, settings.run)
        yield Service(limited, gate, classifier, smoother, tuple(sinks))


def _wanted_sinks(
    settings: Settings, camera: Camera, models: Sequence[ModelFile]
) -> Iterator[Callable[[], Sink]]:
    if settings.stdout.enabled:
        yield lambda: StdoutSink(settings.stdout, on_closed=camera.stop)
    if settings.log.enabled:
        checksums = {each.name: each.sha256 for each in models}
        yield lambda: LogSink(settings.log, model_sha256=checksums)
    if settings.jsonl.path:
        yield lambda: JsonlSink(settings.jsonl)
    if settings.speech.enabled:
        silent = models[0].information.silent_labels
        spoken = [label for label in models[0].labels if label not in silent]
        yield lambda: SpeechSink(settings.speech, labels=spoken)


def _model_files(classifier: Classifier) -> Iterator[ModelFile]:
    """The model files behind a classifier, those of a cascade in the order they are asked."""
    if isinstance(classifier, Cascade):
        for stage in classifier.stages:
            yield from _model_files(stage.classifier)
    elif isinstance(classifier, ModelClassifier):
        yield classifier.model


def _close_together(sinks: Sequence[Sink]) -> None:
    """Close the sinks at the same time, so that all that hang take no longer than one."""
    closers = [threading.Thread(target=sink.close, daemon=True) for sink in sinks]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join()


def watch(service: Service, finish_s: float = _FINISH_S) -> Counters:
    """Send every decision to every sink until the camera ends; returns what was counted.

    When the camera ends by itself, the sinks have `finish_s` to finish what they are at,
    unless the service is stopped. Raises CameraError, InferenceError.
    """
    counters = Counters()
    observe = _Progress(counters)
    for decision in decisions(
        service.camera, service.gate, service.classifier, service.smoother, observe
    ):
        counters.decisions += 1
        counters.labels += decision.label is not None
        for sink in service.sinks:
            sink.emit(decision)
    _let_finish(service, finish_s)
    return counters


def _let_finish(service: Service, finish_s: float) -> None:
    deadline_s = time.monotonic() + finish_s
    while any(sink.busy for sink in service.sinks) and time.monotonic() < deadline_s:
        if service.stopped.wait(_POLL_S):
            return


class _Progress:
    """Counts every frame; logs it at DEBUG, and the counters once a minute of frame time."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._verbose = _logger.isEnabledFor(logging.DEBUG)
        self._due_ns: int | None = None

    def __call__(self, frame: Frame, prediction: Prediction | None) -> None:
        self._counters.observe(frame, prediction)
        if self._verbose:
            _logger.debug("frame %d: %s", frame.sequence, _brief(prediction))
        now_ns = frame.timestamp_ns
        if self._due_ns is None or now_ns >= self._due_ns:
            if self._due_ns is not None:
                _logger.info("%s", str(self._counters))
            self._due_ns = now_ns + _COUNTERS_EVERY_NS


def _brief(prediction: Prediction | None) -> str:
    if prediction is None:
        return "kept out by the gate"
    top = prediction.top
    return (
        f"{top.label} {top.score:.2f} by stage {prediction.stage} "
        f"in {prediction.latency_ns / 1e6:.1f} ms"
    )
