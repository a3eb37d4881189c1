"""Draw garden scenes as photos to train with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier.config.options import add_options, read_options


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "render-scenes",
        help="draw garden scenes as photos to train with",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.data.render import SceneOptions

    parser.add_argument(
        "--output-dir", type=Path, required=True, metavar="DIR", help="a new folder"
    )
    add_options(parser, SceneOptions)


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.data.render import SceneOptions, render_scenes

    count = render_scenes(options.output_dir, read_options(options, SceneOptions))
    print(f"{count} scenes in {options.output_dir}")
    return 0
