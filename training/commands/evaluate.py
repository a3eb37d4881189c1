"""Measure a model file or a cascade on photos."""

from __future__ import annotations

import argparse
import json
from typing import Any

from training.commands.arguments import add_image_dir


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser(
        "evaluate", help="measure a model file or cascade on photos, through the daemon's own code"
    )
    p.set_defaults(run=_run)
    p.add_argument("model", metavar="MODEL", help="a .tflite file, a cascade.toml or its folder")
    add_image_dir(p)
    p.add_argument(
        "--split",
        choices=("all", "test"),
        default="test",
        help="test: the held-out tenth (default); all: for photos never trained on",
    )
    p.add_argument("--labels", metavar="FILE", help="label file of a model without labels")
    p.add_argument("--json", action="store_true")


def _run(options: argparse.Namespace) -> int:
    from pi_classifier.classifier import ModelSettings
    from training.evaluation.evaluate import evaluate
    from training.evaluation.report_text import evaluation_lines
    from training.progress import watched

    settings = ModelSettings(labels=options.labels) if options.labels else ModelSettings()
    record = evaluate(
        options.model,
        options.image_dir,
        options.split,
        settings,
        lambda photos: watched("classifying", photos),
    )
    if options.json:
        print(json.dumps(record))
    else:
        print("\n".join(evaluation_lines(record)))
    return 0
