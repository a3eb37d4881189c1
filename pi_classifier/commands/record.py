"""`pi-classifier record`: keep what the camera sees, to be played back to the same decisions."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from pi_classifier.service.signals import StopOnSignal


def main(arguments: argparse.Namespace) -> int:
    """Record until the camera ends, a limit is reached or a signal comes.

    Raises PiClassifierError, and OSError when the disk is full.
    """
    with StopOnSignal() as signals:
        return _record(arguments, signals)


def _record(arguments: argparse.Namespace, signals: StopOnSignal) -> int:
    from pi_classifier.cameras.limited import limited
    from pi_classifier.cameras.replay.recording import Recorder, check_unused
    from pi_classifier.cameras.video.addresses import masked
    from pi_classifier.commands.camera_options import camera_layers
    from pi_classifier.config.reading import read_configuration
    from pi_classifier.logs.handlers import setup_logging
    from pi_classifier.service.build import open_camera
    from pi_classifier.service.counters import Counters

    settings = read_configuration(
        arguments.config, arguments.set, camera_layers(arguments)
    ).settings
    setup_logging("debug" if arguments.debug else "warning")
    source = masked(settings.camera.source)
    folder = Path(arguments.folder).expanduser()
    check_unused(folder)
    with closing(open_camera(settings.camera, on_stop=signals.on_stop)) as camera:
        recorder = Recorder(
            folder,
            source=source,
            max_bytes=round(arguments.max_mb * 1_000_000),
            uncompressed=arguments.uncompressed,
        )
        with closing(recorder):
            _say(f"records {source} into {folder}; Ctrl-C ends it")
            counters, ended = Counters(), ""
            for frame in limited(camera.frames(), settings.run.frames, settings.run.duration_s):
                if not recorder.add(frame):
                    ended = f", as much as --max-mb {arguments.max_mb:g} allows"
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
