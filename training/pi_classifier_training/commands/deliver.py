"""One folder for the Pi from networks that were trained one by one."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pi_classifier.config.options import add_options, given_options, read_options
from pi_classifier_training.commands.arguments import add_image_dir, path_of, print_lines

if TYPE_CHECKING:
    from pi_classifier_training.search.order import Order


def add(commands: Any) -> None:
    """Name the command; its arguments are added when it is used."""
    commands.add_parser(
        "deliver",
        help="make the folder for the Pi from one trained network, or from two as a cascade",
        description="From one run folder of retrain, or from two (the cheaper network first), "
        "make what auto leaves at its end: the folder to copy to the Pi, its figures on photos "
        "that chose nothing, and a report.",
        describe=_describe,
    ).set_defaults(run=_deliver, starts_tensorflow=True)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.evaluation.thresholds import ThresholdPolicy
    from pi_classifier_training.modelfile.model_card import ModelCard
    from pi_classifier_training.search.order import Order

    parser.add_argument(
        "runs", nargs="+", metavar="RUN", type=path_of, help="output folder of retrain"
    )
    add_image_dir(parser, split=False)
    parser.add_argument(
        "--output-dir", type=path_of, required=True, metavar="OUT", help="a folder for the result"
    )
    add_options(parser, Order)
    parser.add_argument("--no-report", action="store_true", help="write no report: quicker")
    cascade = parser.add_argument_group("when the first of two answers alone")
    add_options(cascade, ThresholdPolicy, exclusive=("max_loss", "budget_ms", "accept"))
    card = parser.add_argument_group("written into the model files")
    add_options(card, ModelCard, configured=True)


def _deliver(options: argparse.Namespace) -> int:
    from pi_classifier_training.retraining.run_folder import RunFolder
    from pi_classifier_training.search.delivery import COPY_FOLDER, deliver
    from pi_classifier_training.search.delivery_report import (
        figure_lines,
        report_on,
        report_options,
    )
    from pi_classifier_training.search.order import require_deliverable

    order, output = _order(options), RunFolder(options.output_dir)
    require_deliverable(order)
    with contextlib.ExitStack() as stack:
        for folder in dict.fromkeys(path.resolve() for path in (*order.runs, output.path)):
            stack.enter_context(RunFolder(folder).held())
        output.require_made_by("auto")
        output.require_made_by("retrain")
        record = deliver(order, output.path)
        print_lines(figure_lines(record))
        if not options.no_report:
            print_lines(report_on(order, output.path, report_options(order, record, output.path)))
        print(f"The folder for the Pi: {output.path / COPY_FOLDER}")
    return 0


def _order(options: argparse.Namespace) -> Order:
    """What was asked for on the command line."""
    from pi_classifier_training.data.negatives import recorded_dirs
    from pi_classifier_training.evaluation.thresholds import ThresholdPolicy
    from pi_classifier_training.modelfile.model_card import ModelCard
    from pi_classifier_training.search.order import Order, summary_of

    card = given_options(options, ModelCard)
    order = read_options(
        options,
        Order,
        runs=tuple(options.runs),
        image_dirs=tuple(options.image_dir),
        name=card.pop("name", options.output_dir.resolve().name),
        policy=read_options(options, ThresholdPolicy),
        card=card,
    )
    if order.negatives:
        return order
    folders = (folder for run in order.runs for folder in recorded_dirs(summary_of(run)))
    return replace(order, negatives=tuple(dict.fromkeys(folders)))
