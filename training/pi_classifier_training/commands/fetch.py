"""Download a public data set of photos."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "fetch",
        help="download a public data set of photos (218 MB), again where it broke off",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.data.fetch import DATA_SETS

    parser.add_argument("data_set", choices=tuple(DATA_SETS), help="which one")
    parser.add_argument(
        "--to",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder to put it in (default: this one)",
    )


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.data.fetch import DATA_SETS, fetch
    from pi_classifier_training.progress import Progress

    data_set = DATA_SETS[options.data_set]
    with Progress("downloading (bytes)", data_set.size_bytes) as progress:
        folder = fetch(data_set, options.to, progress.step)
    print(f"{folder}: {data_set.license}; the photographers are named in {data_set.notice}")
    return 0
