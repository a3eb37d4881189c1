"""Reload: a changed configuration or model, checked first, then applied between two frames."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial

from pi_classifier.cameras import camera_opener, follows_model, opening_limit_s
from pi_classifier.cameras.recovery import RecoveringCamera
from pi_classifier.config.settings import Settings
from pi_classifier.errors import PiClassifierError
from pi_classifier.inference.classifier import frame_size, model_names
from pi_classifier.logs.events import Event, entry
from pi_classifier.printable import one_line
from pi_classifier.service.build import open_parts
from pi_classifier.service.notifier import ServiceNotifier
from pi_classifier.service.service import PipelineParts, Service

_logger = logging.getLogger(__name__)

# Sections that are read once, at the start.
_AT_START = ("run",)


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
        if not isinstance(service.camera, RecoveringCamera):
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
        try:
            switch_camera = self._camera_switch(settings, new, changed)
        except BaseException:
            new.close(keep=old)
            raise
        self._service.exchange(new, switch_camera)
        self._settings = settings
        self._notifier.fit_watchdog(settings.camera.timeout_s, settings.camera.fps)
        self._log(changed, new)

    def _camera_switch(
        self, settings: Settings, new: PipelineParts, changed: Sequence[str]
    ) -> Callable[[], None] | None:
        """What opens the other camera; None when the one there is will do."""
        size = frame_size(new.classifier)
        fits = size == frame_size(self._service.parts.classifier)
        if "camera" not in changed and (fits or not follows_model(settings.camera)):
            return None
        opener = camera_opener(settings.camera, size)
        return partial(
            self._camera.switch,
            opener,
            settings.camera.recovery_s,
            opening_limit_s(settings.camera),
        )

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
