"""The best model for a board in one command."""

from __future__ import annotations

import argparse
import contextlib
import logging
import time
from typing import Any

from pi_classifier.config.options import add_options, read_options
from pi_classifier_training.commands.arguments import add_image_dir, add_ray, path_of, print_lines


def add(commands: Any) -> None:
    """Name the command; its arguments are added when it is used."""
    commands.add_parser(
        "auto",
        help="find and train the best model for a board in a given time",
        description="Try the networks worth trying on your photos in the time given, and leave "
        "the best model for the board. One that was stopped goes on when the same command is "
        "given again.",
        describe=_describe_auto,
    ).set_defaults(run=_auto, starts_tensorflow=True, goes_on=True)


def _describe_auto(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.search.options import AutoOptions

    add_image_dir(parser)
    parser.add_argument(
        "--output-dir", type=path_of, required=True, metavar="OUT", help="a folder for the result"
    )
    parser.add_argument("--force", action="store_true", help="begin anew in a folder already used")
    add_ray(parser, "make the trials")
    add_options(parser, AutoOptions)
    # The time that TensorFlow takes to start counts as well.
    parser.set_defaults(began_s=time.monotonic())


def _auto(options: argparse.Namespace) -> int:
    from pi_classifier_training.data.splits import SplitOptions
    from pi_classifier_training.retraining.run_folder import RunFolder
    from pi_classifier_training.search.auto import search, table
    from pi_classifier_training.search.finish import Finishing, finish
    from pi_classifier_training.search.options import AutoOptions

    rule = read_options(options, SplitOptions).applied_to(None)
    choices = read_options(options, AutoOptions, splits=rule)
    if not options.verbose:
        # What single trainings say of themselves is told in the display.
        logging.getLogger("pi_classifier_training.retraining").setLevel(logging.WARNING)
    with contextlib.ExitStack() as stack:
        folder = RunFolder(options.output_dir)
        stack.enter_context(folder.held())
        folder.require_made_by("auto")
        executor = None
        if options.ray is not None:
            from pi_classifier_training.cluster.connection import joined
            from pi_classifier_training.cluster.trials import RayExecutor

            cluster = stack.enter_context(joined(options.ray))
            executor = stack.enter_context(RayExecutor(cluster, choices.cache_dir))
        result = search(
            options.image_dir,
            options.output_dir,
            choices,
            force=options.force,
            executor=executor,
            spent_s=time.monotonic() - options.began_s,
        )
        print_lines(table(result.tried))
        dirs = tuple(options.image_dir)
        finishing = Finishing(result.tried, dirs, options.output_dir, choices, result.left_s)
        return print_lines(finish(finishing))
