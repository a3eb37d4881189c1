"""Reload: a changed configuration or model, checked first, then applied between two frames."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import fields
from functools import partial

from pi_classifier.cameras import (
    CameraSettings,
    camera_opener,
    device_of,
    follows_model,
    opening_limit_s,
)
from pi_classifier.cameras.recovery import RecoveringCamera
from pi_classifier.cameras.several import SeveralCameras
from pi_classifier.config.settings import Settings
from pi_classifier.errors import ConfigError, PiClassifierError
from pi_classifier.inference.classifier import model_names
from pi_classifier.logs.events import Event, entry
from pi_classifier.printable import one_line
from pi_classifier.service.build import one_of_several, open_parts, recovery_log
from pi_classifier.service.notifier import ServiceNotifier
from pi_classifier.service.service import PipelineParts, Service

_logger = logging.getLogger(__name__)

# Sections that are read once, at the start.
_AT_START = ("run",)
_RESTART = (
    "{}: whether there are several cameras is read at the start only: "
    "sudo systemctl restart pi-classifier"
)


class Reloader:
    """Puts a changed configuration into force, on a thread of its own, one at a time.

    `read` returns the settings as they are on disk now. Everything that can go wrong goes
    wrong before the running service is touched: on any error it stays as it is.
    """

    def __init__(
        self,
        service: Service,
        settings: Settings,
        read: Callable[[], Settings],
        notifier: ServiceNotifier,
    ) -> None:
        self._service = service
        if not isinstance(service.camera, RecoveringCamera | SeveralCameras):
            raise TypeError("a service whose camera cannot be switched cannot be reloaded")
        self._camera = service.camera
        self._settings = settings
        self._read = read
        self._notifier = notifier
        self._asked = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Reload soon; further calls until it begins are the same reload."""
        self._asked.set()

    def close(self) -> None:
        """End the thread, when it is not in the middle of a reload."""
        self._ended.set()
        self._asked.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._ended.is_set():
                return
            self.reload()

    def reload(self) -> None:
        """Reload now; logs what came of it."""
        self._notifier.reloading()
        problem = ""
        try:
            self._apply(self._read())
        except (PiClassifierError, OSError) as error:
            problem = str(error)
        except Exception as error:
            _logger.exception("this should not have happened:", extra=entry(Event.FAULT))
            problem = f"a fault of pi-classifier itself: {error}"
        if problem:
            _logger.error(
                "the changed configuration is refused, the old one stays in force: %s",
                one_line(problem),
                extra=entry(Event.RELOAD_REFUSED),
            )
        self._notifier.reloaded(problem)

    def _apply(self, settings: Settings) -> None:
        changed = [
            section.name
            for section in fields(Settings)
            if getattr(settings, section.name) != getattr(self._settings, section.name)
        ]
        old = self._service.parts
        new = open_parts(settings, old, on_stdout_closed=self._camera.stop)
        with ExitStack() as opened:
            try:
                switch_camera = self._camera_switch(settings, new, opened)
            except BaseException:
                new.close(keep=old)
                raise
            self._service.exchange(new, switch_camera)
            opened.pop_all()
        self._settings = settings
        self._notifier.fit_watchdog(settings.slowest.timeout_s, settings.slowest.fps)
        self._log(changed, new)

    def _camera_switch(
        self, settings: Settings, new: PipelineParts, opened: ExitStack
    ) -> Callable[[], None] | None:
        """What goes over to other cameras; None when those that are there will do.

        What is opened already is closed by `opened`, if it comes to nothing.
        """
        size = new.frame_size
        fits = size == self._service.parts.frame_size
        before = {camera.name: camera for camera in self._settings.watched}
        changed = [
            camera
            for camera in settings.watched
            if before.get(camera.name) != camera or not (fits or not follows_model(camera))
        ]
        if isinstance(self._camera, SeveralCameras):
            if not settings.cameras:
                raise ConfigError(_RESTART.format("no [[cameras]] are left"))
            return self._exchange(self._camera, settings, changed, size, opened)
        if settings.cameras:
            raise ConfigError(_RESTART.format("[[cameras]] have come"))
        if not changed:
            return None
        camera = settings.camera
        return partial(
            self._camera.switch,
            camera_opener(camera, size),
            camera.recovery_s,
            opening_limit_s(camera),
            name=camera.name,
            on_step=recovery_log(camera, self._service.liveness),
        )

    def _exchange(
        self,
        several: SeveralCameras,
        settings: Settings,
        changed: Sequence[CameraSettings],
        size: tuple[int, int] | None,
        opened: ExitStack,
    ) -> Callable[[], None] | None:
        """What puts those that changed in the place of what was there, and lets others go.

        They are opened now, but for those whose device one that leaves still holds.
        """
        liveness = self._service.liveness
        kept = {camera.name for camera in settings.cameras} - {camera.name for camera in changed}
        leaving = {camera.name for camera in self._settings.cameras} - kept
        if not changed and not leaving:
            return None
        watched = {camera.name: liveness.of_camera() for camera in changed}
        joining = {
            camera.name: one_of_several(camera, size, watched[camera.name], several)
            for camera in changed
        }
        held = {_held(camera) for camera in self._settings.cameras if camera.name in leaving}
        for camera in changed:
            opened.callback(joining[camera.name].close)
            if _held(camera) not in held:
                joining[camera.name].open()

        def exchange() -> None:
            several.exchange(leaving, joining)
            liveness.cameras = {
                camera.name: watched.get(camera.name) or liveness.cameras[camera.name]
                for camera in settings.cameras
            }

        return exchange

    def _log(self, changed: Sequence[str], new: PipelineParts) -> None:
        what = ", ".join(f"[{name}]" for name in changed) or "no setting"
        _logger.info(
            "reloaded: %s changed; %s decides",
            what,
            model_names(new.classifier),
            extra=entry(Event.RELOADED, CHANGED=" ".join(changed)),
        )
        late = [name for name in changed if name in _AT_START]
        if late:
            _logger.warning(
                "[%s] is read at the start only: sudo systemctl restart pi-classifier", late[0]
            )


def _held(camera: CameraSettings) -> str:
    """What no other camera can open while this one has it."""
    return device_of(camera) or camera.source
