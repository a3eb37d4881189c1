"""Measure a model file or a cascade on photos."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pi_classifier_training.commands.arguments import add_image_dir, add_label_options, add_split


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser(
        "evaluate", help="measure a model file or cascade on photos, through the daemon's own code"
    )
    p.set_defaults(run=_run)
    p.add_argument("model", metavar="MODEL", help="a .tflite file, a cascade.toml or its folder")
    add_image_dir(p)
    add_split(p)
    add_label_options(p)
    p.add_argument("--json", action="store_true", help="print the record as one JSON object")


def _run(options: argparse.Namespace) -> int:
    from pi_classifier.inference.classifier import ModelSettings
    from pi_classifier_training.evaluation.evaluate import evaluate
    from pi_classifier_training.evaluation.labeling import read_map
    from pi_classifier_training.evaluation.report_text import evaluation_lines
    from pi_classifier_training.progress import watched

    record = evaluate(
        options.model,
        options.image_dir,
        options.split,
        ModelSettings(labels=options.labels),
        lambda photos: watched("classifying", photos),
        read_map(options.map) if options.map else None,
    )
    if options.json:
        print(json.dumps(record, ensure_ascii=False))
    else:
        print("\n".join(evaluation_lines(record)))
    return 0
