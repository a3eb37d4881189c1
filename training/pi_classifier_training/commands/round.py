"""Round a float model's weights, so that the file compresses well."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier_training.commands.arguments import (
    add_image_dir,
    fraction,
    points,
    positive,
    print_lines,
)


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser("round", help="round a float model's weights so that it compresses")
    p.set_defaults(run=_run)
    p.add_argument("model", type=Path, metavar="IN.tflite", help="a float model file")
    p.add_argument("output", type=Path, metavar="OUT.tflite")
    add_image_dir(p, required=False)
    p.add_argument(
        "--method",
        choices=("compensated", "channel", "classic"),
        default="compensated",
        help="compensated: fitted to training photos, levels by sensitivity (default); channel: "
        "power-of-two steps for each channel; classic: one set of levels for each tensor",
    )
    aim = p.add_mutually_exclusive_group()
    aim.add_argument(
        "--saving",
        type=fraction,
        help="share of the file that gzip -9 should save (default 0.75)",
    )
    aim.add_argument(
        "--target-loss",
        type=points,
        metavar="POINTS",
        help="the smallest file that loses at most so many percentage points of top-1",
    )
    aim.add_argument(
        "--levels", type=positive, metavar="N", help="of channel and classic: values (256)"
    )
    p.add_argument(
        "--frontier",
        type=Path,
        metavar="FOLDER",
        help="also write table and plot of saving against accuracy, all methods (minutes)",
    )


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.compression.rounding_delivery import RoundOptions, round_model

    choices = RoundOptions(
        method=options.method,
        levels=options.levels,
        saving=options.saving,
        target_loss=options.target_loss,
        frontier=options.frontier,
    )
    return print_lines(
        round_model(options.model, options.output, options.image_dir or [], choices)
    )
