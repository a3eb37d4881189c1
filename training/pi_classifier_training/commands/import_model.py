"""Make a model from elsewhere a model file of this project."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from pi_classifier_training.commands.arguments import add_image_dir, positive, print_lines


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser(
        "import",
        help="make a model from elsewhere (Teachable Machine, TensorFlow, Keras) a model file",
    )
    p.set_defaults(run=_run)
    p.add_argument(
        "source",
        metavar="SOURCE",
        type=Path,
        help="a Teachable Machine export, retrained_graph.pb, SavedModel, .keras, .h5, .tflite",
    )
    p.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.tflite")
    p.add_argument("--labels", type=Path, metavar="FILE", help="one label a line, in output order")
    p.add_argument("--name", help="the model's name (default: the output file's)")
    p.add_argument("--mean", type=_number, nargs="+", metavar="X", help="subtracted from pixels")
    p.add_argument("--std", type=_number, nargs="+", metavar="X", help="then divided by")
    p.add_argument("--resize", choices=("crop", "stretch"), help="how photos get its shape")
    p.add_argument("--size", type=positive, metavar="PIXELS", help="input side, where it is open")
    add_image_dir(p, required=False)
    p.add_argument("--input-node", metavar="NAME", help="where pictures go into a .pb graph")
    p.add_argument("--output-node", metavar="NAME", help="where its scores come out")
    for entry in ("description", "author", "license"):
        p.add_argument(f"--{entry}", default="", help=f"{entry} written into the model file")


def _number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def _run(options: argparse.Namespace) -> int:
    from pi_classifier.errors import ConfigError
    from pi_classifier_training.importing.importer import ImportOptions, import_model
    from pi_classifier_training.importing.normalize import Stated
    from pi_classifier_training.importing.sources import Choices
    from pi_classifier_training.modelfile.model_card import ModelCard

    if (options.mean is None) != (options.std is None):
        raise ConfigError("only one of --mean and --std is given; a normalization needs both")
    stated = None if options.mean is None else Stated(tuple(options.mean), tuple(options.std))
    card = ModelCard(
        options.name or options.output.stem,
        description=options.description,
        author=options.author,
        license=options.license,
    )
    choices = Choices(options.size, options.input_node, options.output_node)
    return print_lines(
        import_model(
            options.source,
            options.output,
            ImportOptions(
                options.labels,
                card,
                stated,
                options.resize,
                choices,
                tuple(options.image_dir or ()),
            ),
        )
    )
