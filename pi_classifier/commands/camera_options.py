"""`--camera`, `--seed`, `--fast`, `--frames` and `--duration`, as layers of the configuration."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from pi_classifier.config.reading import Layer


def camera_layers(arguments: argparse.Namespace) -> Iterator[Layer]:
    """What the options say of the camera and of how long it runs."""
    given: tuple[tuple[str, str, str, Any], ...] = (
        ("--camera", "camera", "source", arguments.camera),
        ("--seed", "camera", "seed", arguments.seed),
        ("--fast", "camera", "realtime", False if arguments.fast else None),
        ("--frames", "run", "frames", arguments.frames),
        ("--duration", "run", "duration_s", arguments.duration),
    )
    for option, section, key, value in given:
        if value is not None:
            yield Layer(option, {section: {key: value}})
