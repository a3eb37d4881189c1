"""Check a folder of photos before training on it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pi_classifier.errors import EXIT_DATA
from pi_classifier_training.commands.arguments import add_image_dir, add_json, print_lines


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "check-data",
        help="find damaged, doubled and mislabeled photos; exit code 65 where there are errors",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    add_image_dir(parser, required=False)
    add_json(parser, "all findings, as one JSON object")
    parser.add_argument(
        "--fix", action="store_true", help="move problem files aside, rename others"
    )
    parser.add_argument("--moved-to", type=Path, metavar="DIR", help="where --fix moves files to")
    parser.add_argument(
        "--undo", type=Path, metavar="DIR", help="put back what --fix moved to DIR"
    )


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.data_check.check import check
    from pi_classifier_training.data_check.fix import fix, undo
    from pi_classifier_training.progress import with_progress

    if options.undo is not None:
        return print_lines(f"back: {step.target}" for step in undo(options.undo))
    if not options.image_dir:
        options.parser.error("--image-dir is needed: the folder of photos to check")
    if options.fix != (options.moved_to is not None):
        options.parser.error("--fix and --moved-to DIR go together")
    result = check(options.image_dir, lambda paths: with_progress("checking photos", paths))
    if options.fix:
        steps = fix(result, options.moved_to)
        if not options.json:
            print_lines(f"{step.action}: {step.source} → {step.target}" for step in steps)
        if steps:
            result = check(options.image_dir, lambda paths: with_progress("checking again", paths))
    if options.json:
        print(json.dumps(result.as_dict()))
    else:
        print_lines(result.lines())
    return 0 if result.trainable else EXIT_DATA
