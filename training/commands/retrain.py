"""Train a model on a folder of photos."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training.commands.arguments import add_image_dir, count, positive, print_lines
from training.networks.network import NETWORKS, NetworkSpec


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser("retrain", help="train a model on a folder of photos")
    p.set_defaults(run=_run)
    add_image_dir(p)
    p.add_argument("--output-dir", type=Path, required=True, metavar="OUT")
    p.add_argument("--name", help="the model's name (default: the output folder's)")
    p.add_argument("--network", choices=NETWORKS, default="mobilenet_v1")
    p.add_argument("--width", type=float, default=0.25, help="width multiplier (default 0.25)")
    p.add_argument("--resolution", type=int, default=128, help="input side in pixels (128)")
    p.add_argument(
        "--weights",
        default="imagenet",
        metavar="imagenet|none|FILE|RUN",
        help="where to start: published weights, from scratch, a .h5 file or an earlier run",
    )
    p.add_argument(
        "--fine-tune",
        type=count,
        default=0,
        metavar="EPOCHS",
        help="epochs of training the whole network behind the head (default 0)",
    )
    p.add_argument(
        "--teacher", type=Path, metavar="RUN", help="output folder of a run to distil from"
    )
    p.add_argument("--resize", choices=("crop", "stretch"), default="crop")
    p.add_argument("--epochs", type=positive, default=60, help="epochs with --weights none (60)")
    p.add_argument("--batch", type=positive, default=64, help="photos a step (64)")
    p.add_argument("--rate", type=float, default=2e-3, help="highest learning rate (0.002)")
    p.add_argument(
        "--small-share",
        type=float,
        default=0.0,
        help="share of the epochs at small views, faster (0)",
    )
    p.add_argument("--seed", type=int, default=1)
    for entry in ("description", "author", "license"):
        p.add_argument(f"--{entry}", default="", help=f"{entry} written into the model file")


def _run(options: argparse.Namespace) -> int:
    from training.delivery.deliver import deliver
    from training.delivery.model_card import ModelCard
    from training.retraining.retrain import RetrainOptions, retrain
    from training.retraining.trainer import TrainingOptions

    choices = RetrainOptions(
        network=NetworkSpec(options.network, options.width, options.resolution),
        weights=options.weights,
        fine_tune=options.fine_tune,
        teacher=options.teacher,
        resize=options.resize,
        training=TrainingOptions(
            epochs=options.epochs,
            batch=options.batch,
            rate=options.rate,
            seed=options.seed,
            small_share=options.small_share,
        ),
        card=ModelCard(
            options.name or options.output_dir.resolve().name,
            description=options.description,
            author=options.author,
            license=options.license,
        ),
    )
    retrain(options.image_dir, options.output_dir, choices)
    return print_lines(deliver(options.output_dir, options.image_dir))
