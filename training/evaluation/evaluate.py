"""Honest accuracy: photos through the daemon's own classifier, nothing else."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pi_classifier.classifier import ModelSettings, open_classifier
from pi_classifier.errors import ImageError
from pi_classifier.preprocess import load_image
from pi_classifier.types import Classifier, Frame
from training.data.dataset import Photo, labels_of, scan
from training.errors import DatasetError
from training.evaluation.metrics import calibration_error, cross_entropy, ranks, wilson

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a model says of every photo.

    `scores` is float32 ``[n, labels]``, `truth` the true indices int64 ``[n]``, `stages`
    the stage that answered int64 ``[n]``, `latencies_ns` nanoseconds int64 ``[n]``.
    """

    photos: tuple[Photo, ...]
    scores: NDArray[np.float32]
    truth: NDArray[np.int64]
    stages: NDArray[np.int64]
    latencies_ns: NDArray[np.int64]
    unreadable: tuple[str, ...]


def score_photos(
    classifier: Classifier,
    photos: Sequence[Photo],
    progress: Callable[[Sequence[Photo]], Iterable[Photo]] = iter,
) -> Scores:
    """Classify photos one by one; unreadable ones are listed, never fatal.

    Raises DatasetError when a photo's label is not one of the model's, or none is left.
    """
    index = {label: i for i, label in enumerate(classifier.labels)}
    unknown = [label for label in labels_of(photos) if label not in index]
    if unknown:
        raise DatasetError(
            f"the photos have the label {unknown[0]!r}, which {classifier.name} does not know; "
            f"it knows {', '.join(list(index)[:20])}"
        )
    kept: list[Photo] = []
    unreadable: list[str] = []
    rows = np.zeros((len(photos), len(index)), np.float32)
    stages, latencies = [], []
    for photo in progress(photos):
        try:
            pixels = load_image(photo.path)
        except ImageError as error:
            unreadable.append(str(error))
            continue
        prediction = classifier.classify(Frame(pixels, len(kept), 0))
        for category in prediction.categories:
            rows[len(kept), category.index] = category.score
        stages.append(prediction.stage)
        latencies.append(prediction.latency_ns)
        kept.append(photo)
    if not kept:
        raise DatasetError("none of the photos could be read")
    truth = np.array([index[p.label] for p in kept], np.int64)
    return Scores(
        tuple(kept),
        rows[: len(kept)],
        truth,
        np.array(stages, np.int64),
        np.array(latencies, np.int64),
        tuple(unreadable),
    )


def figures(result: Scores) -> dict[str, Any]:
    """The figures of merit of scored photos; accuracies are fractions."""
    n = len(result.photos)
    rank = ranks(result.scores, result.truth)
    record: dict[str, Any] = {"n": n}
    for k in (1, 3, 5):
        accuracy = wilson(int(np.sum(rank < k)), n)
        record[f"top{k}"] = accuracy.value
        record[f"top{k}_interval"] = [accuracy.low, accuracy.high]
    record["cross_entropy"] = cross_entropy(result.scores, result.truth)
    record["calibration_error"] = calibration_error(result.scores, result.truth)
    record["latency_ms"] = float(np.median(result.latencies_ns)) / 1e6
    if result.stages.max() > 0:
        record["deferral_ratio"] = float(np.mean(result.stages > 0))
    return record


def evaluate(
    model: str,
    image_dirs: Sequence[Path],
    split: Literal["all", "test"] = "test",
    settings: ModelSettings | None = None,
    progress: Callable[[Sequence[Photo]], Iterable[Photo]] = iter,
) -> dict[str, Any]:
    """Evaluate a model file or cascade on photos; return its figures of merit.

    `split` ``test`` takes only the held-out photos (by the hash of the file name), all
    takes every photo: right only for photos the model has never seen.
    """
    photos = scan(image_dirs)
    if split == "test":
        photos = [p for p in photos if p.split == "test"]
        if not photos:
            raise DatasetError(
                "none of the photos belongs to the test split (about one in ten does); "
                "use --split all for photos the model was not trained on"
            )
    settings = replace(settings or ModelSettings(), path=model, top_k=0)
    with contextlib.closing(open_classifier(settings)) as classifier:
        result = score_photos(classifier, photos, progress)
        name = classifier.name
    for message in result.unreadable:
        log.warning("left out: %s", message)
    return {
        "model": name,
        "split": split,
        **figures(result),
        "unreadable": len(result.unreadable),
    }
