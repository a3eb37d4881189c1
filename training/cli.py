"""pi-classifier-train: the workstation's commands."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pi_classifier import __version__
from pi_classifier.errors import PiClassifierError
from training.networks import NETWORKS, NetworkSpec

PROGRAM = "pi-classifier-train"
# What the extra "training" installs.
EXTRA_PACKAGES = frozenset({"absl", "flatbuffers", "keras", "tensorflow", "tqdm"})
EXIT_UNAVAILABLE = 69
EXIT_IO = 74
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code of the error tree, 0 for success."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(message)s",
        stream=sys.stderr,
    )
    # TensorFlow's own start-up lines say nothing a user could act on.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        code: int = options.run(options)
    except PiClassifierError as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in EXTRA_PACKAGES:
            raise
        print(
            f"{PROGRAM}: error: {options.command} needs the package {error.name}, which is not "
            "installed; install the training side: pip install 'pi-classifier[training]' (in a "
            "clone: pip install '.[training]')",
            file=sys.stderr,
        )
        return EXIT_UNAVAILABLE
    except OSError as error:
        print(f"{PROGRAM}: error: {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_IO
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped; nothing half-written was left", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Turn a folder of photos into a small model for a Raspberry Pi.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--verbose", action="store_true", help="log details")
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")
    _add_retrain(commands)
    _add_evaluate(commands)
    _add_export(commands)
    _add_scenes(commands)
    _add_cascade(commands)
    return parser


def _add_image_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image-dir",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="folder of photos, one sub-folder per label; may be given several times",
    )


def _add_retrain(commands: Any) -> None:
    p = commands.add_parser("retrain", help="train a model on a folder of photos")
    p.set_defaults(run=_retrain)
    _add_image_dir(p)
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
        type=_count,
        default=0,
        metavar="EPOCHS",
        help="epochs of training the whole network behind the head (default 0)",
    )
    p.add_argument(
        "--teacher", type=Path, metavar="RUN", help="output folder of a run to distil from"
    )
    p.add_argument("--resize", choices=("crop", "stretch"), default="crop")
    p.add_argument("--epochs", type=_positive, default=60, help="epochs with --weights none (60)")
    p.add_argument("--batch", type=_positive, default=64, help="photos a step (64)")
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


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a score from 0 to 1")
    return value


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _retrain(options: argparse.Namespace) -> int:
    from training.deliver import deliver
    from training.model_card import ModelCard
    from training.retrain import RetrainOptions, retrain
    from training.trainer import TrainingOptions

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
    return _print_lines(deliver(options.output_dir, options.image_dir))


def _print_lines(lines: Iterable[str]) -> int:
    for line in lines:
        print(line, flush=True)
    return 0


def _add_evaluate(commands: Any) -> None:
    p = commands.add_parser(
        "evaluate", help="measure a model file or cascade on photos, through the daemon's own code"
    )
    p.set_defaults(run=_evaluate)
    p.add_argument("model", metavar="MODEL", help="a .tflite file, a cascade.toml or its folder")
    _add_image_dir(p)
    p.add_argument(
        "--split",
        choices=("all", "test"),
        default="test",
        help="test: the held-out tenth (default); all: for photos never trained on",
    )
    p.add_argument("--labels", metavar="FILE", help="label file of a model without labels")
    p.add_argument("--json", action="store_true")


def _evaluate(options: argparse.Namespace) -> int:
    from pi_classifier.classifier import ModelSettings
    from training.evaluate import evaluate
    from training.progress import watched
    from training.report_text import evaluation_lines

    settings = ModelSettings(labels=options.labels) if options.labels else ModelSettings()
    record = evaluate(
        options.model,
        options.image_dir,
        options.split,
        settings,
        lambda photos: watched("classifying", photos),
    )
    if options.json:
        print(json.dumps(record))
    else:
        print("\n".join(evaluation_lines(record)))
    return 0


def _add_export(commands: Any) -> None:
    p = commands.add_parser("export", help="write the model files of a finished run again")
    p.set_defaults(run=_export)
    p.add_argument("run_dir", type=Path, metavar="RUN", help="output folder of retrain")
    _add_image_dir(p)


def _export(options: argparse.Namespace) -> int:
    from training.deliver import deliver

    return _print_lines(deliver(options.run_dir, options.image_dir))


def _add_scenes(commands: Any) -> None:
    p = commands.add_parser("render-scenes", help="draw garden scenes as photos to train with")
    p.set_defaults(run=_render)
    p.add_argument("--output-dir", type=Path, required=True, metavar="DIR")
    p.add_argument("--per-label", type=_count, default=200, help="scenes of each flower (200)")
    p.add_argument("--background", type=_count, default=400, help="scenes without any (400)")
    p.add_argument("--seed", type=int, default=1000)


def _render(options: argparse.Namespace) -> int:
    from training.render import render_scenes

    n = render_scenes(options.output_dir, options.per_label, options.background, options.seed)
    print(f"{n} scenes in {options.output_dir}")
    return 0


def _add_cascade(commands: Any) -> None:
    p = commands.add_parser("cascade", help="join a cheap and a costly model to a cascade")
    p.set_defaults(run=_cascade)
    p.add_argument("models", nargs="+", metavar="MODEL", type=Path, help="cheapest first")
    _add_image_dir(p)
    p.add_argument("--name", required=True)
    p.add_argument(
        "--max-loss",
        type=float,
        default=0.003,
        metavar="FRACTION",
        help="accuracy the cascade may lose against its last model (0.003)",
    )
    p.add_argument(
        "--accept",
        type=_score,
        metavar="SCORE",
        help="accept threshold of the first model, instead of one chosen by --max-loss",
    )
    p.add_argument("--output", type=Path, required=True, metavar="cascade.toml")


def _cascade(options: argparse.Namespace) -> int:
    from training.calibrate import make_cascade

    return _print_lines(
        make_cascade(
            options.models,
            options.image_dir,
            options.name,
            options.output,
            max_loss=options.max_loss,
            accept=options.accept,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
