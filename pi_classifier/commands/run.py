"""`pi-classifier run`: watch through the camera and tell what it sees."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import signal
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pi_classifier.signals import StopOnSignal

# The rest is imported once signals are caught: that takes longer than anything else here.
if TYPE_CHECKING:
    from pi_classifier.config import Layer
    from pi_classifier.pipeline import Counters

_logger = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> int:
    """Run until the camera ends or a signal comes; raises PiClassifierError."""
    started_s = time.monotonic()
    # what every thread is doing, for whoever finds it stuck: kill -USR1
    faulthandler.register(signal.SIGUSR1)
    with StopOnSignal() as signals:
        counters = _watch(arguments, signals)
    if arguments.summary:
        print(summary(counters, time.monotonic() - started_s), file=sys.stderr)
    return 0


def _watch(arguments: argparse.Namespace, signals: StopOnSignal) -> Counters:
    from pi_classifier.config import read_configuration
    from pi_classifier.journal import setup_logging
    from pi_classifier.service import build, watch

    configuration = read_configuration(arguments.config, arguments.set, _shorthands(arguments))
    settings = configuration.settings
    setup_logging(settings.run.log_level)
    with build(settings) as service:
        signals.on_stop(service.stop)
        _logger.info("%s sees through %s", service.classifier.name, settings.camera.source)
        counters = watch(service)
        _logger.info("ends: %s", counters)
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
    from pi_classifier.commands.model_options import model_layers
    from pi_classifier.config import Layer

    yield from model_layers(arguments)
    for option, section, key, value in (
        ("--camera", "camera", "source", arguments.camera),
        ("--seed", "camera", "seed", arguments.seed),
        ("--fast", "camera", "realtime", False if arguments.fast else None),
        ("--frames", "run", "frames", arguments.frames),
        ("--duration", "run", "duration_s", arguments.duration),
        ("--debug", "run", "log_level", "debug" if arguments.debug else None),
        ("--json", "stdout", "json", arguments.json or None),
        ("--no-speech", "speech", "enabled", False if arguments.no_speech else None),
    ):
        if value is not None:
            yield Layer(option, {section: {key: value}})
