"""Measure several models on the same photos; tell chance from a real difference."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from pi_classifier_training.commands.arguments import (
    add_image_dir,
    add_label_options,
    add_split,
    points,
)


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser(
        "compare", help="measure several models on the same photos: is one really better?"
    )
    p.set_defaults(run=_run)
    p.add_argument(
        "models", nargs="+", metavar="MODEL", help="the one to compare with, then the others"
    )
    add_image_dir(p)
    add_split(p)
    add_label_options(p)
    p.add_argument(
        "--fail-if-worse",
        nargs="?",
        type=points,
        const=None,
        default=False,
        metavar="POINTS",
        help="exit code 1 if another model's top-1 is more than POINTS percentage points below "
        "the first's; without POINTS, if it is lower by more than chance explains",
    )
    p.add_argument("--json", action="store_true", help="print the records as one JSON list")


def _run(options: argparse.Namespace) -> int:
    from pi_classifier.inference.classifier import ModelSettings
    from pi_classifier_training.evaluation.compare import compare, comparison_lines, worse
    from pi_classifier_training.evaluation.labeling import read_map
    from pi_classifier_training.progress import watched

    records = compare(
        options.models,
        options.image_dir,
        options.split,
        ModelSettings(labels=options.labels),
        lambda photos: watched("classifying", photos),
        read_map(options.map) if options.map else None,
    )
    if options.json:
        print(json.dumps(records, ensure_ascii=False))
    else:
        print("\n".join(comparison_lines(records)))
    if options.fail_if_worse is False:
        return 0
    found = worse(records, options.fail_if_worse)
    for file in found:
        print(f"{file} is worse than {options.models[0]}", file=sys.stderr)
    return int(bool(found))
