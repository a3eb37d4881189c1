"""Write the model files of a finished run again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training.commands.arguments import add_image_dir, print_lines


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser("export", help="write the model files of a finished run again")
    p.set_defaults(run=_run)
    p.add_argument("run_dir", type=Path, metavar="RUN", help="output folder of retrain")
    add_image_dir(p)


def _run(options: argparse.Namespace) -> int:
    from training.delivery.deliver import deliver

    return print_lines(deliver(options.run_dir, options.image_dir))
