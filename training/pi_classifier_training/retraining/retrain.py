"""From folders of photos to a run folder with a trained network and its model files."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from pi_classifier.modelfile.labels import silent_outputs
from pi_classifier_training.data.dataset import Photo, require_trainable, scan
from pi_classifier_training.data.negatives import Negatives
from pi_classifier_training.data.photo_sketch import sketch
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.features.bottlenecks import BottleneckCache
from pi_classifier_training.features.computing import Compute
from pi_classifier_training.features.row_store import KEY_BYTES, Keys
from pi_classifier_training.networks.network import Network, load_weights, weights_id
from pi_classifier_training.progress import working
from pi_classifier_training.retraining.checkpoint import CHECKPOINT_FILE, Checkpoint
from pi_classifier_training.retraining.epochs import Row
from pi_classifier_training.retraining.options import RetrainOptions, versions
from pi_classifier_training.retraining.phases import Training, kept_row, run_phases
from pi_classifier_training.retraining.photo_sets import label_counts
from pi_classifier_training.retraining.recipe import finished, photos_id, recipe_id
from pi_classifier_training.retraining.run_folder import RUN_FILE, WEIGHTS_FILE, RunFolder
from pi_classifier_training.retraining.trainer import Enough

log = logging.getLogger(__name__)


def retrain(
    image_dirs: Sequence[Path],
    output_dir: Path,
    options: RetrainOptions,
    *,
    force: bool = False,
    enough: Enough = lambda: False,
    compute: Compute | None = None,
) -> None:
    """Train a network and save it in the run folder `output_dir`; go on with a killed training.

    One that is finished stays, unless `force` begins it anew. It ends early once `enough` says
    so; who computes features is `compute`. Raises DatasetError and TrainingError.
    """
    import keras

    started = time.monotonic()
    keras.utils.set_random_seed(options.training.seed)
    photos = scan(image_dirs, options.splits)
    negatives = Negatives.joining(photos, image_dirs, options.negatives)
    photos += negatives.photos
    labels = _labels(photos, options)
    teachers = _load_teachers(options, labels)
    network = _network(options, labels)
    with BottleneckCache.at(options.cache_dir, compute) as cache:
        contents = cache.contents(photos)
        recipe = _recipe(network, photos, contents, options)
        if force:
            _forget(output_dir)
        if finished(output_dir, recipe, *_asked_for(options)):
            log.info("%s: already trained with these options and photos", output_dir)
            return
        _begin(output_dir)
        checkpoint = Checkpoint(output_dir / CHECKPOINT_FILE, recipe)
        training = Training(
            network, teachers, photos, negatives, contents, options, cache, checkpoint, started
        )
        history = run_phases(training, output_dir, enough)
    RunFolder(output_dir).save(network, _record(training, image_dirs, history, recipe))
    checkpoint.remove()


def _labels(photos: Sequence[Photo], options: RetrainOptions) -> tuple[str, ...]:
    labels = require_trainable(photos)
    if options.silent_bias and not silent_outputs(labels):
        raise TrainingError(
            f"--silent-bias {options.silent_bias:g}: none of the labels {', '.join(labels)} says "
            "that nothing is to be seen; give photos of nothing with --negatives, or leave it out"
        )
    return labels


def _forget(output_dir: Path) -> None:
    for file in (RUN_FILE, CHECKPOINT_FILE):
        (output_dir / file).unlink(missing_ok=True)


def _begin(output_dir: Path) -> None:
    # Hours of training must not end in a folder that cannot be written.
    output_dir.mkdir(parents=True, exist_ok=True)
    RunFolder(output_dir).clear_partial()


def _asked_for(options: RetrainOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    return options.network.as_dict(), options.as_dict() | {"splits": options.splits.as_dict()}


def _load_teachers(options: RetrainOptions, labels: tuple[str, ...]) -> tuple[Network, ...]:
    if options.teacher_cache is None:
        if len(options.teachers) > 1:
            raise TrainingError(
                f"{len(options.teachers)} teachers need a folder where their scores are kept; "
                "add --teacher-cache DIR, or name one --teacher"
            )
        return tuple(RunFolder(run).load(labels) for run in options.teachers)
    if not options.teachers:
        raise TrainingError(
            "--teacher-cache keeps what teachers say; name at least one: --teacher RUN"
        )
    return tuple(RunFolder(run).load() for run in options.teachers)


def _network(options: RetrainOptions, labels: tuple[str, ...]) -> Network:
    """The network with the weights it begins with; what shall not change is frozen."""
    with working("building the network"):
        network = Network(options.network, labels)
        _begin_with_weights(network, options)
    if options.fine_tune:
        network.freeze_below(options.blocks)
    return network


def _begin_with_weights(network: Network, options: RetrainOptions) -> None:
    if options.resumes:
        if not options.fine_tune:
            raise TrainingError(
                f"--weights {options.weights}: an earlier run goes on with fine-tuning; say how "
                "long with --fine-tune EPOCHS"
            )
        network.take_weights(RunFolder(Path(options.weights)).load(network.labels))
    elif not options.from_scratch:
        load_weights(network.backbone, options.network, options.weights)


def _recipe(
    network: Network, photos: Sequence[Photo], contents: Keys, options: RetrainOptions
) -> str:
    import tensorflow as tf

    head = None
    if options.resumes:
        head = hashlib.sha256(
            b"".join(w.tobytes() for w in network.head.get_weights())
        ).hexdigest()
    teachers = [
        hashlib.sha256((teacher / WEIGHTS_FILE).read_bytes()).hexdigest()
        for teacher in options.teachers
    ]
    scratch = options.from_scratch
    return recipe_id(
        {
            "photos": photos_id(photos, contents),
            "network": options.network.as_dict(),
            "options": options.as_dict(),
            "weights": None if scratch else weights_id(network.spec, network.backbone),
            "head": head,
            "teachers": teachers,
            "tensorflow": tf.__version__,
        }
    )


def _sketch(training: Training) -> list[str]:
    """A sketch of the photos that trained, or that choices were made on."""
    own = zip(training.photos, training.contents.tolist(), strict=True)
    count = len(training.photos) - len(training.negatives.photos)
    return sketch(
        content.ljust(KEY_BYTES, b"\0")
        for photo, content in islice(own, count)
        if photo.split != "test"
    )


def _record(
    training: Training, image_dirs: Sequence[Path], history: list[Row], recipe: str
) -> dict[str, Any]:
    options = training.options
    return {
        "card": asdict(options.card),
        "data": {
            "name": " + ".join(d.resolve().name for d in image_dirs),
            "split_rule": options.splits.words(),
            "splits": options.splits.as_dict(),
            "photo_sketch": _sketch(training),
            "photos": len(training.photos) - len(training.negatives.photos),
            **training.negatives.record(),
            "counts": label_counts(training.photos, training.network.labels),
            "unreadable": len(training.unreadable),
        },
        # Where to find them again; a model file says only what they are called.
        "negatives": [str(folder) for folder in training.negatives.dirs],
        "options": options.as_dict(),
        "history": history,
        "validation_accuracy": kept_row(history)["validation_accuracy"],
        "recipe": recipe,
        "seconds": round(time.monotonic() - training.started, 1),
        "versions": versions(),
    }
