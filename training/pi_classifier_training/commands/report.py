"""Write the page that says how good a run's model is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier_training.commands.arguments import add_image_dir


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser(
        "report", help="write one page: how good the model is, what it confuses, what to copy"
    )
    p.set_defaults(run=_run)
    p.add_argument("run_dir", type=Path, metavar="RUN", help="output folder of retrain")
    add_image_dir(p)
    p.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the page (default: RUN/report.html)"
    )
    p.add_argument(
        "--no-learning-curve",
        action="store_true",
        help="leave out whether more photos would help: quicker",
    )
    p.add_argument(
        "--weights",
        metavar="imagenet|FILE",
        help="published weights for the learning curve, where the run does not tell them",
    )
    p.add_argument("--cache-dir", metavar="DIR|none", help="folder of the bottleneck cache")


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.reporting.report import ReportOptions, write_report

    choices = ReportOptions(
        learning_curve=not options.no_learning_curve,
        weights=options.weights,
        cache_dir=options.cache_dir,
    )
    path = write_report(options.run_dir, options.image_dir, options.output, choices)
    print(f"{path}: open it in a browser ({path.stat().st_size / 1000:.0f} kB)")
    return 0
