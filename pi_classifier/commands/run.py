"""`pi-classifier run`: watch through the camera and tell what it sees."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from pi_classifier.service.signals import StopOnSignal

# The rest is imported once signals are caught: that takes longer than anything else here.
if TYPE_CHECKING:
    from pi_classifier.config.reading import Layer, Settings
    from pi_classifier.service.counters import Counters
    from pi_classifier.service.notifier import Supervisor

_logger = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> int:
    """Run until the camera ends or a signal comes; raises PiClassifierError."""
    started_s = time.monotonic()
    # What every thread is doing, for whoever finds it stuck: kill -USR1, and when the
    # service manager ends a hang.
    faulthandler.register(signal.SIGUSR1)
    faulthandler.enable()
    if os.environ.get("NOTIFY_SOCKET"):
        return _serve(arguments)
    with StopOnSignal() as signals:
        counters = _watch(arguments, signals, None)
    if arguments.summary:
        from pi_classifier.logs.handlers import print_to_stderr

        print_to_stderr(summary(counters, time.monotonic() - started_s))
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    """Run as a service of systemd; what goes wrong is its last status, and in its log."""
    with StopOnSignal(reloads=True) as signals:
        from pi_classifier.errors import PiClassifierError
        from pi_classifier.logs.handlers import log_end, setup_logging
        from pi_classifier.service.liveness import Activity
        from pi_classifier.service.notifier import Supervisor
        from pi_classifier.system.systemd import notifier, watchdog_s

        setup_logging()  # for errors in the configuration that says how to log
        notify, activity = notifier(), Activity()
        with Supervisor(notify, activity, watchdog_s()) as supervisor:
            try:
                counters = _watch(arguments, signals, supervisor)
            except (PiClassifierError, OSError) as error:
                code = log_end(error)
                supervisor.stopping(str(error))
                return code
            supervisor.stopping(f"Ended: {counters}")
    return 0


def _watch(
    arguments: argparse.Namespace, signals: StopOnSignal, supervisor: Supervisor | None
) -> Counters:
    from pi_classifier.cameras.video.addresses import masked
    from pi_classifier.config.reading import read_configuration
    from pi_classifier.inference.classifier import model_names
    from pi_classifier.logs.events import Event, entry
    from pi_classifier.logs.handlers import setup_logging
    from pi_classifier.service.build import build
    from pi_classifier.service.run_loop import watch
    from pi_classifier.service.state_lock import hold_state_folder, state_folder

    def read() -> Settings:
        return read_configuration(arguments.config, arguments.set, _shorthands(arguments)).settings

    setup_logging("debug" if arguments.debug else "info")  # until the settings are known
    settings = read()
    setup_logging(settings.run.log_level)
    activity = None if supervisor is None else supervisor.activity
    with (
        hold_state_folder(state_folder(settings.run.state_dir)),
        build(settings, activity=activity, patient=supervisor is not None) as service,
        ExitStack() as stack,
    ):
        if supervisor is not None:
            from pi_classifier.service.reload import Reloader

            supervisor.grant(settings.camera.timeout_s, settings.camera.fps)
            reloader = Reloader(service, settings, read, supervisor)
            stack.enter_context(closing(reloader))
            signals.on_reload(reloader.ask)
        signals.on_stop(service.stop)
        _logger.info(
            "%s sees through %s",
            model_names(service.parts.classifier),
            masked(settings.camera.source),
            extra=entry(Event.STARTED, CAMERA=masked(settings.camera.source)),
        )
        counters = watch(service)
        if supervisor is not None and signals.received is not None:
            _logger.info("stopping, as asked", extra=entry(Event.STOPPING))
            supervisor.stopping("Stopping, as asked")
        _logger.info("ends: %s", counters, extra=entry(Event.ENDED))
    return counters


def summary(counters: Counters, elapsed_s: float) -> str:
    """The two lines that say how it went."""
    nothing = counters.decisions - counters.labels
    return (
        f"{counters.frames} frames, {counters.decisions} decisions "
        f"({counters.labels} for a label, {nothing} for nothing) in {elapsed_s:.1f} s\n"
        f"{counters.first_stage_share:.0%} answered by the first stage, "
        f"{counters.ms_per_frame:.1f} ms per frame"
    )


def _shorthands(arguments: argparse.Namespace) -> Iterator[Layer]:
    from pi_classifier.commands.camera_options import camera_layers
    from pi_classifier.commands.options import model_layers
    from pi_classifier.config.reading import Layer

    yield from model_layers(arguments)
    yield from camera_layers(arguments)
    for option, section, key, value in (
        ("--debug", "run", "log_level", "debug" if arguments.debug else None),
        ("--json", "stdout", "json", arguments.json or None),
        ("--no-speech", "speech", "enabled", False if arguments.no_speech else None),
    ):
        if value is not None:
            yield Layer(option, {section: {key: value}})
