"""Photos to train with: download, cut from videos, draw, and check them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pi_classifier.config.options import add_options, read_options
from pi_classifier.errors import EXIT_DATA
from pi_classifier_training.commands.arguments import add_image_dir, add_json, path_of, print_lines


def add(commands: Any) -> None:
    """Name the commands; their arguments are added when one is used."""
    commands.add_parser(
        "fetch",
        help="download public photos, going on where it broke off: flowers to try things with "
        "(218 MB), or negatives, photos of anything else (166 MB)",
        describe=_describe_fetch,
    ).set_defaults(run=_fetch)
    commands.add_parser(
        "split-video", help="cut photos of one label from a video", describe=_describe_split_video
    ).set_defaults(run=_split_video)
    commands.add_parser(
        "check-data",
        help="find damaged, doubled and mislabeled photos; exit code 65 where there are errors",
        describe=_describe_check_data,
    ).set_defaults(run=_check_data)
    commands.add_parser(
        "render-scenes",
        help="draw garden scenes as photos to train with",
        describe=_describe_render_scenes,
    ).set_defaults(run=_render_scenes)


def _describe_fetch(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.data.fetch import DATA_SETS

    parser.add_argument("data_set", choices=tuple(DATA_SETS), help="which one")
    parser.add_argument(
        "--to",
        type=path_of,
        default=Path(),
        metavar="DIR",
        help="folder to put it in (default: this one)",
    )


def _fetch(options: argparse.Namespace) -> int:
    from pi_classifier_training.data.fetch import DATA_SETS, NEGATIVES, fetch
    from pi_classifier_training.progress import Progress

    data_sets = DATA_SETS[options.data_set]
    missing = [data_set for data_set in data_sets if not data_set.within(options.to).exists()]
    # Of several, those that are there stay; all there is the user's mistake.
    for data_set in missing or data_sets:
        with Progress("downloading (bytes)", data_set.size_bytes) as progress:
            folder = fetch(data_set, options.to, progress.step)
        print(f"{folder}: {data_set.license}; who is to be named stands in {data_set.notice}")
    if options.data_set == NEGATIVES:
        folder = options.to / NEGATIVES
        print(f"train with them: pi-classifier-train retrain --negatives {folder} …")
    return 0


def _describe_split_video(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.data.video import CutOptions

    parser.add_argument("video", type=path_of, metavar="VIDEO")
    parser.add_argument("--label", required=True, metavar="NAME", help="what the video shows")
    parser.add_argument(
        "--image-dir",
        type=path_of,
        required=True,
        metavar="DIR",
        help="folder of photos; those of the video go to DIR/NAME",
    )
    add_options(parser, CutOptions, exclusive=("every_s", "count"))


def _split_video(options: argparse.Namespace) -> int:
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


def _describe_check_data(parser: argparse.ArgumentParser) -> None:
    add_image_dir(parser, required=False)
    add_json(parser, "all findings, as one JSON object")
    parser.add_argument(
        "--fix", action="store_true", help="move problem files aside, rename others"
    )
    parser.add_argument(
        "--moved-to", type=path_of, metavar="DIR", help="where --fix moves files to"
    )
    parser.add_argument(
        "--undo", type=path_of, metavar="DIR", help="put back what --fix moved to DIR"
    )


def _check_data(options: argparse.Namespace) -> int:
    from pi_classifier_training.data.splits import SplitOptions
    from pi_classifier_training.data_check.check import check
    from pi_classifier_training.data_check.findings import CheckResult
    from pi_classifier_training.data_check.fix import fix, undo
    from pi_classifier_training.progress import with_progress

    if options.undo is not None:
        return print_lines(f"back: {step.target}" for step in undo(options.undo))
    if not options.image_dir:
        options.parser.error("--image-dir is needed: the folder of photos to check")
    if options.fix != (options.moved_to is not None):
        options.parser.error("--fix and --moved-to DIR go together")
    rule = read_options(options, SplitOptions).applied_to(None)

    def checked(title: str) -> CheckResult:
        return check(options.image_dir, lambda paths: with_progress(title, paths), rule)

    result = checked("checking photos")
    if options.fix:
        steps = fix(result, options.moved_to)
        if not options.json:
            print_lines(f"{step.action}: {step.source} → {step.target}" for step in steps)
        if steps:
            result = checked("checking again")
    if options.json:
        print(json.dumps(result.as_dict()))
    else:
        print_lines(result.lines())
    return 0 if result.trainable else EXIT_DATA


def _describe_render_scenes(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.data.render import SceneOptions

    parser.add_argument(
        "--output-dir", type=path_of, required=True, metavar="DIR", help="a new folder"
    )
    add_options(parser, SceneOptions)


def _render_scenes(options: argparse.Namespace) -> int:
    from pi_classifier_training.data.render import SceneOptions, render_scenes

    count = render_scenes(options.output_dir, read_options(options, SceneOptions))
    print(f"{count} scenes in {options.output_dir}")
    return 0
