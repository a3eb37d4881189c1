"""Join a cheap and a costly model to a cascade."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training.commands.arguments import add_image_dir, fraction, print_lines


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser("cascade", help="join a cheap and a costly model to a cascade")
    p.set_defaults(run=_run)
    p.add_argument("models", nargs="+", metavar="MODEL", type=Path, help="cheapest first")
    add_image_dir(p)
    p.add_argument("--name", required=True)
    p.add_argument(
        "--max-loss",
        type=float,
        default=0.003,
        metavar="FRACTION",
        help="accuracy the cascade may lose against its last model (0.003)",
    )
    p.add_argument(
        "--accept",
        type=fraction,
        metavar="SCORE",
        help="accept threshold of the first model, instead of one chosen by --max-loss",
    )
    p.add_argument("--output", type=Path, required=True, metavar="cascade.toml")


def _run(options: argparse.Namespace) -> int:
    from training.evaluation.calibrate import make_cascade

    return print_lines(
        make_cascade(
            options.models,
            options.image_dir,
            options.name,
            options.output,
            max_loss=options.max_loss,
            accept=options.accept,
        )
    )
