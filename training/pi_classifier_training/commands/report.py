"""Write the page that says how good a run's model is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier.config.options import add_options, read_options
from pi_classifier_training.commands.arguments import add_image_dir, add_output


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "report",
        help="write one page: how good the model is, what it confuses, what to copy",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.reporting.report import ReportOptions

    parser.add_argument("run_dir", type=Path, metavar="RUN", help="output folder of retrain")
    add_image_dir(parser)
    add_output(parser, "FILE", "the page (default: RUN/report.html)")
    add_options(parser, ReportOptions)


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.reporting.report import ReportOptions, write_report

    path = write_report(
        options.run_dir, options.image_dir, options.output, read_options(options, ReportOptions)
    )
    print(f"{path}: open it in a browser ({path.stat().st_size / 1000:.0f} kB)")
    return 0
