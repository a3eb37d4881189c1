"""Make scores mean what they say; choose when a cascade's cheap models answer alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training.commands.arguments import add_image_dir, fraction, print_lines

MAX_LOSS = 0.003


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser(
        "calibrate",
        help="join models to a cascade, with accept thresholds chosen on held-out photos",
    )
    p.set_defaults(run=_run)
    p.add_argument("models", nargs="+", metavar="MODEL", type=Path, help="cheapest first")
    add_image_dir(p)
    p.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="cascade.toml to write"
    )
    p.add_argument("--name", help="the cascade's name; default: its folder's")
    goal = p.add_mutually_exclusive_group()
    goal.add_argument(
        "--max-loss",
        type=fraction,
        default=MAX_LOSS,
        metavar="FRACTION",
        help=f"accuracy the cascade may lose against its last model ({MAX_LOSS})",
    )
    goal.add_argument(
        "--budget-ms",
        type=float,
        metavar="MS",
        help="the most accurate cascade whose frames take this long here on average",
    )
    goal.add_argument(
        "--accept",
        type=fraction,
        nargs="+",
        default=(),
        metavar="SCORE",
        help="accept thresholds of all models but the last, instead of chosen ones",
    )
    p.add_argument("--plot", type=Path, metavar="FILE", help="picture (.svg, .png) of the choice")


def _run(options: argparse.Namespace) -> int:
    from training.evaluation.cascades import Choice, make_cascade
    from training.progress import watched

    choice = Choice(options.max_loss, options.budget_ms, tuple(options.accept))
    return print_lines(
        make_cascade(
            options.models,
            options.image_dir,
            options.name or options.output.resolve().parent.name,
            options.output,
            choice,
            options.plot,
            lambda photos: watched("classifying", photos),
        )
    )
