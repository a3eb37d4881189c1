"""From folders of photos to a run folder with a trained network and its model files."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.data.dataset import Photo, require_trainable, scan, split_rule
from pi_classifier_training.data.negatives import Negatives
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.features.bottlenecks import BottleneckCache, Bottlenecks
from pi_classifier_training.features.row_store import Keys
from pi_classifier_training.networks.network import Network, load_weights, weights_id
from pi_classifier_training.retraining.checkpoint import CHECKPOINT_FILE, Checkpoint
from pi_classifier_training.retraining.epochs import Row, label_weights
from pi_classifier_training.retraining.event_log import EventLog
from pi_classifier_training.retraining.head import HeadTrainer
from pi_classifier_training.retraining.options import RetrainOptions, versions
from pi_classifier_training.retraining.photo_sets import (
    PhotoSets,
    decode_sets,
    decode_squares,
    label_counts,
    require_all_labels,
)
from pi_classifier_training.retraining.recipe import finished, photos_id, recipe_id
from pi_classifier_training.retraining.run_folder import RUN_FILE, WEIGHTS_FILE, RunFolder
from pi_classifier_training.retraining.teacher_targets import TeacherTargets
from pi_classifier_training.retraining.trainer import WholeNetworkTrainer

log = logging.getLogger(__name__)

FINE_TUNE_RATE_SHARE = 0.05


@dataclass(slots=True, eq=False)
class _Training:
    """A training under way: what its phases share."""

    network: Network
    teachers: tuple[Network, ...]
    photos: Sequence[Photo]
    negatives: Negatives
    contents: Keys
    options: RetrainOptions
    cache: BottleneckCache
    checkpoint: Checkpoint
    started: float
    unreadable: set[str] = field(default_factory=set)
    warned_of_weights: bool = False


def retrain(
    image_dirs: Sequence[Path], output_dir: Path, options: RetrainOptions, *, force: bool = False
) -> None:
    """Train a network and save it in the run folder `output_dir`.

    A training that was killed goes on; one that is finished stays as it is, unless
    `force` begins it anew. Raises DatasetError and TrainingError with one clear message.
    """
    import keras

    started = time.monotonic()
    keras.utils.set_random_seed(options.training.seed)
    photos = scan(image_dirs)
    negatives = Negatives.joining(photos, image_dirs, options.negatives)
    photos += negatives.photos
    labels = require_trainable(photos)
    teachers = _load_teachers(options, labels)
    network = Network(options.network, labels)
    _begin_with_weights(network, options)
    if options.fine_tune:
        network.freeze_below(options.blocks)
    with BottleneckCache.at(options.cache_dir) as cache:
        contents = cache.contents(photos)
        recipe = _recipe(network, photos, contents, options)
        if force:
            (output_dir / RUN_FILE).unlink(missing_ok=True)
            (output_dir / CHECKPOINT_FILE).unlink(missing_ok=True)
        if finished(output_dir, recipe, options.network.as_dict(), options.as_dict()):
            log.info("%s: already trained with these options and photos", output_dir)
            return
        # Hours of training must not end in a folder that cannot be written.
        output_dir.mkdir(parents=True, exist_ok=True)
        RunFolder(output_dir).clear_partial()
        checkpoint = Checkpoint(output_dir / CHECKPOINT_FILE, recipe)
        training = _Training(
            network, teachers, photos, negatives, contents, options, cache, checkpoint, started
        )
        history = _phases(training, output_dir)
    RunFolder(output_dir).save(network, _record(training, image_dirs, history, recipe))
    checkpoint.remove()


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


def _phases(training: _Training, output_dir: Path) -> list[Row]:
    """The head on bottlenecks, then the whole network, each where it is called for."""
    options = training.options
    events = EventLog(output_dir, training.network)
    history: list[Row] = []
    try:
        if not options.from_scratch and not options.resumes:
            history += _head(training, events)
        if options.from_scratch or options.fine_tune:
            history += _whole(training, events)
    finally:
        events.close()
    return history


def _head(training: _Training, events: EventLog) -> list[Row]:
    sets = {
        "training": _features(training, "training"),
        "validation": _features(training, "validation"),
    }
    options = training.options
    trainer = HeadTrainer(
        training.network,
        options.head,
        options.training.batch,
        options.training.seed,
        _label_weights(training, sets["training"].indices),
    )
    history = trainer.train(sets["training"], sets["validation"], events)
    log.info("head trained: validation accuracy %.1f %%", 100 * _accuracy(history))
    return history


def _features(training: _Training, split: str) -> Bottlenecks:
    chosen = np.array([p.split == split for p in training.photos])
    mirrored = split == "training"
    features = training.cache.features(
        training.network,
        training.options.resize,
        [p for p, here in zip(training.photos, chosen, strict=True) if here],
        training.contents[chosen],
        mirrored=mirrored,
        title="bottlenecks" if mirrored else f"bottlenecks, {split}",
    )
    _leave_out(training, features.unreadable)
    require_all_labels(features.indices, training.network.labels, split)
    return features


def _whole(training: _Training, events: EventLog) -> list[Row]:
    options, network = training.options, training.network
    sets: PhotoSets = decode_sets(
        training.photos, network.labels, options.network.resolution, options.resize
    )
    _leave_out(training, sets.unreadable)
    require_all_labels(sets.squares.indices, network.labels, "training")
    require_all_labels(sets.validation.indices, network.labels, "validation")
    settings, scratch = options.training, options.from_scratch
    if not scratch:
        # Published weights are near their goal: a small rate keeps them there.
        settings = replace(
            settings,
            epochs=options.fine_tune,
            rate=settings.rate * FINE_TUNE_RATE_SHARE,
            steps=None,
        )

    def on_epoch(row: Row) -> None:
        events(row)
        _log_epoch(row)

    teacher_targets = _teacher_targets(training)
    trainer = WholeNetworkTrainer(
        network,
        settings,
        settings.total_steps(len(sets.squares)),
        training.teachers[0] if training.teachers and teacher_targets is None else None,
        # Hints are for a network that knows nothing; later they would only disturb it.
        hinted=scratch,
        teacher_targets=teacher_targets,
        label_weights=_label_weights(training, sets.squares.indices),
        phase="scratch" if scratch else "fine-tuning",
    )
    return trainer.train(
        sets.squares, sets.validation, on_epoch=on_epoch, checkpoint=training.checkpoint
    )


def _label_weights(training: _Training, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    labels = training.network.labels
    weights = label_weights(indices, len(labels), training.options.class_weights)
    if np.ptp(weights) and not training.warned_of_weights:
        training.warned_of_weights = True
        counts = np.bincount(indices)
        few, many = counts.argmin(), counts.argmax()
        log.warning(
            "%d photos of %s, only %d of %s: labels with few photos weigh more in training "
            "(--class-weights none leaves them alone)",
            counts[many], labels[many], counts[few], labels[few],
        )  # fmt: skip
    return weights


def _teacher_targets(training: _Training) -> TeacherTargets | None:
    """The teachers with the photos as large as the largest of them wants its views."""
    options = training.options
    if options.teacher_cache is None:
        return None
    side = max(teacher.spec.resolution for teacher in training.teachers)
    squares = decode_squares(training.photos, training.network.labels, side)
    return TeacherTargets(
        training.teachers,
        squares,
        training.network.labels,
        options.training.seed,
        options.teacher_cache,
    )


def _leave_out(training: _Training, unreadable: Sequence[str]) -> None:
    for message in unreadable:
        if message not in training.unreadable:
            log.warning("left out: %s", message)
    training.unreadable.update(unreadable)


def _accuracy(history: Sequence[Row]) -> float:
    accuracy: float = history[-1]["validation_accuracy"]
    return accuracy


def _log_epoch(row: Row) -> None:
    log.info(
        "%s, epoch %d: loss %.3f, training accuracy %.1f %%, validation accuracy %.1f %%",
        row["phase"],
        row["epoch"],
        row["loss"],
        100 * row["accuracy"],
        100 * row["validation_accuracy"],
    )


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


def _record(
    training: _Training, image_dirs: Sequence[Path], history: list[Row], recipe: str
) -> dict[str, Any]:
    options = training.options
    return {
        "card": asdict(options.card),
        "data": {
            "name": " + ".join(d.resolve().name for d in image_dirs),
            "split_rule": split_rule(training.photos),
            "photos": len(training.photos) - len(training.negatives.photos),
            **training.negatives.record(),
            "counts": label_counts(training.photos, training.network.labels),
            "unreadable": len(training.unreadable),
        },
        # Where to find them again; a model file says only what they are called.
        "negatives": [str(folder) for folder in training.negatives.dirs],
        "options": options.as_dict(),
        "history": history,
        "validation_accuracy": _accuracy(history),
        "recipe": recipe,
        "seconds": round(time.monotonic() - training.started, 1),
        "versions": versions(),
    }
