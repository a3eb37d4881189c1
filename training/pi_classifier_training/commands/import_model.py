"""Make a model from elsewhere a model file of this project."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier.config.options import add_options, read_options
from pi_classifier_training.commands.arguments import add_image_dir, add_output, print_lines

CARD = ("name", "description", "author", "license")


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "import",
        help="make a model from elsewhere (Teachable Machine, TensorFlow, Keras) a model file",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.importing.importer import ImportOptions
    from pi_classifier_training.importing.normalize import Stated
    from pi_classifier_training.importing.sources import Choices
    from pi_classifier_training.modelfile.model_card import ModelCard

    parser.add_argument(
        "source",
        metavar="SOURCE",
        type=Path,
        help="a Teachable Machine export, retrained_graph.pb, SavedModel, .keras, .h5, .tflite",
    )
    add_output(parser, "OUT.tflite", "the model file to write", required=True)
    add_options(parser, ImportOptions)
    add_options(parser, Stated)
    add_options(parser, Choices)
    add_image_dir(parser, required=False)
    card = parser.add_argument_group("written into the model file")
    add_options(card, ModelCard, CARD, configured=True)


def _run(options: argparse.Namespace) -> int:
    from pi_classifier.errors import ConfigError
    from pi_classifier_training.importing.importer import ImportOptions, import_model
    from pi_classifier_training.importing.normalize import Stated
    from pi_classifier_training.importing.sources import Choices
    from pi_classifier_training.modelfile.model_card import ModelCard

    stated = read_options(options, Stated)
    if (not stated.mean) != (not stated.std):
        raise ConfigError("only one of --mean and --std is given; a normalization needs both")
    choices = read_options(
        options,
        ImportOptions,
        card=read_options(options, ModelCard, name=options.name or options.output.stem),
        normalization=stated if stated.mean else None,
        choices=read_options(options, Choices),
        image_dirs=tuple(options.image_dir),
    )
    return print_lines(import_model(options.source, options.output, choices))
