"""Write model files: of a finished run, or of a model from elsewhere."""

from __future__ import annotations

import argparse
from typing import Any

from pi_classifier.config.options import add_options, given_options, read_options
from pi_classifier_training.commands.arguments import (
    add_image_dir,
    add_output,
    add_source,
    path_of,
    print_lines,
    require_folder,
)

EXPORTED_KINDS = ("float32", "float16", "dynamic", "int8")

IMPORT_CARD = ("name", "description", "author", "license")


def add(commands: Any) -> None:
    """Name the commands; their arguments are added when one is used."""
    commands.add_parser(
        "export",
        help="write the model files of a finished run, or of a float model, again",
        description="Write model files of a finished run, or of a float model file (as import "
        "makes it). What is not said of the model, its name and so on, stays as it is.",
        describe=_describe_export,
    ).set_defaults(run=_export, starts_tensorflow=True)
    commands.add_parser(
        "import",
        help="make a model from elsewhere (Teachable Machine, TensorFlow, Keras) a model file",
        describe=_describe_import,
    ).set_defaults(run=_import)


def _describe_export(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.modelfile.model_card import ModelCard

    add_source(parser)
    add_image_dir(parser)
    parser.add_argument(
        "--kind",
        choices=EXPORTED_KINDS,
        action="append",
        help="which file to write; may be given several times (default: float32 and int8)",
    )
    add_output(parser, "OUT.tflite", "where to, with one --kind")
    add_options(parser, ModelCard, configured=True)


def _export(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from pi_classifier_training.data.splits import SplitOptions
    from pi_classifier_training.errors import ExportError
    from pi_classifier_training.export.run_export import (
        DEFAULT_KINDS,
        export_source,
        open_source,
    )
    from pi_classifier_training.modelfile.model_card import ModelCard
    from pi_classifier_training.retraining.run_folder import held_source

    kinds = tuple(dict.fromkeys(options.kind or DEFAULT_KINDS))
    if options.output is not None and len(kinds) != 1:
        raise ExportError(
            f"--output {options.output} is one file; say which with one --kind "
            f"({', '.join(EXPORTED_KINDS)})"
        )
    splits = read_options(options, SplitOptions)
    with held_source(options.source):
        source = open_source(options.source, options.image_dir, splits)
        card = replace(source.card, **given_options(options, ModelCard))
        return print_lines(export_source(source, kinds, card, options.output))


def _describe_import(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.importing.importer import ImportOptions
    from pi_classifier_training.importing.normalize import Stated
    from pi_classifier_training.importing.sources import Choices
    from pi_classifier_training.modelfile.model_card import ModelCard

    parser.add_argument(
        "source",
        metavar="SOURCE",
        type=path_of,
        help="a Teachable Machine export, retrained_graph.pb, SavedModel, .keras, .h5, .tflite",
    )
    add_output(parser, "OUT.tflite", "the model file to write", required=True)
    add_options(parser, ImportOptions)
    add_options(parser, Stated)
    add_options(parser, Choices)
    add_image_dir(parser, required=False, split=False)
    card = parser.add_argument_group("written into the model file")
    add_options(card, ModelCard, IMPORT_CARD, configured=True)


def _import(options: argparse.Namespace) -> int:
    from pi_classifier.errors import ConfigError
    from pi_classifier_training.importing.importer import ImportOptions, import_model
    from pi_classifier_training.importing.normalize import Stated
    from pi_classifier_training.importing.sources import Choices
    from pi_classifier_training.modelfile.model_card import ModelCard

    require_folder(options.output)
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
