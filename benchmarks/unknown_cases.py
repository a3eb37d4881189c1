"""Photos of labels and of nothing as models see them, for `benchmarks.unknown`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pi_classifier_training.data.dataset import Photo, labels_of
from pi_classifier_training.data.negatives import BACKGROUND, NegativeSource
from pi_classifier_training.evaluation.held_out import held_out
from pi_classifier_training.evaluation.scoring import score_photos
from pi_classifier_training.evaluation.unknown import (
    ANNOUNCED_FROM,
    open_uncalibrated,
    score_floor,
)
from pi_classifier_training.features.bottlenecks import BottleneckCache
from pi_classifier_training.networks.network import Network, NetworkSpec, load_weights
from pi_classifier_training.retraining.head import Head, fit_head

from pi_classifier.inference.score_reading import calibrated
from pi_classifier.modelfile.model_file import read_model_file

Rows = NDArray[np.float32]
# Of the photos of nothing: learned by the network, fitted to, judged by.
SHARES = (0.5, 0.2, 0.3)
_FLOOR, _BYTE_FLOOR = 1e-4, 1 / 512
_MOST_TEST_PHOTOS = 600


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Photos as a model sees them: scores ``[n, labels]``, features, true labels (-1: none)."""

    scores: Rows
    truth: NDArray[np.int64]
    features: Rows | None = None

    @property
    def right(self) -> NDArray[np.bool_]:
        right: NDArray[np.bool_] = self.scores.argmax(axis=1) == self.truth
        return right


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One model: validation photos and photos of nothing to fit, others of both to judge by.

    `silent` are its silent outputs, `sure` which scores are announced.
    """

    known: Part
    nothing: Part
    test: Part
    judges: Part
    silent: tuple[int, ...]
    floor: float
    temperature: float = 1.0

    def announced(self, part: Part) -> NDArray[np.bool_]:
        """Which photos get a label that is not silent with a score that is announced."""
        rows = [calibrated(row, "softmax", self.temperature) for row in part.scores]
        sure = np.stack(rows).max(axis=1) >= ANNOUNCED_FROM
        announced: NDArray[np.bool_] = sure & self.called(part)
        return announced

    def called(self, part: Part) -> NDArray[np.bool_]:
        """Which photos get a label that is not silent."""
        called: NDArray[np.bool_] = ~np.isin(part.scores.argmax(axis=1), self.silent)
        return called


def shared_out(sources: Sequence[NegativeSource], seed: int) -> NDArray[np.int64]:
    """Which of `SHARES` each source belongs to, int64 ``[sources]``; drawn anew for each seed."""
    parts = np.zeros(len(sources), np.int64)
    filled = np.zeros(len(SHARES))
    for number in np.random.default_rng(seed).permutation(len(sources)):
        parts[number] = int(np.argmin(filled / SHARES))
        filled[parts[number]] += len(sources[number])
    return parts


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """All photos: features ``[n, channels]``, label numbers (-1: nothing), splits, sources."""

    features: Rows
    truth: NDArray[np.int64]
    splits: NDArray[np.str_]
    sources: NDArray[np.int64]
    labels: tuple[str, ...]


def read_photos(known: Sequence[Photo], sources: Sequence[NegativeSource], weights: str) -> Photos:
    """Bottlenecks of MobileNet v1 0.25/224 with these weights, kept in the usual cache."""
    labels = labels_of(known)
    nothing = [(p, i) for i, s in enumerate(sources) for p in s.labeled(BACKGROUND, "test")]
    network = Network(NetworkSpec("mobilenet_v1", 0.25, 224), (*labels, BACKGROUND))
    load_weights(network.backbone, network.spec, weights)
    photos = [*known, *(photo for photo, _ in nothing)]
    with BottleneckCache.at(None) as cache:
        contents = cache.contents(photos)
        found = cache.features(
            network, "crop", photos, contents, mirrored=False, title="bottlenecks"
        )
        features = found.gather(np.arange(len(found)))
    source_of = {photo.path_text: source for photo, source in nothing}
    return Photos(
        features,
        np.where(found.indices == len(labels), -1, found.indices),
        np.array([photo.split for photo in found.photos]),
        np.array([source_of.get(photo.path_text, -1) for photo in found.photos]),
        labels,
    )


def of_labels(photos: Photos, labels: Sequence[int], each: int, seed: int) -> Photos:
    """As somebody has who took `each` photos of these labels; what is left over tests too."""
    rng = np.random.default_rng(seed)
    truth, splits = np.full(len(photos.truth), -2), photos.splits.copy()
    truth[photos.truth == -1] = -1
    for number, label in enumerate(labels):
        own = rng.permutation(np.flatnonzero(photos.truth == label))
        truth[own] = number
        splits[own] = "test"
        splits[own[: each * 9 // 10]] = "training"
        splits[own[each * 8 // 10 : each * 9 // 10]] = "validation"
        truth[own[each + _MOST_TEST_PHOTOS // len(labels) :]] = -2
    return replace(
        photos, truth=truth, splits=splits, labels=tuple(photos.labels[i] for i in labels)
    )


def head_case(photos: Photos, parts: NDArray[np.int64], *, learned: bool, bytes_out: bool) -> Case:
    """A new head, which has learned from a part of the photos of nothing, or has not."""
    part_of = np.where(photos.sources >= 0, parts[photos.sources], -1)
    known = photos.truth >= 0
    truth = np.where(photos.truth == -1, len(photos.labels), photos.truth)
    train = (known & (photos.splits == "training")) | (learned & (part_of == 0))
    silent = (len(photos.labels),) if learned else ()
    outputs = len(photos.labels) + len(silent)
    head = fit_head(photos.features[train], truth[train], outputs, silent=silent)
    fitted = np.isin(part_of, (1,) if learned else (0, 1))

    def part(chosen: NDArray[np.bool_]) -> Part:
        features = photos.features[chosen]
        return Part(_scores(head, features, bytes_out=bytes_out), photos.truth[chosen], features)

    return Case(
        part(known & (photos.splits == "validation")),
        part(fitted),
        part(known & (photos.splits == "test")),
        part(part_of == 2),
        silent,
        _BYTE_FLOOR if bytes_out else _FLOOR,
    )


def _scores(head: Head, features: Rows, *, bytes_out: bool) -> Rows:
    logits = head.logits(features)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = powers / powers.sum(axis=1, keepdims=True)
    return np.asarray(np.round(scores * 256) / 256 if bytes_out else scores, np.float32)


def model_photos(path: Path, image_dir: Path, sources: Sequence[NegativeSource]) -> Photos:
    """What a model file says of the photos it was not trained on; scores stand for features."""
    nothing = [(p, i) for i, s in enumerate(sources) for p in s.labeled("", "test")]
    with closing(open_uncalibrated(path)) as model:
        labels = tuple(model.labels)
        parts = held_out([image_dir], [model])
        known = [p for part in parts for p in (*part.validation, *part.test)]
        unknown = [Photo.of(p.folder, p.name, labels[0], "test") for p, _ in nothing]
        scored = score_photos(model, [*known, *unknown])
    source_of = {photo.path_text: source for photo, source in nothing}
    found = np.array([source_of.get(photo.path_text, -1) for photo in scored.photos])
    splits = np.array([photo.split for photo in scored.photos])
    return Photos(scored.scores, np.where(found >= 0, -1, scored.truth), splits, found, labels)


def model_case(path: Path, photos: Photos, parts: NDArray[np.int64]) -> Case:
    """A finished model, which has learned from none of the photos of nothing."""
    part_of = np.where(photos.sources >= 0, parts[photos.sources], -1)

    def part(chosen: NDArray[np.bool_]) -> Part:
        return Part(photos.features[chosen], photos.truth[chosen])

    manifest = read_model_file(path).manifest
    with closing(open_uncalibrated(path)) as model:
        floor = score_floor(model)
    return Case(
        part((part_of < 0) & (photos.splits == "validation")),
        part(np.isin(part_of, (0, 1))),
        part((part_of < 0) & (photos.splits == "test")),
        part(part_of == 2),
        tuple(photos.labels.index(label) for label in manifest.silent_labels),
        floor,
        manifest.temperature,
    )
