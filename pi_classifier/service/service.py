"""A running service: the camera, the parts its frames go through, and how these are exchanged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pi_classifier.cameras.regions import RegionSettings
from pi_classifier.cameras.stream import limited
from pi_classifier.config.settings import RunSettings
from pi_classifier.errors import PiClassifierError
from pi_classifier.inference.classifier import frame_size
from pi_classifier.pipeline import Smooths
from pi_classifier.service.liveness import Liveness
from pi_classifier.types import Camera, Classifier, Frame, Gate, Sink


@dataclass(frozen=True, slots=True)
class SinkKey:
    """What a sink was made from: a sink with an equal key need not be made anew.

    `settings` is the sink's settings dataclass, `inputs` what it got besides, such as
    the labels of the model.
    """

    name: str
    settings: object
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PipelineParts:
    """What a frame goes through once the camera has it; replaced whole between two frames.

    `sink_keys` says for each of `sinks` what it was made from; `regions` are the parts of the
    picture that are looked at one by one, none for the whole.
    """

    gate: Gate
    classifier: Classifier
    smoother: Smooths
    sinks: tuple[Sink, ...] = ()
    sink_keys: tuple[SinkKey, ...] = ()
    regions: tuple[RegionSettings, ...] = ()

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """The size of frames that is enough, in pixels; None where large ones are needed."""
        return None if self.regions else frame_size(self.classifier)

    def sink_made_from(self, key: SinkKey) -> Sink | None:
        """The sink that was made from equal settings, or None."""
        return next(
            (sink for made, sink in zip(self.sink_keys, self.sinks, strict=True) if made == key),
            None,
        )

    def close(self, keep: PipelineParts | None = None) -> None:
        """Close the sinks, at the same time, and the classifier; not the sinks `keep` has too."""
        kept = keep.sinks if keep else ()
        close_together([sink for sink in self.sinks if sink not in kept])
        self.classifier.close()


@dataclass(eq=False, slots=True)
class PendingReload:
    """Other parts, and another camera if there is to be one, for the frame thread to apply."""

    parts: PipelineParts
    switch_camera: Callable[[], None] | None = None
    applied: bool = False
    error: Exception | None = None


class Service:
    """A camera and the parts its frames go through, open and ready; closing it closes them.

    One thread reads `frames` and calls `apply_reload` between two of them; the other
    methods may be called from any thread.
    """

    def __init__(
        self,
        camera: Camera,
        parts: PipelineParts,
        liveness: Liveness | None = None,
        limits: RunSettings | None = None,
    ) -> None:
        self.camera = camera
        self.parts = parts
        self.liveness = liveness or Liveness()
        self.stopped = threading.Event()
        self._limits = limits or RunSettings()
        self._pending: PendingReload | None = None
        self._over = False
        self.liveness.counters.losses.count(parts.sinks)
        self._condition = threading.Condition()  # around the three above

    def frames(self) -> Iterator[Frame]:
        """Yield the camera's frames, as many as the limits of the run allow."""
        return limited(self.camera.frames(), self._limits.frames, self._limits.duration_s)

    def stop(self) -> None:
        """End the frames at once: a phrase that is being said is cut off."""
        self.stopped.set()
        self.camera.stop()
        self.end_reloads()

    def close(self) -> None:
        """Close the sinks first, then the camera, then the models."""
        self.end_reloads()
        close_together(self.parts.sinks)
        self.camera.close()
        self.parts.classifier.close()

    @property
    def reload_pending(self) -> bool:
        """Whether `apply_reload` has something to do."""
        return self._pending is not None

    def exchange(
        self, parts: PipelineParts, switch_camera: Callable[[], None] | None = None
    ) -> None:
        """Have the frame thread go on with other parts, and close the old ones.

        Waits until that has happened between two frames. `switch_camera` is called
        there as well, before. Raises what it raises, and `PiClassifierError` when the
        service ends first; then the old parts stay in force and the others are closed.
        """
        old = self.parts
        try:
            self._wait_applied(PendingReload(parts, switch_camera))
        except BaseException:
            parts.close(keep=old)
            raise
        old.close(keep=parts)
        self.liveness.counters.losses.count(parts.sinks)

    def _wait_applied(self, reload: PendingReload) -> None:
        with self._condition:
            self._pending = reload
            self._condition.wait_for(
                lambda: reload.applied or (self._over and self._pending is reload)
            )
            if not reload.applied:
                self._pending = None
                raise PiClassifierError("the service was stopped meanwhile")
        if reload.error is not None:
            raise reload.error

    def apply_reload(self) -> None:
        """Replace the parts by those of `exchange`; for the frame thread, between two frames."""
        with self._condition:
            reload, self._pending = self._pending, None
        if reload is None:
            return
        try:
            self._apply(reload)
        except Exception as error:  # noqa: BLE001  raised where the exchange was asked for
            reload.error = error
        with self._condition:
            reload.applied = True
            self._condition.notify_all()

    def _apply(self, reload: PendingReload) -> None:
        if reload.switch_camera is not None:
            try:
                reload.switch_camera()
            finally:
                self.liveness.resumed()
        reload.parts.smoother.resume_from(self.parts.smoother)
        self.parts = reload.parts

    def end_reloads(self) -> None:
        """Refuse reloads from now on, the one that waits included: no frame will come."""
        with self._condition:
            self._over = True
            self._condition.notify_all()


def close_together(sinks: Sequence[Sink]) -> None:
    """Close the sinks at the same time, so that all that hang take no longer than one."""
    closers = [threading.Thread(target=sink.close, daemon=True) for sink in sinks]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join()
