"""`--model`, `--labels`, `--mean` and `--std`, as a layer of the configuration."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from pi_classifier.config.reading import Layer
from pi_classifier.config.schema import NONE

_OF_ONE_MODEL = {"labels": NONE, "mean": NONE, "std": NONE}


def model_layers(arguments: argparse.Namespace) -> Iterator[Layer]:
    """What the options say of the model.

    A model named here is another than the configured one, whose labels and
    normalization do not hold for it: they are unset unless given as well.
    """
    if arguments.model is not None:
        yield Layer("--model", {"model": {"path": arguments.model, **_OF_ONE_MODEL}})
    given: dict[str, Any] = {
        "labels": arguments.labels,
        "mean": arguments.mean,
        "std": arguments.std,
    }
    for key, value in given.items():
        if value is not None:
            yield Layer(f"--{key}", {"model": {key: value}})
