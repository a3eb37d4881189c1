"""Photos through the daemon's own classifiers: what every model says of every photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.types import Classifier, Frame
from pi_classifier_training.data.dataset import Photo, PhotoProgress, labels_of, readable
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.evaluation.metrics import ranks

# Photos whose full scores are in memory at a time: with 1,000 labels 8 MB a model.
BLOCK = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a model says of every photo.

    `scores` is float32 ``[n, labels]``, `truth` the true indices int64 ``[n]``, `stages`
    the stage that answered int64 ``[n]``, `latencies_ns` nanoseconds int64 ``[n]``, `unknown`
    whether it was found unlike every label bool ``[n]``, None where no photo was.
    """

    photos: tuple[Photo, ...]
    scores: NDArray[np.float32]
    truth: NDArray[np.int64]
    stages: NDArray[np.int64]
    latencies_ns: NDArray[np.int64]
    unreadable: tuple[str, ...]
    unknown: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What the figures of merit need of scored photos: a few numbers a photo.

    `given` is the index of the label with the best score int64 ``[n]``, `top` that score
    float32 ``[n]``, `own` the true label's score float32 ``[n]``, `rank` its place, best
    0, int64 ``[n]``; `truth`, `stages`, `latencies_ns`, `unreadable` and `unknown` as in
    `Scores`.
    """

    photos: tuple[Photo, ...]
    truth: NDArray[np.int64]
    given: NDArray[np.int64]
    top: NDArray[np.float32]
    own: NDArray[np.float32]
    rank: NDArray[np.int64]
    stages: NDArray[np.int64]
    latencies_ns: NDArray[np.int64]
    unreadable: tuple[str, ...] = ()
    unknown: NDArray[np.bool_] | None = None

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the best label is the true one, bool ``[n]``."""
        right: NDArray[np.bool_] = self.given == self.truth
        return right

    @property
    def threshold_score(self) -> NDArray[np.float32]:
        """The score that thresholds meet, float32 ``[n]``: the best one; −1 of unknown photos."""
        if self.unknown is None:
            return self.top
        return np.where(self.unknown, np.float32(-1), self.top)

    def of(self, rows: NDArray[np.int64]) -> Outcomes:
        """The answers on some of the photos: those at `rows`, int64 ``[m]``."""
        return Outcomes(
            tuple(self.photos[i] for i in rows),
            self.truth[rows],
            self.given[rows],
            self.top[rows],
            self.own[rows],
            self.rank[rows],
            self.stages[rows],
            self.latencies_ns[rows],
            self.unreadable,
            None if self.unknown is None else self.unknown[rows],
        )


def outcomes_of(scored: Scores | Outcomes) -> Outcomes:
    """Reduce full scores to what the figures need; `Outcomes` are returned as they are."""
    if isinstance(scored, Outcomes):
        return scored
    scores, truth = scored.scores, scored.truth
    return Outcomes(
        photos=scored.photos,
        truth=truth,
        given=np.asarray(scores.argmax(axis=1), np.int64),
        top=scores.max(axis=1),
        own=scores[np.arange(len(truth)), truth],
        rank=ranks(scores, truth),
        stages=scored.stages,
        latencies_ns=scored.latencies_ns,
        unreadable=scored.unreadable,
        unknown=scored.unknown,
    )


def concatenated(parts: Sequence[Outcomes]) -> Outcomes:
    """The answers of several sets of photos as one, in order."""

    def together(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    return Outcomes(
        photos=tuple(photo for part in parts for photo in part.photos),
        truth=together("truth"),
        given=together("given"),
        top=together("top"),
        own=together("own"),
        rank=together("rank"),
        stages=together("stages"),
        latencies_ns=together("latencies_ns"),
        unreadable=tuple(message for part in parts for message in part.unreadable),
        unknown=_any_unknown(
            np.concatenate(
                [
                    np.zeros(len(part.photos), bool) if part.unknown is None else part.unknown
                    for part in parts
                ]
            )
        ),
    )


def _any_unknown(unknown: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    return unknown if unknown.any() else None


def score_photos(
    classifier: Classifier, photos: Sequence[Photo], progress: PhotoProgress = iter
) -> Scores:
    """Classify photos one by one; unreadable ones are listed, never fatal.

    Raises DatasetError when a photo's label is not one of the model's, or none is left.
    """
    (scores,) = score_together([classifier], photos, progress)
    _require_readable(len(scores.photos))
    return scores


def score_together(
    classifiers: Sequence[Classifier], photos: Sequence[Photo], progress: PhotoProgress = iter
) -> list[Scores]:
    """Show every photo to all `classifiers` in turn, so that it is decoded only once.

    Taking turns also lets what else the computer does slow all of them alike. Where no
    photo can be read, the scores are empty. Raises DatasetError for an unknown label.
    """
    places = [_index(classifier, photos) for classifier in classifiers]
    rows = [np.zeros((len(photos), len(c.labels)), np.float32) for c in classifiers]
    stages, latencies_ns, unknown = np.zeros((3, len(classifiers), len(photos)), np.int64)
    kept: list[Photo] = []
    unreadable: list[str] = []
    for photo, pixels in readable(progress(photos), unreadable):
        n = len(kept)
        for i, classifier in enumerate(classifiers):
            prediction = classifier.classify(Frame(pixels, n, 0))
            for category in prediction.categories:
                rows[i][n, category.index] = category.score
            stages[i, n], latencies_ns[i, n] = prediction.stage, prediction.latency_ns
            unknown[i, n] = prediction.unknown
        kept.append(photo)
    n = len(kept)
    return [
        Scores(
            tuple(kept),
            rows[i][:n],
            np.array([places[i][p.label] for p in kept], np.int64),
            stages[i, :n],
            latencies_ns[i, :n],
            tuple(unreadable),
            _any_unknown(unknown[i, :n] > 0),
        )
        for i in range(len(classifiers))
    ]


def classify_photos(
    classifiers: Sequence[Classifier],
    photos: Sequence[Photo],
    progress: PhotoProgress = iter,
    look: Callable[[Sequence[Scores]], None] = lambda _: None,
) -> list[Outcomes]:
    """As `score_together`, but keeping only a few numbers a photo: memory stays flat.

    `look` is shown all scores, some photos at a time, before they are forgotten. Raises
    DatasetError for an unknown label, or when no photo can be read.
    """
    parts: list[list[Outcomes]] = [[] for _ in classifiers]
    remaining = iter(progress(photos))
    for start in range(0, len(photos), BLOCK):
        block = score_together(
            classifiers, photos[start : start + BLOCK], lambda some: islice(remaining, len(some))
        )
        look(block)
        for part, scored in zip(parts, block, strict=True):
            part.append(outcomes_of(scored))
    for _ in remaining:  # lets a progress bar end
        pass
    whole = [concatenated(part) for part in parts]
    _require_readable(len(whole[0].photos))
    return whole


def _require_readable(count: int) -> None:
    if count == 0:
        raise DatasetError("none of the photos could be read")


def _index(classifier: Classifier, photos: Sequence[Photo]) -> dict[str, int]:
    """The output of each label. Raises DatasetError for a photo whose label has none."""
    index = {label: i for i, label in enumerate(classifier.labels)}
    unknown = [label for label in labels_of(photos) if label not in index]
    if unknown:
        raise DatasetError(
            f"the photos have the label {unknown[0]!r}, which {classifier.name} does not know; "
            f"it knows {', '.join(list(index)[:20])}"
        )
    return index
