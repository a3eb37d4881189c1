"""Measure a model file or a cascade on photos."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pi_classifier.config.options import add_options, read_options
from pi_classifier_training.commands.arguments import add_image_dir, add_json, print_lines


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "evaluate",
        help="measure a model file or cascade on photos, through the daemon's own code",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.evaluation.evaluate import EvaluationOptions

    parser.add_argument(
        "model", metavar="MODEL", help="a .tflite file, a cascade.toml or its folder"
    )
    add_image_dir(parser)
    add_options(parser, EvaluationOptions)
    add_json(parser, "print the record as one JSON object")


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.evaluation.evaluate import EvaluationOptions, evaluate
    from pi_classifier_training.evaluation.report_text import evaluation_lines
    from pi_classifier_training.progress import with_progress

    record = evaluate(
        options.model,
        options.image_dir,
        read_options(options, EvaluationOptions),
        progress=lambda photos: with_progress("classifying", photos),
    )
    if options.json:
        print(json.dumps(record, ensure_ascii=False))
        return 0
    return print_lines(evaluation_lines(record))
