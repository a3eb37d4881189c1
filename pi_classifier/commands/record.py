"""`pi-classifier record`: keep what the camera sees, to be played back to the same decisions."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pi_classifier.service.signals import StopOnSignal
from pi_classifier.setting import setting
from pi_classifier.system.folders import expanded

if TYPE_CHECKING:
    from pi_classifier.commands.parser import Parser


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """The command's own options."""

    max_mb: float = setting(
        1000.0, "end before the recording is larger than N megabytes", above=0.0, metavar="N"
    )
    uncompressed: bool = setting(
        False, "less work and more bytes: for slow processors and large disks"
    )


def add_arguments(command: Parser) -> None:
    """Add the command's arguments."""
    from pi_classifier.commands.options import CAMERA, add_setting_options
    from pi_classifier.config.options import add_options

    add_setting_options(command, CAMERA)
    add_options(command, RecordOptions)
    command.add_argument("folder", metavar="FOLDER", help="a new folder")


def main(arguments: argparse.Namespace) -> int:
    """Record until the camera ends, a limit is reached or a signal comes.

    Raises PiClassifierError, and OSError when the disk is full.
    """
    with StopOnSignal() as signals:
        return _record(arguments, signals)


def _record(arguments: argparse.Namespace, signals: StopOnSignal) -> int:
    from pi_classifier.cameras.replay.recording import Recorder, check_unused
    from pi_classifier.cameras.stream import limited
    from pi_classifier.commands.options import CAMERA, effective, of_one_camera
    from pi_classifier.config.options import read_options
    from pi_classifier.logs.handlers import setup_logging
    from pi_classifier.service.build import open_camera
    from pi_classifier.service.counters import Counters

    settings = of_one_camera(effective(arguments, CAMERA).settings)
    options = read_options(arguments, RecordOptions)
    setup_logging("debug" if arguments.debug else "warning")
    source = settings.camera.shown_source
    folder = expanded(arguments.folder)
    check_unused(folder)
    with closing(open_camera(settings.camera, on_stop=signals.on_stop)) as camera:
        recorder = Recorder(
            folder,
            source=source,
            max_bytes=round(options.max_mb * 1_000_000),
            uncompressed=options.uncompressed,
        )
        with closing(recorder):
            _say(f"records {source} into {folder}; Ctrl-C ends it")
            counters, ended = Counters(), ""
            for frame in limited(camera.frames(), settings.run.frames, settings.run.duration_s):
                if not recorder.add(frame):
                    ended = f", as much as --max-mb {options.max_mb:g} allows"
                    break
                counters.observe(frame, None)
    _say(
        f"recorded {recorder.frames} frames ({counters.dropped} dropped), "
        f"{recorder.bytes / 1e6:.1f} MB{ended}"
    )
    if recorder.frames:
        _say(f"to see what a model makes of it: pi-classifier run --camera replay:{folder}")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
