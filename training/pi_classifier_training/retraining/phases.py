"""The phases of a training: a head for known features, then the whole network."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.labels import silent_outputs
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.data.doubtful_negatives import name_doubtful
from pi_classifier_training.data.negatives import Negatives
from pi_classifier_training.data.splits import group_of
from pi_classifier_training.features.bottlenecks import BottleneckCache, Bottlenecks
from pi_classifier_training.features.row_store import Keys
from pi_classifier_training.networks.network import Network
from pi_classifier_training.progress import Progress
from pi_classifier_training.retraining.checkpoint import Checkpoint
from pi_classifier_training.retraining.epochs import Row, label_weights
from pi_classifier_training.retraining.event_log import EventLog
from pi_classifier_training.retraining.head import FITS, Head, choose_strength, fit_head
from pi_classifier_training.retraining.options import RetrainOptions
from pi_classifier_training.retraining.photo_sets import (
    PhotoSets,
    decode_sets,
    decode_squares,
    require_all_labels,
)
from pi_classifier_training.retraining.teacher_targets import TeacherTargets
from pi_classifier_training.retraining.trainer import Enough, WholeNetworkTrainer, validate

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Training:
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

    @property
    def silent(self) -> tuple[int, ...]:
        """The outputs of labels that say that nothing is to be seen."""
        return silent_outputs(self.network.labels)


def run_phases(training: Training, output_dir: Path, enough: Enough) -> list[Row]:
    """The head on bottlenecks, then the whole network, each where it is called for.

    Training the whole network ends early once `enough` says so.
    """
    options = training.options
    events = EventLog(output_dir, training.network)
    history: list[Row] = []
    try:
        if not options.from_scratch and not options.resumes:
            history.append(_head(training, events))
        sets = None
        if options.from_scratch or options.fine_tune:
            sets = _decoded(training)
            train = _whole if options.from_scratch else partial(_fine_tuned, history)
            history = train(training, sets, events, enough)
        if options.silent_bias:
            _add_silent_bias(training, kept_row(history), sets)
    finally:
        events.close()
    return history


def kept_row(history: Sequence[Row]) -> Row:
    """The epoch whose weights the run ended with."""
    return next(row for row in history if row.get("kept"))


def outcome(history: Sequence[Row]) -> str:
    """What training came to, in words: which phase is kept, and how good it is."""
    kept, last = kept_row(history), history[-1]
    words: str = f"{kept['validation_accuracy']:.1%} of the validation photos right: the "
    if kept["phase"] in ("head", "earlier run"):
        words += str(kept["phase"])
        if last is not kept:
            words += f"; fine-tuning ended with {last['validation_accuracy']:.1%}, it is not kept"
        return words
    first = history[0]
    words += f"network after epoch {kept['epoch']} of {last['epoch']}"
    if first["phase"] != kept["phase"]:
        words += f"; the {first['phase']} alone {first['validation_accuracy']:.1%}"
    return words


def _head(training: Training, events: EventLog) -> Row:
    """Fit the head to the features of the training photos and of their mirror images."""
    known, validation = (_features(training, split) for split in ("training", "validation"))
    options, network = training.options, training.network
    _warn_of_few(training, known.indices)
    labels, strength, views = len(network.labels), options.head_strength, len(known.rows)
    indices = np.tile(known.indices, views)
    with Progress("head", 1 if strength else FITS + 1) as bar:
        if strength is None:
            strength = choose_strength(
                known, known.indices, labels, _groups(training, known.photos),
                class_weights=options.class_weights, silent=training.silent, step=bar.step,
            )  # fmt: skip
        head = fit_head(
            known, indices, labels, strength=strength,
            class_weights=options.class_weights, silent=training.silent, views=views,
        )  # fmt: skip
        bar.step()
    network.head.set_weights([head.kernel, head.bias])
    shown = head.logits(known)[: len(known.photos)]
    name_doubtful(known.photos, shown, known.indices, network.labels, training.silent)
    accuracy, cross_entropy = head.figures(known, indices).values()
    row: Row = {"epoch": 1, "phase": "head", "strength": strength, "kept": True}
    row |= {"accuracy": accuracy, "cross_entropy": cross_entropy}
    row |= head.figures(validation, validation.indices)
    events(row)
    log.info("head fitted: validation accuracy %.1f %%", 100 * row["validation_accuracy"])
    return row


def _groups(training: Training, photos: Sequence[Photo]) -> list[str]:
    """What belongs together: frames of a video, photos of nothing from one place."""
    places = training.negatives.places()
    return [places.get((p.folder, p.name)) or group_of(p.name) for p in photos]


def _features(training: Training, split: str) -> Bottlenecks:
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


def _add_silent_bias(training: Training, row: Row, sets: PhotoSets | None) -> None:
    """Have silent labels said less or more readily; the kept epoch gets the new figures."""
    network, by = training.network, training.options.silent_bias
    kernel, bias = network.head.get_weights()
    bias[list(training.silent)] += by
    network.head.set_weights([kernel, bias])
    if sets is not None:
        after = validate(network, sets.validation)
    else:
        features = _features(training, "validation")
        after = Head(kernel, bias, strength=0.0).figures(features, features.indices)
    log.info(
        "bias of %s changed by %+g: %.1f → %.1f %% of all validation photos right",
        " and ".join(network.labels[label] for label in training.silent), by,
        100 * row["validation_accuracy"], 100 * after["validation_accuracy"],
    )  # fmt: skip
    row |= after


def _fine_tuned(
    history: list[Row], training: Training, sets: PhotoSets, events: EventLog, enough: Enough
) -> list[Row]:
    """Train what is there further, and take it back where validation says that it got worse."""
    network = training.network
    if not history:
        row = {"epoch": 0, "phase": "earlier run", **validate(network, sets.validation)}
        history.append(row | {"kept": True})
        events(history[0])
    (before,), weights = history, network.get_weights()
    tuned = _whole(training, sets, events, enough)
    if not tuned:
        return history
    after = kept_row(tuned)
    if is_better(after, before):
        del before["kept"]
    else:
        del after["kept"]
        network.set_weights(weights)
        log.info(
            "fine-tuning ended with %.1f %% of the validation photos right, %.1f %% before it: it "
            "is not kept; try more photos, a lower --rate or fewer --blocks",
            100 * after["validation_accuracy"], 100 * before["validation_accuracy"],
        )  # fmt: skip
    return [*history, *tuned]


def is_better(row: Row, other: Row) -> bool:
    """Whether more validation photos are right, or as many and surer."""
    a, b = ((r["validation_accuracy"], -r["validation_cross_entropy"]) for r in (row, other))
    return a > b


def _decoded(training: Training) -> PhotoSets:
    """Training and validation photos, every label among them."""
    options, labels = training.options, training.network.labels
    sets = decode_sets(training.photos, labels, options.network.resolution, options.resize)
    _leave_out(training, sets.unreadable)
    require_all_labels(sets.squares.indices, labels, "training")
    require_all_labels(sets.validation.indices, labels, "validation")
    return sets


def _whole(training: Training, sets: PhotoSets, events: EventLog, enough: Enough) -> list[Row]:
    options, network = training.options, training.network
    _warn_of_few(training, sets.squares.indices)
    settings, scratch = replace(options.training, rate=options.rate), options.from_scratch
    if not scratch:
        settings = replace(settings, epochs=options.fine_tune)

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
        sets.squares,
        sets.validation,
        on_epoch=on_epoch,
        checkpoint=training.checkpoint,
        enough=enough,
    )


def _label_weights(training: Training, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    mode, labels = training.options.class_weights, len(training.network.labels)
    return label_weights(indices, labels, mode, training.silent)


def _warn_of_few(training: Training, indices: NDArray[np.int64]) -> None:
    """Say once that labels weigh differently; of photos of nothing many are usual."""
    labels = training.network.labels
    named = np.array([i for i in range(len(labels)) if i not in training.silent])
    weights = _label_weights(training, indices)[named]
    if np.ptp(weights) and not training.warned_of_weights:
        training.warned_of_weights = True
        counts = np.bincount(indices)
        few, many = (int(named[i]) for i in (counts[named].argmin(), counts[named].argmax()))
        log.warning(
            "%d photos of %s, only %d of %s: labels with few photos weigh more in training "
            "(--class-weights none leaves them alone)",
            counts[many], labels[many], counts[few], labels[few],
        )  # fmt: skip


def _teacher_targets(training: Training) -> TeacherTargets | None:
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


def _leave_out(training: Training, unreadable: Sequence[str]) -> None:
    for message in unreadable:
        if message not in training.unreadable:
            log.warning("left out: %s", message)
    training.unreadable.update(unreadable)


def _log_epoch(row: Row) -> None:
    log.info(
        "%s, epoch %d: loss %.3f, training accuracy %.1f %%, validation accuracy %.1f %%",
        row["phase"],
        row["epoch"],
        row["loss"],
        100 * row["accuracy"],
        100 * row["validation_accuracy"],
    )
