"""From folders of photos to a run folder with a trained network and its model files."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pi_classifier.preprocess import Preprocessor, Resize
from training.data.dataset import Images, Photo, decode, require_trainable, scan, squeeze
from training.delivery.model_card import ModelCard
from training.errors import TrainingError
from training.networks.network import Network, NetworkSpec, load_weights
from training.progress import watched
from training.retraining.head import train_head
from training.retraining.run_folder import RunFolder
from training.retraining.trainer import TrainingOptions, WholeNetworkTrainer, accuracy_of

log = logging.getLogger(__name__)

# Photos are kept this much larger than the input, so that crops keep their detail.
SQUARE_MARGIN = 1.25
FINE_TUNE_RATE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class RetrainOptions:
    """What to train: the network, where its weights come from, and how long.

    `weights` is ``imagenet``, ``none``, the path of a Keras .h5 file or an earlier run
    folder. With published weights only a new head is trained, then `fine_tune` epochs of
    the whole network; an earlier run goes straight to fine-tuning; without weights the
    whole network is trained from scratch for `training.epochs`. `teacher` is the
    run folder of a trained network to distil from.
    """

    network: NetworkSpec = field(default_factory=NetworkSpec)
    weights: str = "imagenet"
    fine_tune: int = 0
    teacher: Path | None = None
    resize: Resize = "crop"
    training: TrainingOptions = field(default_factory=TrainingOptions)
    card: ModelCard = field(default_factory=ModelCard)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The photos of a run, decoded and split."""

    photos: tuple[Photo, ...]
    labels: tuple[str, ...]
    training: Images
    validation: Images
    squares: Images | None


def retrain(image_dirs: Sequence[Path], output_dir: Path, options: RetrainOptions) -> None:
    """Train a network and save it in the run folder `output_dir`.

    Raises DatasetError and TrainingError with one clear message.
    """
    import keras

    started = time.monotonic()
    keras.utils.set_random_seed(options.training.seed)
    photos = scan(image_dirs)
    labels = require_trainable(photos)
    whole = options.weights == "none" or options.fine_tune > 0
    teacher = None if options.teacher is None else RunFolder(options.teacher).load(labels)
    network = Network(options.network, labels)
    earlier = Path(options.weights)
    goes_on = earlier.is_dir()
    if goes_on:
        network.take_weights(RunFolder(earlier).load(labels))
    elif options.weights != "none":
        load_weights(network.backbone, options.network, options.weights)
    prepared = _prepare(photos, labels, options, squares=whole)
    # Hours of training must not end in a folder that cannot be written.
    output_dir.mkdir(parents=True, exist_ok=True)
    history = [] if goes_on or options.weights == "none" else [_head(network, prepared, options)]
    if prepared.squares is not None:
        history += _whole(network, prepared.squares, prepared.validation, options, teacher)
    record = {
        "card": asdict(options.card),
        "data": _data_record(image_dirs, prepared),
        "options": _options_record(options),
        "history": history,
        "validation_accuracy": accuracy_of(network, prepared.validation),
        "seconds": round(time.monotonic() - started, 1),
        "versions": _versions(),
    }
    RunFolder(output_dir).save(network, record)


def _prepare(
    photos: Sequence[Photo], labels: tuple[str, ...], options: RetrainOptions, *, squares: bool
) -> Prepared:
    side = options.network.resolution
    as_device = Preprocessor((side, side), options.resize)
    of = {s: [p for p in photos if p.split == s] for s in ("training", "validation")}
    training = decode(
        of["training"], labels, as_device, side, lambda p: watched("reading photos", p)
    )
    validation = decode(of["validation"], labels, as_device, side)
    enlarged = None
    if squares:
        margin = round(side * SQUARE_MARGIN)
        enlarged = decode(
            of["training"],
            labels,
            squeeze(margin),
            margin,
            lambda p: watched("reading photos, larger", p),
        )
    for message in (*training.unreadable, *validation.unreadable):
        log.warning("left out: %s", message)
    for images, name in ((training, "training"), (validation, "validation")):
        if set(images.indices) != set(range(len(labels))):
            raise TrainingError(f"a label has no readable photo left for {name}; see above")
    return Prepared(tuple(photos), labels, training, validation, enlarged)


def _head(network: Network, prepared: Prepared, options: RetrainOptions) -> dict[str, float]:
    accuracy = train_head(
        network,
        prepared.training,
        prepared.validation,
        options.training.batch,
        options.training.seed,
    )
    log.info("head trained: validation accuracy %.1f %%", 100 * accuracy)
    return {"epoch": 0, "validation_accuracy": accuracy}


def _whole(
    network: Network,
    squares: Images,
    validation: Images,
    options: RetrainOptions,
    teacher: Network | None,
) -> list[dict[str, float]]:
    settings = options.training
    if options.weights != "none":
        # Published weights are near their goal: a small rate keeps them there.
        settings = replace(
            settings, epochs=options.fine_tune, rate=settings.rate * FINE_TUNE_RATE_SHARE
        )
    steps = settings.epochs * -(-len(squares) // settings.batch)
    # Hints are for a network that knows nothing; later they would only disturb it.
    hinted = options.weights == "none"
    trainer = WholeNetworkTrainer(network, settings, steps, teacher, hinted=hinted)
    return trainer.train(squares, validation, log=_log_epoch)


def _log_epoch(row: dict[str, float]) -> None:
    if "validation_accuracy" in row:
        log.info(
            "epoch %d: loss %.3f, training accuracy %.1f %%, validation accuracy %.1f %%",
            row["epoch"],
            row["loss"],
            100 * row["accuracy"],
            100 * row["validation_accuracy"],
        )


def _data_record(image_dirs: Sequence[Path], prepared: Prepared) -> dict[str, Any]:
    counts = Counter((p.label, p.split) for p in prepared.photos)
    return {
        "name": " + ".join(d.resolve().name for d in image_dirs),
        "split_rule": "sha256 of the file name: 10 % test, 10 % validation, 80 % training",
        "photos": len(prepared.photos),
        "counts": {
            label: {s: counts[label, s] for s in ("training", "validation", "test")}
            for label in prepared.labels
        },
        "unreadable": len(prepared.training.unreadable) + len(prepared.validation.unreadable),
    }


def _options_record(options: RetrainOptions) -> dict[str, Any]:
    record = asdict(options)
    del record["card"], record["network"]  # entries of their own
    # A model file travels: it names files, never the folders of the machine it was made on.
    record["weights"] = Path(options.weights).name
    record["teacher"] = None if options.teacher is None else options.teacher.resolve().name
    return record


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    import keras
    import numpy as np
    import tensorflow as tf

    from pi_classifier import __version__

    return {
        "pi-classifier": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "pillow": version("pillow"),
    }
