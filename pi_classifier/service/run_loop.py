"""Running a service: every frame through its parts, every decision to every sink."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from pi_classifier.cameras.limited import limited
from pi_classifier.logs.events import Event, entry
from pi_classifier.pipeline import decisions
from pi_classifier.service.build import Service
from pi_classifier.service.counters import Counters
from pi_classifier.service.liveness import Activity
from pi_classifier.types import Frame, Prediction

_logger = logging.getLogger(__name__)

_COUNTERS_EVERY_NS = 60_000_000_000
# Enough for any phrase that is not a speech.
_FINISH_S = 5.0
_POLL_S = 0.02


def watch(service: Service, finish_s: float = _FINISH_S) -> Counters:
    """Send every decision to every sink until the camera ends; returns what was counted.

    A change requested of the service is taken between two frames. When the camera ends
    by itself, the sinks have `finish_s` to finish what they are at, unless the service
    is stopped. Raises CameraError, InferenceError.
    """
    activity = service.activity
    counters = activity.counters
    observe = _Progress(activity)
    limits = service.limits
    frames = limited(service.camera.frames(), limits.frames, limits.duration_s)
    while True:
        parts = service.parts
        stream = _until(service.changing, frames)
        for decision in decisions(stream, parts.gate, parts.classifier, parts.smoother, observe):
            counters.decisions += 1
            counters.labels += decision.label is not None
            activity.decision = decision
            for sink in parts.sinks:
                sink.emit(decision)
        if not service.changing.is_set():
            break
        service.take_change()
    _let_finish(service, finish_s)
    return counters


def _until(ended: threading.Event, frames: Iterator[Frame]) -> Iterator[Frame]:
    """Yield frames until `ended`, looked at between two of them; `frames` can then go on."""
    while not ended.is_set():
        frame = next(frames, None)
        if frame is None:
            return
        yield frame


def _let_finish(service: Service, finish_s: float) -> None:
    deadline_s = time.monotonic() + finish_s
    while any(sink.busy for sink in service.parts.sinks) and time.monotonic() < deadline_s:
        if service.stopped.wait(_POLL_S):
            return


class _Progress:
    """Counts every frame; logs it at DEBUG, and the counters once a minute of frame time."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._counters = activity.counters
        self._verbose = _logger.isEnabledFor(logging.DEBUG)
        self._waiting = True
        self._due_ns: int | None = None

    def __call__(self, frame: Frame, prediction: Prediction | None) -> None:
        self._counters.observe(frame, prediction)
        if self._waiting and prediction is not None:
            self._waiting = False
            self._activity.first_classified()
        if self._verbose:
            _logger.debug("frame %d: %s", frame.sequence, _brief(prediction))
        now_ns = frame.timestamp_ns
        if self._due_ns is None or now_ns >= self._due_ns:
            if self._due_ns is not None:
                _logger.info("%s", str(self._counters), extra=entry(Event.COUNTERS))
            self._due_ns = now_ns + _COUNTERS_EVERY_NS


def _brief(prediction: Prediction | None) -> str:
    if prediction is None:
        return "kept out by the gate"
    top = prediction.top
    return (
        f"{top.label} {top.score:.2f} by stage {prediction.stage} "
        f"in {prediction.latency_ns / 1e6:.1f} ms"
    )
