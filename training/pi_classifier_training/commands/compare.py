"""Measure several models on the same photos; tell chance from a real difference."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from pi_classifier.config.options import add_options, read_options
from pi_classifier_training.commands.arguments import add_image_dir, add_json, print_lines


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "compare",
        help="measure several models on the same photos: is one really better?",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.evaluation.evaluate import EvaluationOptions

    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="the one to compare with, then the others"
    )
    add_image_dir(parser)
    add_options(parser, EvaluationOptions)
    parser.add_argument(
        "--fail-if-worse",
        nargs="?",
        type=_points,
        const=None,
        default=False,
        metavar="POINTS",
        help="exit code 1 if another model's top-1 is more than POINTS percentage points below "
        "the first's; without POINTS, if it is lower by more than chance explains",
    )
    add_json(parser, "print the records as one JSON list")


def _points(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 0 to 100")
    return value


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.evaluation.compare import compare, comparison_lines, worse
    from pi_classifier_training.evaluation.evaluate import EvaluationOptions
    from pi_classifier_training.progress import with_progress

    records = compare(
        options.models,
        options.image_dir,
        read_options(options, EvaluationOptions),
        lambda photos: with_progress("classifying", photos),
    )
    if options.json:
        print(json.dumps(records, ensure_ascii=False))
    else:
        print_lines(comparison_lines(records))
    if options.fail_if_worse is False:
        return 0
    files = worse(records, options.fail_if_worse)
    for file in files:
        print(f"{file} is worse than {options.models[0]}", file=sys.stderr)
    return int(bool(files))
