"""`pi-classifier bench`: what this configuration takes on this board, and what to change."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pi_classifier.service.signals import StopOnSignal
from pi_classifier.setting import setting

if TYPE_CHECKING:
    from pi_classifier.commands.options import Shared
    from pi_classifier.commands.parser import Parser


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """The command's own options."""

    seconds: float = setting(
        10.0,
        "run as configured for so long, and about as long in other ways",
        minimum=0.5,
        maximum=86_400.0,
        metavar="S",
    )
    json: bool = setting(False, "print all figures as one JSON object")
    compare: Path | None = setting(
        None, "show beside it what --json printed elsewhere or before", metavar="OTHER.json"
    )


def add_arguments(command: Parser) -> None:
    """Add the command's arguments."""
    from pi_classifier.commands.options import add_setting_options
    from pi_classifier.config.options import add_options

    add_setting_options(command, *_shared())
    add_options(command, BenchOptions, exclusive=("json", "compare"))


def _shared() -> tuple[Shared, ...]:
    from pi_classifier.commands.options import MODEL

    return MODEL, {"camera": ("source", "seed", "realtime")}


def main(arguments: argparse.Namespace) -> int:
    """Measure and print; raises PiClassifierError, and KeyboardInterrupt where it is stopped."""
    with StopOnSignal() as signals:
        return _bench(arguments, signals)


def _bench(arguments: argparse.Namespace, signals: StopOnSignal) -> int:
    from pi_classifier.commands.options import effective, of_one_camera
    from pi_classifier.config.options import read_options
    from pi_classifier.logs.handlers import setup_logging
    from pi_classifier.measuring.bench_report import comparison, lines, read_other, record
    from pi_classifier.measuring.board_bench import bench
    from pi_classifier.printable import json_text

    options = read_options(arguments, BenchOptions)
    settings = of_one_camera(effective(arguments, *_shared()).settings)
    other = None if options.compare is None else read_other(options.compare)
    setup_logging("debug" if arguments.debug else "warning")
    found = bench(settings, options.seconds, signals.on_stop, lambda: signals.received is not None)
    measured = record(found)
    if options.json:
        print(json_text(measured))
        return 0
    print("\n".join(lines(measured)))
    if other is not None:
        print("\n" + "\n".join(comparison(measured, other)))
    return 0
