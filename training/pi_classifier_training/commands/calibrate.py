"""Make scores mean what they say; choose when a cascade's cheap models answer alone."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from pi_classifier.config.options import add_options, read_options
from pi_classifier_training.commands.arguments import (
    add_image_dir,
    add_output,
    path_of,
    print_lines,
    require_folder,
)


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "calibrate",
        help="one model: make its scores mean what they say; several: join them to a cascade",
        description="One model: choose the temperature on the validation photos at which its "
        "scores fit best what is right, and write it into the file; with --negatives also how "
        "to tell what is unlike every label. Several: choose the scores "
        "from which the cheap ones answer alone, and write a cascade.toml.",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.evaluation.thresholds import ThresholdPolicy

    parser.add_argument("models", nargs="+", metavar="MODEL", type=path_of, help="cheapest first")
    add_image_dir(parser)
    add_output(
        parser,
        "FILE",
        "of several: a folder to make, which holds the models too and can be copied to the Pi, "
        "or a cascade.toml that names them where they lie; of one model a new file, which else is "
        "changed in place",
    )
    parser.add_argument(
        "--negatives",
        type=path_of,
        action="append",
        default=[],
        metavar="DIR",
        help="folder of photos that show none of the labels, a sub-folder for each place: the "
        "device then says nothing to what is unlike every label; may be given several times",
    )
    parser.add_argument("--name", help="the cascade's name (default: its folder's)")
    add_options(parser, ThresholdPolicy, exclusive=("max_loss", "budget_ms", "accept"))
    parser.add_argument(
        "--plot", type=path_of, metavar="FILE", help="picture (.svg, .png) of the choice"
    )


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.data.splits import SplitOptions
    from pi_classifier_training.evaluation.cascades import make_cascade
    from pi_classifier_training.evaluation.temperature import calibrate_model
    from pi_classifier_training.evaluation.thresholds import ThresholdPolicy
    from pi_classifier_training.progress import with_progress

    if len(options.models) == 1 or not (options.output and options.output.is_dir()):
        require_folder(options.output)
    require_folder(options.plot)
    splits = read_options(options, SplitOptions)
    progress = partial(with_progress, "classifying")
    if len(options.models) == 1:
        (model,) = options.models
        return print_lines(
            calibrate_model(
                model, options.image_dir, options.output, progress, splits, options.negatives
            )
        )
    if options.negatives:
        options.parser.error("--negatives is for one model; calibrate each by itself first")
    if options.output is None:
        options.parser.error("a cascade needs a folder to be written to: -o birds")
    policy = read_options(options, ThresholdPolicy)
    whole = options.output.resolve()
    name = options.name or (whole.parent if whole.suffix == ".toml" else whole).name
    return print_lines(
        make_cascade(
            options.models,
            options.image_dir,
            name,
            options.output,
            policy,
            options.plot,
            progress,
            splits,
        )
    )
