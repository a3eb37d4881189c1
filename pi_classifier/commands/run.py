"""`pi-classifier run`: watch through the camera and tell what it sees."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import signal
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pi_classifier.service.signals import StopOnSignal
from pi_classifier.setting import setting
from pi_classifier.system.stdio import crash_report

# The rest is imported once signals are caught: that takes longer than anything else here.
if TYPE_CHECKING:
    from pi_classifier.commands.options import Shared
    from pi_classifier.commands.parser import Parser
    from pi_classifier.config.settings import Settings
    from pi_classifier.service.counters import Counters
    from pi_classifier.service.notifier import ServiceNotifier
    from pi_classifier.service.service import Service

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The command's own options."""

    summary: bool = setting(False, "print at the end, on stderr, what was counted")


def add_arguments(command: Parser) -> None:
    """Add the command's arguments."""
    from pi_classifier.commands.options import add_setting_options
    from pi_classifier.config.options import add_options

    add_setting_options(command, *_shared())
    add_options(command, RunOptions)


def _shared() -> tuple[Shared, ...]:
    from pi_classifier.commands.options import CAMERA, MODEL

    return MODEL, CAMERA, {"stdout": ("json",), "speech": ("enabled",)}


def main(arguments: argparse.Namespace) -> int:
    """Run until the camera ends or a signal comes; raises PiClassifierError."""
    started_s = time.monotonic()
    # What every thread is doing, for whoever finds it stuck: kill -USR1, and when the
    # service manager ends a hang.
    faulthandler.register(signal.SIGUSR1, file=crash_report())
    if os.environ.get("NOTIFY_SOCKET"):
        return _serve(arguments)
    with StopOnSignal() as signals:
        counters = _run(arguments, signals, None)
    from pi_classifier.config.options import read_options

    if read_options(arguments, RunOptions).summary:
        from pi_classifier.logs.handlers import print_to_stderr

        print_to_stderr(summary(counters, time.monotonic() - started_s))
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    """Run as a service of systemd; what goes wrong is its last status, and in its log."""
    with StopOnSignal(reloads=True) as signals:
        from pi_classifier.errors import PiClassifierError
        from pi_classifier.logs.handlers import log_end, setup_logging
        from pi_classifier.service.liveness import Liveness
        from pi_classifier.service.notifier import ServiceNotifier
        from pi_classifier.system.systemd import notifier, watchdog_s

        setup_logging()  # for errors in the configuration that says how to log
        with ServiceNotifier(notifier(), Liveness(), watchdog_s()) as manager:
            try:
                counters = _run(arguments, signals, manager)
            except (PiClassifierError, OSError) as error:
                code = log_end(error)
                manager.stopping(str(error))
                return code
            manager.stopping(f"Ended: {counters}")
    return 0


def _run(
    arguments: argparse.Namespace, signals: StopOnSignal, manager: ServiceNotifier | None
) -> Counters:
    """Build the service and run it to its end; `manager` is there under systemd."""
    from pi_classifier.logs.events import Event, entry
    from pi_classifier.logs.handlers import setup_logging
    from pi_classifier.service.build import build
    from pi_classifier.service.run_loop import run
    from pi_classifier.service.state_lock import hold_state_folder, state_folder

    settings = _settings(arguments)
    setup_logging(settings.run.log_level)
    with (
        hold_state_folder(state_folder(settings.run.state_dir)),
        build(
            settings,
            liveness=None if manager is None else manager.liveness,
            on_stop=signals.on_stop,
            wait_for_camera=manager is not None,
        ) as service,
        ExitStack() as stack,
    ):
        if manager is not None:
            from pi_classifier.service.reload import Reloader

            manager.fit_watchdog(settings.slowest.timeout_s, settings.slowest.fps)
            read = partial(_settings, arguments)
            reloader = stack.enter_context(closing(Reloader(service, settings, read, manager)))
            signals.on_reload(reloader.ask)
        signals.on_stop(service.stop)
        _log_start(settings, service)
        counters = run(service)
        if manager is not None and signals.received is not None:
            _logger.info("stopping, as asked", extra=entry(Event.STOPPING))
            manager.stopping("Stopping, as asked")
        for name, camera in service.liveness.cameras.items():
            _logger.info("%s: %s", name, camera.counters, extra=entry(Event.COUNTERS, CAMERA=name))
        _logger.info("ended: %s", counters, extra=entry(Event.ENDED))
    return counters


def _settings(arguments: argparse.Namespace) -> Settings:
    """The effective settings as they are on disk now; raises ConfigError."""
    from pi_classifier.commands.options import effective
    from pi_classifier.config.reading import Layer

    debug = [Layer("--debug", {"run": {"log_level": "debug"}})] if arguments.debug else []
    return effective(arguments, *_shared(), defaults=debug).settings


def _log_start(settings: Settings, service: Service) -> None:
    from pi_classifier.inference.classifier import model_names
    from pi_classifier.logs.events import Event, entry

    names = model_names(service.parts.classifier)
    source = ", ".join(camera.shown for camera in settings.watched)
    started = entry(Event.STARTED, CAMERA=source)
    _logger.info("watching %s with the model %s", source, names, extra=started)


def summary(counters: Counters, elapsed_s: float) -> str:
    """Two lines that say what was counted, and a third where something was not delivered."""
    nothing = counters.decisions - counters.labels
    losses = str(counters.losses)
    return (
        f"{counters.frames} frames, {counters.decisions} decisions "
        f"({counters.labels} for a label, {nothing} for nothing) in {elapsed_s:.1f} s\n"
        f"{counters.first_stage_share:.0%} answered by the first stage, "
        f"{counters.ms_per_frame:.1f} ms per frame" + (f"\n{losses}" if losses else "")
    )
