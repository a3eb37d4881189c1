"""Draw garden scenes as photos to train with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier_training.commands.arguments import count


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser("render-scenes", help="draw garden scenes as photos to train with")
    p.set_defaults(run=_run)
    p.add_argument("--output-dir", type=Path, required=True, metavar="DIR")
    p.add_argument("--per-label", type=count, default=200, help="scenes of each flower (200)")
    p.add_argument("--background", type=count, default=400, help="scenes without any (400)")
    p.add_argument("--seed", type=int, default=1000)


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.data.render import render_scenes

    n = render_scenes(options.output_dir, options.per_label, options.background, options.seed)
    print(f"{n} scenes in {options.output_dir}")
    return 0
