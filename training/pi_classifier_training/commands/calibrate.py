"""Make scores mean what they say; choose when a cascade's cheap models answer alone."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pi_classifier_training.commands.arguments import add_image_dir, fraction, print_lines
from pi_classifier_training.data.dataset import Photo

MAX_LOSS = 0.003


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser(
        "calibrate",
        help="one model: make its scores mean what they say; several: join them to a cascade",
        description="One model: choose the temperature on the validation photos at which its "
        "scores fit best what is right, and write it into the file. Several: choose the scores "
        "from which the cheap ones answer alone, and write a cascade.toml.",
    )
    p.set_defaults(run=_run)
    p.add_argument("models", nargs="+", metavar="MODEL", type=Path, help="cheapest first")
    add_image_dir(p)
    p.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="cascade.toml to write; of one model a new file, which else is changed in place",
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
    p.add_argument(
        "--per-label",
        action="store_true",
        help="lower the thresholds of labels that lose nothing by it on the validation photos",
    )
    p.add_argument("--plot", type=Path, metavar="FILE", help="picture (.svg, .png) of the choice")


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.evaluation.cascades import Choice, make_cascade
    from pi_classifier_training.evaluation.temperature import calibrate_model
    from pi_classifier_training.progress import watched

    def progress(photos: Sequence[Photo]) -> Iterable[Photo]:
        return watched("classifying", photos)

    if len(options.models) == 1:
        (model,) = options.models
        return print_lines(calibrate_model(model, options.image_dir, options.output, progress))
    if options.output is None:
        options.parser.error("a cascade needs a file to be written to: -o cascade.toml")
    choice = Choice(options.max_loss, options.budget_ms, tuple(options.accept), options.per_label)
    name = options.name or options.output.resolve().parent.name
    return print_lines(
        make_cascade(
            options.models, options.image_dir, name, options.output, choice, options.plot, progress
        )
    )
