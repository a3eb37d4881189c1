"""The run loop: every frame through the parts, every decision to every sink."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from pi_classifier.cameras.regions import in_regions
from pi_classifier.logs.events import Event, entry
from pi_classifier.pipeline import Observer, decisions
from pi_classifier.service.counters import Counters
from pi_classifier.service.service import Service
from pi_classifier.types import Frame, Prediction

_logger = logging.getLogger(__name__)

_COUNTERS_EVERY_NS = 60_000_000_000
# Enough for any phrase that is not a speech.
_FINISH_S = 5.0
_POLL_S = 0.02


def run(
    service: Service, observe: Observer | None = None, *, finish_s: float = _FINISH_S
) -> Counters:
    """Send every decision to every sink until the camera ends; returns what was counted.

    `observe` is called once per frame. A reload is applied between two frames. When the
    camera ends by itself, the sinks have `finish_s` to finish what they are at, unless
    the service is stopped. Raises CameraError, InferenceError.
    """
    liveness = service.liveness
    progress = _Progress(service, observe)
    frames = service.frames()
    try:
        while True:
            parts = service.parts
            stream = _until_reload(service, frames)
            if parts.regions:
                stream = in_regions(stream, parts.regions)
            for decision in decisions(
                stream, parts.gate, parts.classifier, parts.smoother, progress
            ):
                liveness.decided(decision)
                for sink in parts.sinks:
                    sink.emit(decision)
            if not service.reload_pending:
                break
            service.apply_reload()
    finally:
        service.end_reloads()
    _let_finish(service, finish_s)
    return liveness.counters


def _until_reload(service: Service, frames: Iterator[Frame]) -> Iterator[Frame]:
    """Yield frames until a reload is pending; `frames` can then go on."""
    while not service.reload_pending:
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

    def __init__(self, service: Service, observe: Observer | None) -> None:
        self._liveness = service.liveness
        self._observe = observe
        self._verbose = _logger.isEnabledFor(logging.DEBUG)
        self._due_ns: dict[str, int] = {}  # each camera has its own clock

    def __call__(self, frame: Frame, prediction: Prediction | None) -> None:
        self._liveness.progress(frame, prediction)
        if self._observe is not None:
            self._observe(frame, prediction)
        if self._verbose:
            of = f"{frame.camera}: " if frame.camera else ""
            _logger.debug("%sframe %d: %s", of, frame.sequence, frame_words(prediction))
        now_ns = frame.timestamp_ns
        due_ns = self._due_ns.get(frame.camera)
        if due_ns is None or now_ns >= due_ns:
            if due_ns is not None:
                self._log_counters(frame.camera)
            self._due_ns[frame.camera] = now_ns + _COUNTERS_EVERY_NS

    def _log_counters(self, name: str) -> None:
        camera = self._liveness.cameras.get(name)
        if camera is None:
            _logger.info("%s", str(self._liveness.counters), extra=entry(Event.COUNTERS))
        else:
            extra = entry(Event.COUNTERS, CAMERA=name)
            _logger.info("%s: %s", name, str(camera.counters), extra=extra)


def frame_words(prediction: Prediction | None) -> str:
    """What the log says of one frame at DEBUG."""
    if prediction is None:
        return "kept out by the gate"
    top = prediction.top
    unknown = "unknown, else " if prediction.unknown else ""
    skipped = f" ({prediction.skipped}: no costlier one)" if prediction.skipped else ""
    return (
        f"{unknown}{top.label} {top.score:.2f} by stage {prediction.stage}{skipped} "
        f"in {prediction.latency_ns / 1e6:.1f} ms"
    )
