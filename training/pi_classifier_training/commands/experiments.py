"""Several trainings side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier_training.commands.arguments import print_lines


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "experiments",
        help="compare the runs in a folder",
        description="Print a table of the runs in the sub-folders of DIR, made by "
        "'retrain --output-dir DIR/NAME': what differs, and how good each is.",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=Path, metavar="DIR")


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.retraining.experiments import find_experiments, table

    print_lines(table(find_experiments(options.dir)))
    print(f"\nTheir curves: tensorboard --logdir {options.dir}")
    return 0
