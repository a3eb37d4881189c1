"""The composition root: the one place where settings become a camera and what its frames meet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial

from pi_classifier.cameras import CameraSettings, camera_opener, opening_limit_s, sets_frame_size
from pi_classifier.cameras.recovery import RecoveringCamera
from pi_classifier.cameras.regions import sizes_asked_for
from pi_classifier.cameras.several import SeveralCameras
from pi_classifier.cameras.stream import limited
from pi_classifier.config.settings import RunSettings, Settings
from pi_classifier.errors import ConfigError, SinkError
from pi_classifier.inference.cascade import Cascade
from pi_classifier.inference.classifier import (
    ModelClassifier,
    frame_size,
    model_files,
    open_classifier,
    silent_labels_of,
)
from pi_classifier.inference.tiles import Tiles, tiled
from pi_classifier.logs.events import Event, entry
from pi_classifier.modelfile.model_file import ModelFile
from pi_classifier.service.camera_recovery_log import CameraRecoveryLog
from pi_classifier.service.liveness import CameraLiveness, Liveness, Waiting
from pi_classifier.service.per_camera import gate_and_smoother
from pi_classifier.service.service import PipelineParts, Service, SinkKey, close_together
from pi_classifier.sinks.jsonl import jsonl_sink
from pi_classifier.sinks.log import LogSink, on_stderr
from pi_classifier.sinks.speech import speech_sink
from pi_classifier.sinks.stdout import stdout_sink
from pi_classifier.suggest import suggestion
from pi_classifier.system.stdio import on_one_terminal
from pi_classifier.types import Classifier, Sink

_logger = logging.getLogger(__name__)

_LOADING_S = 120.0  # a large model from a slow card

OnStop = Callable[[Callable[[], None]], None]
"""Is given what ends the frames, for whoever may want to; such as `StopOnSignal.on_stop`."""


def _never(stop: Callable[[], None]) -> None:
    del stop


@contextmanager
def build(
    settings: Settings,
    *,
    liveness: Liveness | None = None,
    on_stop: OnStop = _never,
    wait_for_camera: bool = False,
    whole_frames: bool = False,
) -> Iterator[Service]:
    """Build the service from its settings, in order; on leaving, close it.

    The model comes first, so that what is wrong with it is said before a device is
    opened; the sinks last, so that nothing speaks of a camera that is not there. With
    `wait_for_camera` a camera that is not there yet is waited for, as after a fault.
    `whole_frames` are of the size the camera is set to, else a camera that can scales
    them to the model's. Raises ConfigError, ModelError, CameraError.
    """
    liveness = liveness or Liveness()
    liveness.waiting("Starting: reads the model", _LOADING_S)
    with ExitStack() as opened:
        classifier = opened.enter_context(closing(open_deciding_classifier(settings)))
        large = whole_frames or settings.regions
        size = None if large else frame_size(classifier)
        camera = opened.enter_context(
            closing(_open_cameras(settings, size, liveness, on_stop, wait=wait_for_camera))
        )
        parts = make_parts(settings, classifier, on_stdout_closed=camera.stop)
        # Of several cameras each has the limits for itself.
        limits = RunSettings() if settings.cameras else settings.run
        service = Service(camera, parts, liveness, limits)
        opened.pop_all()  # from here on the service closes them, and what replaces them
    with closing(service):
        yield service


def open_deciding_classifier(settings: Settings) -> Classifier:
    """Open the model, which must fit how decisions are made. Raises ConfigError, ModelError."""
    classifier = _open_for(settings)
    known = classifier.labels
    named = settings.decision.made_silent
    unknown = next((label for label in named if label not in known), None)
    if unknown is not None:
        classifier.close()
        raise ConfigError(
            f"decision.silent_labels names {unknown!r}, which {classifier.name} does not know."
            f"{suggestion(unknown, known)} 'pi-classifier models' lists its labels"
        )
    deciding = classifier
    try:
        silent = silent_labels_of(classifier).union(named)
        deciding = tiled(classifier, settings.tiles, settings.cascade, silent)
        if isinstance(deciding, Tiles):
            # Here and not at the first frame: a reload is then refused, and ends nothing.
            for camera in filter(sets_frame_size, settings.watched):
                for size in sizes_asked_for(camera, settings.regions):
                    deciding.check(size)
    except ConfigError:
        deciding.close()
        raise
    return deciding


def _open_for(settings: Settings) -> Classifier:
    if not settings.decision.multiple:
        return open_classifier(settings.model)
    if settings.tiles.sizes:
        raise ConfigError(
            "decision.multiple = true: with tiles.sizes the scores are those of the best window, "
            "and one label is in force at a time (all are in the detections); remove one of both"
        )
    # Every label is decided on, also those behind the best few.
    classifier = open_classifier(replace(settings.model, top_k=0))
    if isinstance(classifier, ModelClassifier) and classifier.independent:
        return classifier
    classifier.close()
    if isinstance(classifier, Cascade):
        reason = (
            "is a cascade, which stops at the first model that is sure of its best label and does "
            "not ask the others about the rest; name one model"
        )
    elif isinstance(classifier, ModelClassifier):
        reason = (
            "has scores that share 100 %: when one rises the others fall, and no two labels are "
            "ever sure together; name a model that ends in a sigmoid (one that only lacks it: "
            'model.scores = "independent-logits")'
        )
    else:
        reason = (
            "does not say whether its scores are independent of one another; name a model file"
        )
    raise ConfigError(
        f"decision.multiple = true: {classifier.name} {reason}, or set decision.multiple to false"
    )


def _open_cameras(
    settings: Settings,
    size: tuple[int, int] | None,
    liveness: Liveness,
    on_stop: OnStop,
    *,
    wait: bool,
) -> RecoveringCamera | SeveralCameras:
    """Open the camera, or all those that have names; see `open_camera`."""
    if not settings.cameras:
        return open_camera(settings.camera, size, liveness, on_stop, wait=wait)
    limit = partial(limited, count=settings.run.frames, duration_s=settings.run.duration_s)
    several = SeveralCameras(limit, on_end=lambda name: liveness.cameras[name].ended())
    on_stop(several.stop)
    liveness.cameras = {one.name: liveness.of_camera() for one in settings.cameras}
    try:
        for one in settings.cameras:
            camera = one_of_several(one, size, liveness.cameras[one.name], several)
            several.add(one.name, camera)
            if not wait:
                camera.open()
    except BaseException:
        several.close()
        raise
    liveness.resumed()  # from here on each says what it waits for
    return several


def one_of_several(
    settings: CameraSettings,
    size: tuple[int, int] | None,
    liveness: CameraLiveness,
    several: SeveralCameras,
) -> RecoveringCamera:
    """A camera that is opened at its first frame, and gives up when all others have."""
    return _recovering(
        settings, size, liveness, may_give_up=partial(several.may_give_up, settings.name)
    )


def _recovering(
    settings: CameraSettings,
    size: tuple[int, int] | None,
    liveness: Waiting,
    *,
    may_give_up: Callable[[], bool] = lambda: True,
) -> RecoveringCamera:
    return RecoveringCamera(
        camera_opener(settings, size),
        settings.recovery_s,
        name=settings.name,
        on_step=recovery_log(settings, liveness),
        step_s=opening_limit_s(settings),
        may_give_up=may_give_up,
    )


def recovery_log(settings: CameraSettings, liveness: Waiting) -> CameraRecoveryLog:
    """What tells of a camera's recovery, by the camera's name."""
    known_by = settings.name or settings.shown_source
    return CameraRecoveryLog(known_by, liveness, settings.title)


def open_camera(
    settings: CameraSettings,
    model_size: tuple[int, int] | None = None,
    liveness: Liveness | None = None,
    on_stop: OnStop = _never,
    *,
    wait: bool = False,
) -> RecoveringCamera:
    """Open the camera that the settings name, with its recovery from faults.

    `on_stop` is called before the opening, which may take long. With `wait` the camera
    is opened at its first frame, and waited for. Raises ConfigError, CameraError.
    """
    camera = _recovering(settings, model_size, liveness or Liveness())
    on_stop(camera.stop)
    if not wait:
        try:
            camera.open()
        except BaseException:
            camera.close()
            raise
    return camera


def open_parts(
    settings: Settings, keep: PipelineParts, *, on_stdout_closed: Callable[[], None]
) -> PipelineParts:
    """Open everything but the camera; raises ConfigError, ModelError, and nothing stays open.

    The sinks of `keep` that are made from equal settings are taken over.
    """
    classifier = open_deciding_classifier(settings)
    try:
        return make_parts(settings, classifier, keep, on_stdout_closed=on_stdout_closed)
    except BaseException:
        classifier.close()
        raise


def make_parts(
    settings: Settings,
    classifier: Classifier,
    keep: PipelineParts | None = None,
    *,
    on_stdout_closed: Callable[[], None],
) -> PipelineParts:
    """Make the parts around an open classifier; see `open_parts`. Raises ConfigError."""
    models = list(model_files(classifier))
    silent = silent_labels_of(classifier).union(settings.decision.made_silent)
    spoken = [label for label in classifier.labels if label not in silent]
    gate, smoother = gate_and_smoother(settings, classifier)
    sinks: list[Sink] = []
    keys: list[SinkKey] = []
    with ExitStack() as opened:
        made: list[Sink] = []
        opened.callback(close_together, made)
        for key, open_sink in _wanted_sinks(settings, models, spoken, on_stdout_closed):
            sink = keep.sink_made_from(key) if keep else None
            if sink is None:
                sink = _opened(key, open_sink)
                if sink is None:
                    continue
                made.append(sink)
            sinks.append(sink)
            keys.append(key)
        opened.pop_all()
    return PipelineParts(gate, classifier, smoother, tuple(sinks), tuple(keys), settings.regions)


def _opened(key: SinkKey, open_sink: Callable[[], Sink]) -> Sink | None:
    """The sink; None, and a warning, where it is not to be had: frames need no sink."""
    try:
        return open_sink()
    except SinkError as error:
        failed = entry(Event.SINK_FAILED, SINK=key.name)
        _logger.warning("continues without %s: %s", key.name, error, extra=failed)
        return None


def _wanted_sinks(
    settings: Settings,
    models: Sequence[ModelFile],
    spoken: Sequence[str],
    on_stdout_closed: Callable[[], None],
) -> Iterator[tuple[SinkKey, Callable[[], Sink]]]:
    """Yield for each sink that is switched on what it is made from, and what opens it."""
    # In a terminal the log's line tells more than the label alone, and once is enough.
    told_there = on_stderr(settings.log) and on_one_terminal() and not settings.stdout.json
    if settings.stdout.enabled and not told_there:
        key = SinkKey("stdout", settings.stdout)
        yield key, lambda: stdout_sink(settings.stdout, on_closed=on_stdout_closed)
    if settings.log.enabled:
        checksums = {model.name: model.sha256 for model in models}
        key = SinkKey("log", settings.log, tuple(checksums.values()))
        yield key, lambda: LogSink(settings.log, model_sha256=checksums)
    if settings.jsonl.path:
        yield SinkKey("jsonl", settings.jsonl), lambda: jsonl_sink(settings.jsonl)
    if settings.speech.enabled:
        cameras = [one.name for one in settings.regions or settings.watched]
        key = SinkKey("speech", settings.speech, (*spoken, *cameras))
        yield key, lambda: speech_sink(settings.speech, labels=spoken, cameras=cameras)
