"""`pi-classifier classify`: what photos show."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from dataclasses import asdict
from typing import Any

from pi_classifier.commands.options import model_layers
from pi_classifier.config.reading import Layer, read_configuration
from pi_classifier.errors import EXIT_DATA, ImageError
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.logs.handlers import setup_logging
from pi_classifier.preprocessing.preprocessor import load_image
from pi_classifier.types import Frame, Prediction


def main(arguments: argparse.Namespace) -> int:
    """Print the best labels of each photo; one that cannot be read does not end it.

    Raises ConfigError, ModelError.
    """
    layers = [*model_layers(arguments), Layer("--top-k", {"model": {"top_k": arguments.top_k}})]
    configuration = read_configuration(arguments.config, arguments.set, layers)
    setup_logging("debug" if arguments.debug else "warning")
    code = 0
    with closing(open_classifier(configuration.settings.model)) as classifier:
        for sequence, image in enumerate(arguments.images):
            try:
                pixels = load_image(image)
            except ImageError as error:
                sys.stdout.flush()  # where both streams meet, the order tells which photo
                print(f"pi-classifier: error: {error}", file=sys.stderr)
                code = EXIT_DATA
                continue
            prediction = classifier.classify(Frame(pixels, sequence, 0))
            if arguments.json:
                print(json.dumps(_as_json(image, prediction), ensure_ascii=False))
            else:
                print(_as_text(image, prediction))
    return code


def _as_json(image: str, prediction: Prediction) -> dict[str, Any]:
    return {
        "image": image,
        "model": prediction.model,
        "categories": [
            asdict(each) | {"score": round(each.score, 6)} for each in prediction.categories
        ],
        "stage": prediction.stage,
        "latency_ms": round(prediction.latency_ns / 1e6, 3),
    }


def _as_text(image: str, prediction: Prediction) -> str:
    lines = [image]
    lines += [f"{each.label} {each.score:.4f}" for each in prediction.categories]
    lines.append(f"{prediction.latency_ns / 1e6:.1f} ms ({prediction.model})\n")
    return "\n".join(lines)
