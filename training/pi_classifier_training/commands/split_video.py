"""Cut photos of one label from a video."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier.config.options import add_options, read_options


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "split-video", help="cut photos of one label from a video", describe=_describe
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.data.video import CutOptions

    parser.add_argument("video", type=Path, metavar="VIDEO")
    parser.add_argument("--label", required=True, metavar="NAME", help="what the video shows")
    parser.add_argument(
        "--image-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of photos; those of the video go to DIR/NAME",
    )
    add_options(parser, CutOptions, exclusive=("every_s", "count"))


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.data.video import CutOptions, split_video
    from pi_classifier_training.progress import Progress

    label, cut = options.label, read_options(options, CutOptions)
    if not label or label.startswith(".") or "/" in label:
        options.parser.error(f"--label {label!r} cannot be a folder's name")
    if cut.end_s is not None and cut.end_s < cut.start_s:
        options.parser.error(f"--end {cut.end_s:g} lies before --start {cut.start_s:g}")
    with Progress("frames", cut.count) as progress:
        result = split_video(options.video, options.image_dir / label, cut, progress.step)
    print(
        f"{result.kept} photos in {result.folder}, all for {result.split}; left out: "
        f"{result.alike} too like the one before, {result.blurred} blurred"
    )
    print(
        "Frames of one video look alike, so all are in one split. Every label needs at least "
        "three videos, or photos besides, to train, validate and test with"
    )
    return 0
