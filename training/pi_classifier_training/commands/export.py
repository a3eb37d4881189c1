"""Write the model files of a finished run again, of any kind, under any name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier_training.commands.arguments import add_image_dir, print_lines

KINDS = ("float32", "float16", "dynamic", "int8")
CARD = ("name", "version", "author", "license", "description")


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser("export", help="write the model files of a finished run again")
    p.set_defaults(run=_run)
    p.add_argument("run_dir", type=Path, metavar="RUN", help="output folder of retrain")
    add_image_dir(p)
    p.add_argument(
        "--kind",
        choices=KINDS,
        action="append",
        help="which file to write; may be given several times (default: float32 and int8)",
    )
    p.add_argument(
        "-o", "--output", type=Path, metavar="OUT.tflite", help="where to, with one --kind"
    )
    for entry in CARD:
        p.add_argument(
            f"--{entry}", metavar="TEXT", help=f"{entry} in the model file (default: the run's)"
        )


def _run(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from pi_classifier_training.errors import ExportError
    from pi_classifier_training.export.deliver import DELIVERED, deliver, open_run

    kinds = tuple(dict.fromkeys(options.kind or DELIVERED))
    if options.output is not None and len(kinds) != 1:
        raise ExportError(
            f"--output {options.output} is one file; say which with one --kind "
            f"({', '.join(KINDS)})"
        )
    given = {e: getattr(options, e) for e in CARD if getattr(options, e) is not None}
    card = replace(open_run(options.run_dir, options.image_dir).card, **given)
    return print_lines(deliver(options.run_dir, options.image_dir, kinds, card, options.output))
