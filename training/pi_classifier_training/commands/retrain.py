"""Train a model on a folder of photos."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_classifier_training.commands.arguments import (
    above_zero,
    add_image_dir,
    count,
    fraction,
    positive,
    print_lines,
)
from pi_classifier_training.networks.network import NETWORKS, network_spec

if TYPE_CHECKING:
    from pi_classifier_training.retraining.options import RetrainOptions


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser(
        "retrain",
        help="train a model on a folder of photos",
        description="Train a model on a folder of photos. A training that was stopped goes on "
        "when the same command is given again.",
    )
    p.set_defaults(run=_run)
    add_image_dir(p)
    p.add_argument("--output-dir", type=Path, required=True, metavar="OUT")
    p.add_argument("--name", help="the model's name (default: the output folder's)")
    p.add_argument("--force", action="store_true", help="train anew in a folder already used")
    _add_network(p.add_argument_group("the network"))
    _add_head(p.add_argument_group("training the head"))
    _add_whole(p.add_argument_group("training the whole network"))
    _add_both(p.add_argument_group("all training"))
    card = p.add_argument_group("written into the model file")
    for entry in ("description", "author", "license"):
        card.add_argument(f"--{entry}", default="", metavar="TEXT")


def _add_network(p: Any) -> None:
    p.add_argument("--network", choices=NETWORKS, default="mobilenet_v1", metavar="NAME",
                   help=f"{', '.join(NETWORKS)} (default mobilenet_v1)")  # fmt: skip
    p.add_argument("--width", type=float, help="width multiplier (default: the smallest)")
    p.add_argument("--resolution", type=int, help="input side in pixels (default: 128)")
    p.add_argument(
        "--weights",
        default="imagenet",
        metavar="imagenet|none|FILE|RUN",
        help="where to start: published weights, from scratch, a .h5 file or an earlier run",
    )
    p.add_argument(
        "--resize",
        choices=("crop", "stretch"),
        default="crop",
        help="what becomes of photos that are not square (crop)",
    )
    p.add_argument(
        "--cache-dir",
        metavar="DIR",
        help="where the features of photos are kept for later runs; 'none' keeps none "
        "(default: ~/.cache/pi-classifier/bottlenecks)",
    )


def _add_head(p: Any) -> None:
    p.add_argument(
        "--head-epochs",
        type=positive,
        default=60,
        metavar="N",
        help="epochs of training the head (60)",
    )
    p.add_argument(
        "--head-rate",
        type=above_zero,
        default=3e-3,
        metavar="RATE",
        help="its learning rate (0.003)",
    )


def _add_whole(p: Any) -> None:
    p.add_argument(
        "--fine-tune",
        type=count,
        default=0,
        metavar="EPOCHS",
        help="epochs of training the whole network behind the head, on varied photos (0)",
    )
    p.add_argument(
        "--blocks",
        type=count,
        metavar="N",
        help="fine-tune only the last N blocks of the network (default: all)",
    )
    p.add_argument("--epochs", type=positive, default=60, help="epochs with --weights none (60)")
    p.add_argument(
        "--rate",
        type=above_zero,
        default=2e-3,
        help="highest learning rate; a twentieth of it in fine-tuning (0.002)",
    )
    p.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        metavar="RUN",
        help="output folder of a run to distil from; several with --answers",
    )
    p.add_argument(
        "--answers",
        type=Path,
        metavar="DIR",
        help="keep there what the teachers say, for all students of the same photos",
    )
    p.add_argument(
        "--views",
        type=count,
        default=0,
        metavar="N",
        help="show the same N varied views of each photo again and again (0: never the same)",
    )
    p.add_argument(
        "--small-share",
        type=fraction,
        default=0.0,
        metavar="SHARE",
        help="share of the epochs at small views, faster (0)",
    )


def _add_both(p: Any) -> None:
    p.add_argument("--batch", type=positive, default=64, help="photos a step (64)")
    p.add_argument(
        "--steps",
        type=positive,
        metavar="N",
        help="steps of the head (with --weights none: of all training), instead of epochs",
    )
    p.add_argument(
        "--patience",
        type=count,
        default=0,
        metavar="EPOCHS",
        help="stop when validation has not got better for so long, and take the best (0: never)",
    )
    p.add_argument(
        "--class-weights",
        choices=("auto", "none"),
        default="auto",
        help="auto: labels with few photos weigh more where one has over 1.5 times the photos "
        "of another (default)",
    )
    p.add_argument("--seed", type=int, default=1, help="other random numbers (1)")


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.export.deliver import DELIVERED, deliver
    from pi_classifier_training.reporting.report import report_after_training
    from pi_classifier_training.retraining.retrain import retrain
    from pi_classifier_training.retraining.run_folder import RunFolder

    choices = choices_of(options)
    retrain(options.image_dir, options.output_dir, choices, force=options.force)
    if set(DELIVERED) <= RunFolder(options.output_dir).record().get("evaluation", {}).keys():
        print(f"{options.output_dir}: finished before; its files are as they were (see --force)")
        return 0
    print_lines(deliver(options.output_dir, options.image_dir))
    lines = report_after_training(
        options.output_dir, options.image_dir, options.weights, options.cache_dir
    )
    return print_lines(lines)


def choices_of(options: argparse.Namespace) -> RetrainOptions:
    """What was asked for on the command line."""
    from pi_classifier_training.modelfile.model_card import ModelCard
    from pi_classifier_training.retraining.head import HeadOptions
    from pi_classifier_training.retraining.options import RetrainOptions
    from pi_classifier_training.retraining.trainer import TrainingOptions

    scratch = options.weights == "none"
    return RetrainOptions(
        network=network_spec(options.network, options.width, options.resolution),
        weights=options.weights,
        fine_tune=options.fine_tune,
        blocks=options.blocks,
        teachers=tuple(options.teacher),
        answers=options.answers,
        resize=options.resize,
        class_weights=options.class_weights,
        head=HeadOptions(
            epochs=options.head_epochs,
            rate=options.head_rate,
            steps=None if scratch else options.steps,
            patience=options.patience,
        ),
        training=TrainingOptions(
            epochs=options.epochs,
            batch=options.batch,
            rate=options.rate,
            seed=options.seed,
            small_share=options.small_share,
            steps=options.steps if scratch else None,
            patience=options.patience,
            views=options.views,
        ),
        card=ModelCard(
            options.name or options.output_dir.resolve().name,
            description=options.description,
            author=options.author,
            license=options.license,
        ),
        cache_dir=options.cache_dir,
    )
