"""`pi-classifier classify`: what photos show."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from pi_classifier.commands.options import MODEL, Shared, add_setting_options, effective
from pi_classifier.commands.parser import Parser
from pi_classifier.config.options import add_options, read_options
from pi_classifier.config.reading import Layer
from pi_classifier.errors import EXIT_DATA, ImageError
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.logs.handlers import setup_logging
from pi_classifier.preprocessing.photos import load_image
from pi_classifier.printable import json_text, printable
from pi_classifier.setting import setting
from pi_classifier.types import Frame, Prediction

TOP_K: Shared = {"model": ("top_k",)}
# As many as are read at a glance; the service is asked for more.
_FIVE_LABELS = Layer("classify", {"model": {"top_k": 5}})


@dataclass(frozen=True, slots=True)
class ClassifyOptions:
    """The command's own options."""

    json: bool = setting(False, "print one JSON object per photo")


def add_arguments(command: Parser) -> None:
    """Add the command's arguments."""
    add_setting_options(command, MODEL, TOP_K)
    add_options(command, ClassifyOptions)
    command.add_argument("images", nargs="+", metavar="IMAGE", help="photos")


def main(arguments: argparse.Namespace) -> int:
    """Print the best labels of each photo; one that cannot be read does not end it.

    Raises ConfigError, ModelError.
    """
    as_json = read_options(arguments, ClassifyOptions).json
    configuration = effective(arguments, MODEL, TOP_K, defaults=[_FIVE_LABELS])
    setup_logging("debug" if arguments.debug else "warning")
    code = 0
    with closing(open_classifier(configuration.settings.model)) as classifier:
        for sequence, image in enumerate(arguments.images):
            try:
                pixels = load_image(image)
            except ImageError as error:
                sys.stdout.flush()  # where both streams meet, the order tells which photo
                print(f"pi-classifier: error: {printable(str(error))}", file=sys.stderr)
                code = EXIT_DATA
                continue
            prediction = classifier.classify(Frame(pixels, sequence, 0))
            if as_json:
                print(json_text(_as_json(image, prediction)))
            else:
                print(_as_text(image, prediction))
    return code


def _as_json(image: str, prediction: Prediction) -> dict[str, Any]:
    return {
        "image": image,
        "model": prediction.model,
        "categories": [
            asdict(category) | {"score": round(category.score, 6)}
            for category in prediction.categories
        ],
        "unknown": prediction.unknown,
        "stage": prediction.stage,
        "latency_ms": round(prediction.latency_ns / 1e6, 3),
    }


def _as_text(image: str, prediction: Prediction) -> str:
    lines = [printable(image)]
    if prediction.unknown:
        lines.append("unknown: unlike everything the model has a label for")
    lines += [f"{top.label} {top.score:.4f}" for top in prediction.categories]
    lines.append(f"{prediction.latency_ns / 1e6:.1f} ms ({prediction.model})\n")
    return "\n".join(lines)
