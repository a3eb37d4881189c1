"""The composition root: from settings to a running service, changed while it runs, and down."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from pi_classifier.cameras import camera_opener, opening_limit_s
from pi_classifier.cameras.recovery import RecoveringCamera
from pi_classifier.cameras.video.addresses import masked
from pi_classifier.config.reading import Settings
from pi_classifier.config.run_settings import RunSettings
from pi_classifier.decision import Smoother
from pi_classifier.errors import SinkError
from pi_classifier.gate import open_gate
from pi_classifier.inference.classifier import frame_size, model_files, open_classifier
from pi_classifier.logs.events import Event, entry
from pi_classifier.modelfile.model_file import ModelFile
from pi_classifier.service.camera_recovery_log import CameraSteps
from pi_classifier.service.liveness import Activity
from pi_classifier.sinks.jsonl import JsonlSink
from pi_classifier.sinks.log import LogSink
from pi_classifier.sinks.speech import SpeechSink
from pi_classifier.sinks.stdout import StdoutSink
from pi_classifier.types import Camera, Classifier, Gate, Sink

_logger = logging.getLogger(__name__)

_LOADING_S = 120.0  # a large model from a slow card


@dataclass(frozen=True, slots=True)
class Parts:
    """What a frame goes through once the camera has it; replaced whole between two frames.

    `made_from` names for each sink the values it was made from: a sink made from the
    same ones is kept when the configuration changes.
    """

    gate: Gate
    classifier: Classifier
    smoother: Smoother
    sinks: tuple[Sink, ...] = ()
    made_from: tuple[object, ...] = ()


@dataclass(eq=False, slots=True)
class Change:
    """Other parts, and another camera if there is to be one, for the frame thread to take."""

    parts: Parts
    switch_camera: Callable[[], None] | None = None
    taken: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None


class Service:
    """A camera and the parts its frames go through, open and ready."""

    def __init__(
        self,
        camera: Camera,
        parts: Parts,
        activity: Activity | None = None,
        limits: RunSettings | None = None,
    ) -> None:
        self.camera = camera
        self.parts = parts
        self.activity = activity or Activity()
        self.limits = limits or RunSettings()
        self.stopped = threading.Event()
        self.changing = threading.Event()
        self._change: Change | None = None
        self._lock = threading.Lock()  # around `_change`

    def stop(self) -> None:
        """End the frames, and let nothing be said to its end; may be called by any thread."""
        self.stopped.set()
        self.camera.stop()

    def request(self, change: Change) -> None:
        """Have the frame thread take a change between two frames; `change.taken` tells when."""
        with self._lock:
            self._change = change
        self.changing.set()

    def withdraw(self, change: Change) -> bool:
        """Take a request back; False when the frame thread already has it."""
        with self._lock:
            waits = self._change is change
            self._change = None if waits else self._change
        return waits

    def take_change(self) -> None:
        """Replace the parts by those requested; for the frame thread, between two frames."""
        self.changing.clear()
        with self._lock:
            change, self._change = self._change, None
        if change is None:
            return
        try:
            if change.switch_camera is not None:
                try:
                    change.switch_camera()
                finally:
                    self.activity.flowing()
            change.parts.smoother.go_on_from(self.parts.smoother)
            self.parts = change.parts
        except Exception as error:  # noqa: BLE001  whoever asked for the change is told
            change.error = error
        change.taken.set()


@contextmanager
def build(
    settings: Settings, *, activity: Activity | None = None, patient: bool = False
) -> Iterator[Service]:
    """Build the service from its settings, in order; on leaving, close in exact reverse,
    the sinks at the same time.

    The model comes first, so that what is wrong with it is said before a device is
    opened. A `patient` service waits for a camera that is not there yet, as after a fault.
    Raises ConfigError, ModelError, CameraError.
    """
    activity = activity or Activity()
    activity.busy("Starting: reads the model", _LOADING_S)
    service: Service | None = None
    classifier = open_classifier(settings.model)

    # What is closed is what is in force then: a reload replaces the parts.
    def close_classifier() -> None:
        (service.parts.classifier if service else classifier).close()

    def close_sinks() -> None:
        close_together((service.parts if service else parts).sinks)

    with ExitStack() as stack:
        stack.callback(close_classifier)
        opener = camera_opener(settings.camera, frame_size(classifier))
        camera = RecoveringCamera(
            opener,
            settings.camera.recovery_s,
            on_step=CameraSteps(masked(settings.camera.source), activity),
            step_s=opening_limit_s(settings.camera),
        )
        stack.enter_context(closing(camera))
        if not patient:
            camera.open()
        parts = make_parts(settings, classifier, on_stdout_closed=camera.stop)
        stack.callback(close_sinks)
        service = Service(camera, parts, activity, settings.run)
        yield service


def open_parts(
    settings: Settings, keep: Parts | None = None, *, on_stdout_closed: Callable[[], None]
) -> Parts:
    """Open everything but the camera; raises ConfigError, ModelError, and nothing stays open.

    The sinks of `keep` that are made from the same values are taken over.
    """
    classifier = open_classifier(settings.model)
    try:
        return make_parts(settings, classifier, keep, on_stdout_closed=on_stdout_closed)
    except BaseException:
        classifier.close()
        raise


def make_parts(
    settings: Settings,
    classifier: Classifier,
    keep: Parts | None = None,
    *,
    on_stdout_closed: Callable[[], None],
) -> Parts:
    """Make the parts around an open classifier; see `open_parts`. Raises ConfigError."""
    models = list(model_files(classifier))
    silent = {label for each in models for label in each.manifest.silent_labels}
    smoother = Smoother(settings.decision, silent)
    gate = open_gate(settings.gate)
    kept = dict(zip(keep.made_from, keep.sinks, strict=True)) if keep else {}
    sinks: dict[object, Sink] = {}
    with ExitStack() as stack:
        opened: list[Sink] = []
        stack.callback(close_together, opened)
        spoken = [label for label in classifier.labels if label not in silent]
        for made_from, open_sink in _wanted_sinks(settings, models, spoken, on_stdout_closed):
            if made_from in kept:
                sinks[made_from] = kept[made_from]
                continue
            try:
                opened.append(open_sink())
            except SinkError as error:
                _logger.warning(
                    "goes on without: %s", error, extra=entry(Event.SINK_FAILED, SINK=made_from[0])
                )
            else:
                sinks[made_from] = opened[-1]
        stack.pop_all()
    return Parts(gate, classifier, smoother, tuple(sinks.values()), tuple(sinks))


_MadeFrom = tuple[str, str, tuple[str, ...]]
"""The sink's name, its settings, and what else it was made from."""


