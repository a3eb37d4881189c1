"""Write the model files of a finished run again, of any kind, under any name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier.config.options import add_options, given_options
from pi_classifier_training.commands.arguments import add_image_dir, add_output, print_lines

KINDS = ("float32", "float16", "dynamic", "int8")


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "export",
        help="write the model files of a finished run again",
        description="Write the model files of a finished run again. What is not said of the "
        "model, its name and so on, stays as the run has it.",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.modelfile.model_card import ModelCard

    parser.add_argument("run_dir", type=Path, metavar="RUN", help="output folder of retrain")
    add_image_dir(parser)
    parser.add_argument(
        "--kind",
        choices=KINDS,
        action="append",
        help="which file to write; may be given several times (default: float32 and int8)",
    )
    add_output(parser, "OUT.tflite", "where to, with one --kind")
    add_options(parser, ModelCard, configured=True)


def _run(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from pi_classifier_training.errors import ExportError
    from pi_classifier_training.export.deliver import DELIVERED, deliver, open_run
    from pi_classifier_training.modelfile.model_card import ModelCard

    kinds = tuple(dict.fromkeys(options.kind or DELIVERED))
    if options.output is not None and len(kinds) != 1:
        raise ExportError(
            f"--output {options.output} is one file; say which with one --kind "
            f"({', '.join(KINDS)})"
        )
    card = open_run(options.run_dir, options.image_dir).card
    card = replace(card, **given_options(options, ModelCard))
    return print_lines(deliver(options.run_dir, options.image_dir, kinds, card, options.output))
