"""Cut photos of one label from a video."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier_training.commands.arguments import positive


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser("split-video", help="cut photos of one label from a video")
    p.set_defaults(run=_run)
    p.add_argument("video", type=Path, metavar="VIDEO")
    p.add_argument("--label", required=True, metavar="NAME", help="what the video shows")
    p.add_argument(
        "--image-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of photos; those of the video go to DIR/NAME",
    )
    which = p.add_mutually_exclusive_group()
    which.add_argument(
        "--every", type=_seconds, default=1.0, metavar="SECONDS", help="a photo every … (1)"
    )
    which.add_argument("--count", type=positive, help="this many photos, evenly spread")
    p.add_argument("--start", type=_seconds, default=0.0, metavar="SECONDS", help="from here on")
    p.add_argument("--end", type=_seconds, metavar="SECONDS", help="up to here")
    p.add_argument(
        "--split",
        choices=("training", "validation", "test"),
        help="what the video is for (default: what the label has too little of)",
    )


def _seconds(text: str) -> float:
    """A number of seconds from 0 on."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 on")
    return value


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.data.video import Cut, split_video
    from pi_classifier_training.progress import Progress

    label = options.label
    if not label or label.startswith(".") or "/" in label:
        options.parser.error(f"--label {label!r} cannot be a folder's name")
    if options.end is not None and options.end < options.start:
        options.parser.error(f"--end {options.end:g} lies before --start {options.start:g}")
    cut = Cut(options.every, options.count, options.start, options.end)
    with Progress("frames", options.count) as progress:
        done = split_video(
            options.video, options.image_dir / label, cut, options.split, progress.step
        )
    print(
        f"{done.kept} photos in {done.folder}, all for {done.split}; left out: {done.alike} too "
        f"like the one before, {done.blurred} blurred"
    )
    print(
        "Frames of one video look alike, so all are in one split. Every label needs at least "
        "three videos, or photos besides, to train, validate and test with"
    )
    return 0
