"""Train models on folders of photos, and compare trainings."""

from __future__ import annotations

import argparse
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from pi_classifier.config.options import add_options, given_options, read_options
from pi_classifier_training.commands.arguments import add_image_dir, add_ray, path_of, print_lines

if TYPE_CHECKING:
    from pi_classifier_training.networks.spec import NetworkSpec
    from pi_classifier_training.retraining.options import RetrainOptions

log = logging.getLogger(__name__)


def add(commands: Any) -> None:
    """Name the commands; their arguments are added when one is used."""
    commands.add_parser(
        "retrain",
        help="train a model on a folder of photos",
        description="Train a model on a folder of photos. A training that was stopped goes on "
        "when the same command is given again.",
        describe=_describe_retrain,
    ).set_defaults(run=_retrain, starts_tensorflow=True, goes_on=True)
    commands.add_parser(
        "experiments",
        help="compare the runs in a folder",
        description="Print a table of the runs in the sub-folders of DIR, made by "
        "'retrain --output-dir DIR/NAME': what differs, and how good each is.",
        describe=_describe_experiments,
    ).set_defaults(run=_experiments)


def _describe_retrain(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.inspection.estimates import BOARD_KEYS
    from pi_classifier_training.modelfile.model_card import ModelCard
    from pi_classifier_training.networks.spec import NetworkSpec
    from pi_classifier_training.retraining.options import RetrainOptions, TrainingOptions

    add_image_dir(parser)
    add_options(parser, RetrainOptions, ("negatives",))
    parser.add_argument(
        "--output-dir", type=path_of, required=True, metavar="OUT", help="the run's folder"
    )
    parser.add_argument("--force", action="store_true", help="train anew in a folder already used")
    add_ray(parser, "compute the features of photos")
    network = parser.add_argument_group("the network")
    add_options(network, NetworkSpec, configured=True)
    network.add_argument(
        "--board",
        choices=BOARD_KEYS,
        help=f"the Raspberry Pi that --network auto is for (default: {BOARD_KEYS[0]})",
    )
    add_options(network, RetrainOptions, ("weights", "resize", "cache_dir"))
    whole = parser.add_argument_group("training the whole network")
    add_options(whole, RetrainOptions, ("fine_tune", "blocks", "teachers", "teacher_cache"))
    add_options(whole, TrainingOptions)
    every = parser.add_argument_group("all training")
    add_options(every, RetrainOptions, ("head_strength", "class_weights", "silent_bias"))
    card = parser.add_argument_group("written into the model file")
    add_options(card, ModelCard, ("name", "description", "author", "license"), configured=True)


def _retrain(options: argparse.Namespace) -> int:
    from pi_classifier_training.export.run_export import DEFAULT_KINDS, export_source, open_run
    from pi_classifier_training.reporting.report import report_after_training
    from pi_classifier_training.retraining.phases import outcome
    from pi_classifier_training.retraining.retrain import retrain
    from pi_classifier_training.retraining.run_folder import RunFolder

    choices, run = choices_of(options), RunFolder(options.output_dir)
    with run.held():
        run.require_made_by("retrain")
        with contextlib.ExitStack() as stack:
            compute = None
            if options.ray is not None:
                from pi_classifier_training.cluster.connection import joined
                from pi_classifier_training.cluster.features import ComputedByCluster

                compute = ComputedByCluster(stack.enter_context(joined(options.ray)))
            retrain(options.image_dir, run.path, choices, force=options.force, compute=compute)
        if set(DEFAULT_KINDS) <= run.summary().get("evaluation", {}).keys():
            print(f"{run.path}: finished before; its files are as they were (see --force)")
            return 0
        print(f"{run.path}: {outcome(run.summary()['history'])}")
        print_lines(export_source(open_run(run.path, options.image_dir)))
        return print_lines(
            report_after_training(run.path, options.image_dir, choices.weights, choices.cache_dir)
        )


def choices_of(options: argparse.Namespace) -> RetrainOptions:
    """What was asked for on the command line."""
    from pi_classifier_training.data.splits import SplitOptions
    from pi_classifier_training.modelfile.model_card import ModelCard
    from pi_classifier_training.retraining.options import RetrainOptions, TrainingOptions

    name = options.name or options.output_dir.resolve().name
    return read_options(
        options,
        RetrainOptions,
        network=_network(options),
        training=read_options(options, TrainingOptions),
        card=read_options(options, ModelCard, name=name),
        splits=read_options(options, SplitOptions).applied_to(None),
    )


def _network(options: argparse.Namespace) -> NetworkSpec:
    """The network that was named, or the one that fits the board."""
    from pi_classifier_training.evaluation.boards import board_cost, network_for
    from pi_classifier_training.inspection.estimates import BOARD_KEYS, board_called
    from pi_classifier_training.networks.spec import AUTO, NetworkSpec, network_spec

    given = given_options(options, NetworkSpec)
    if given.get("name") != AUTO:
        if options.board is not None:
            options.parser.error("--board says what --network auto is for; give both or neither")
        return network_spec(**given)
    if len(given) > 1:
        options.parser.error("--network auto chooses width and resolution; leave them out")
    board = options.board or BOARD_KEYS[0]
    chosen, cost = network_for(board), board_cost(network_for(board), board)
    log.info(
        "network for %s: %s %g/%d, estimated at %.0f to %.0f ms a picture",
        board_called(board).name, chosen.name, chosen.width, chosen.resolution,
        cost.low_ms, cost.high_ms,
    )  # fmt: skip
    return chosen


def _describe_experiments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=path_of, metavar="DIR")


def _experiments(options: argparse.Namespace) -> int:
    from pi_classifier_training.retraining.experiments import find_experiments, table

    print_lines(table(find_experiments(options.dir)))
    print(f"\nTheir curves: tensorboard --logdir {options.dir}")
    return 0