def _wanted_sinks(
    settings: Settings,
    models: Sequence[ModelFile],
    spoken: Sequence[str],
    on_stdout_closed: Callable[[], None],
) -> Iterator[tuple[_MadeFrom, Callable[[], Sink]]]:
    if settings.stdout.enabled:
        yield (
            ("stdout", repr(settings.stdout), ()),
            lambda: StdoutSink(settings.stdout, on_closed=on_stdout_closed),
        )
    if settings.log.enabled:
        checksums = {each.name: each.sha256 for each in models}
        yield (
            ("log", repr(settings.log), tuple(checksums.values())),
            lambda: LogSink(settings.log, model_sha256=checksums),
        )
    if settings.jsonl.path:
        yield ("jsonl", repr(settings.jsonl), ()), lambda: JsonlSink(settings.jsonl)
    if settings.speech.enabled:
        yield (
            ("speech", repr(settings.speech), tuple(spoken)),
            lambda: SpeechSink(settings.speech, labels=spoken),
        )


def close_parts(parts: Parts, keep: Parts | None = None) -> None:
    """Close the sinks, at the same time, and the classifier; not the sinks `keep` has too."""
    kept = keep.sinks if keep else ()
    close_together([sink for sink in parts.sinks if sink not in kept])
    parts.classifier.close()


def close_together(sinks: Sequence[Sink]) -> None:
    """Close the sinks at the same time, so that all that hang take no longer than one."""
    closers = [threading.Thread(target=sink.close, daemon=True) for sink in sinks]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join()
