"""Round a float model's weights, so that the file compresses well."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier.config.options import add_options, read_options
from pi_classifier_training.commands.arguments import add_image_dir, print_lines


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "round",
        help="round a float model's weights so that it compresses",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.compression.rounding_delivery import RoundOptions

    parser.add_argument("model", type=Path, metavar="IN.tflite", help="a float model file")
    parser.add_argument("output", type=Path, metavar="OUT.tflite")
    add_image_dir(parser, required=False)
    add_options(parser, RoundOptions, exclusive=("saving", "target_loss", "levels"))


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.compression.rounding_delivery import RoundOptions, round_model

    choices = read_options(options, RoundOptions)
    return print_lines(round_model(options.model, options.output, options.image_dir, choices))
