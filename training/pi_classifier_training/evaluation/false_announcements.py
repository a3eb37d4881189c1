"""What a model says of photos that show none of its labels, and what its silence costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.decision import SmootherSettings
from pi_classifier.inference.classifier import model_files, silent_labels_of
from pi_classifier.system.files import write_atomic
from pi_classifier.types import Classifier, Frame, Prediction
from pi_classifier_training.data.dataset import Photo, PhotoProgress, readable
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.evaluation.metrics import wilson
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.evaluation.significance import interval
from pi_classifier_training.evaluation.unknown_photos import Unknowns, unknown_photos
from pi_classifier_training.plots import picture_of

# The curve is drawn through so many thresholds, evenly spaced from 0 to 1.
CURVE_STEPS = 100
WORST = 12
# The score of what is never announced: below every threshold, 0 too.
NEVER = -1.0


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a classifier says of each photo: the best label's index, int64 ``[n]``.

    `scores` is the score it could be announced with, float64 ``[n]`` as the daemon compares
    it; −1 where the label is a silent one, or the frame unknown.
    """

    photos: tuple[Photo, ...]
    given: NDArray[np.int64]
    scores: NDArray[np.float64]
    unreadable: tuple[str, ...] = ()


def threshold_of(classifier: Classifier, stated: float | None = None) -> float:
    """The score that announces: as `stated`, else as the model that decides last advises."""
    if stated is not None:
        return stated
    advised = [model.manifest.thresholds.high for model in model_files(classifier)][-1:]
    high = advised[0] if advised else None
    return SmootherSettings().threshold_high if high is None else high


def ask(
    classifiers: Sequence[Classifier], photos: Sequence[Photo], progress: PhotoProgress = iter
) -> list[Answers]:
    """What each classifier would announce of every photo, which is decoded once for all.

    Raises DatasetError where none can be read.
    """
    silent = [silent_labels_of(classifier) for classifier in classifiers]
    answers: list[list[tuple[int, float]]] = [[] for _ in classifiers]
    kept: list[Photo] = []
    unreadable: list[str] = []
    for photo, pixels in readable(progress(photos), unreadable):
        frame = Frame(pixels, len(kept), 0)
        for spoken, never, classifier in zip(answers, silent, classifiers, strict=True):
            spoken.append(_announceable(classifier.classify(frame), never))
        kept.append(photo)
    if not kept:
        raise DatasetError(
            "none of the photos that show no label could be read"
            if unreadable
            else "no photos that show no label are left"
        )
    return [
        Answers(
            tuple(kept),
            np.array([index for index, _ in spoken], np.int64),
            np.array([score for _, score in spoken], np.float64),
            tuple(unreadable),
        )
        for spoken in answers
    ]


def _announceable(prediction: Prediction, silent: frozenset[str]) -> tuple[int, float]:
    top = prediction.top
    never = prediction.unknown or top.label in silent
    return top.index, NEVER if never else top.score


def known_answers(classifier: Classifier, outcomes: Outcomes) -> Answers:
    """The same of photos that do show a label, from what was measured of them."""
    silent = silent_labels_of(classifier)
    never = np.array([label in silent for label in classifier.labels], bool)[outcomes.given]
    if outcomes.unknown is not None:
        never |= outcomes.unknown
    scores = np.where(never, NEVER, outcomes.top.astype(np.float64))
    return Answers(outcomes.photos, outcomes.given, scores)


def false_announcements(
    classifier: Classifier,
    unknowns: Unknowns,
    answers: Answers,
    outcomes: Outcomes,
    threshold: float,
) -> dict[str, Any]:
    """How often a frame of nothing would be announced as a label, and how often a true one is.

    Of single frames from a score of `threshold` on: the device waits for several that agree.
    ``curve`` has the same shares at every threshold, ``area`` says how likely a photo of a
    label can be announced with a higher score than one of nothing (ties count half).
    """
    known = known_answers(classifier, outcomes)
    labels = Counter(classifier.labels[i] for i in answers.given[answers.scores >= threshold])
    right = np.where(outcomes.right, known.scores, NEVER)
    wrong = np.where(outcomes.right, NEVER, known.scores)
    return {
        **_falsely(unknowns, answers, threshold),
        "held_out": unknowns.held_out,
        "unreadable": len(answers.unreadable),
        "labels": dict(labels.most_common()),
        "known": _announced(right, wrong, threshold),
        "area": area(known.scores, answers.scores),
        "curve": _curve(right, wrong, answers.scores),
        "worst": _worst(classifier, answers, threshold),
    }


def kept_aside_announced(classifier: Classifier, dirs: Sequence[Path]) -> dict[str, Any]:
    """How often photos of nothing that the model was not trained on would be announced.

    `dirs` are the folders that it was trained with: of them the places kept for testing.
    """
    unknowns = unknown_photos([classifier], dirs)
    (answers,) = ask([classifier], unknowns.photos)
    return _falsely(unknowns, answers, threshold_of(classifier))


def _falsely(unknowns: Unknowns, answers: Answers, threshold: float) -> dict[str, Any]:
    announced = answers.scores >= threshold
    sources = unknowns.chosen(answers.photos)
    return {
        "folders": list(unknowns.folders),
        "n": len(announced),
        "sources": len(np.unique(sources)),
        "threshold": threshold,
        "count": int(announced.sum()),
        "share": float(announced.mean()),
        "share_interval": list(share_interval(announced, sources)),
    }


def _announced(
    right: NDArray[np.float64], wrong: NDArray[np.float64], threshold: float
) -> dict[str, Any]:
    """The shares of the labels' own photos that are announced, rightly and as another label."""
    n = len(right)
    true, mistaken = (wilson(int((part >= threshold).sum()), n) for part in (right, wrong))
    return {
        "n": n,
        "announced": true.value,
        "announced_interval": [true.low, true.high],
        "mistaken": mistaken.value,
        "mistaken_interval": [mistaken.low, mistaken.high],
    }


def brief(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a model file says of it: the shares, without the curve and the photos."""
    return {k: v for k, v in record.items() if k not in ("curve", "worst", "labels", "unreadable")}


def share_interval(
    announced: NDArray[np.bool_], sources: NDArray[np.int64]
) -> tuple[float, float]:
    """The 95 % interval of a share of photos, of which those of one source are alike.

    Sources are drawn with replacement (bootstrap over clusters, Davison and Hinkley 1997,
    3.8). Where that says less than Wilson's interval of single photos, as it does when no
    photo or every one is announced, that one counts.
    """
    plain = wilson(int(announced.sum()), len(announced))
    _, places = np.unique(sources, return_inverse=True)
    counts = np.stack([np.bincount(places, announced), np.bincount(places)], axis=1)
    if len(counts) < 2:
        return plain.low, plain.high
    low, high = interval(counts.astype(np.float64), lambda m: m[..., 0] / m[..., 1])
    return min(low, plain.low), max(high, plain.high)


def area(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> float:
    """How likely a score of `known` is above one of `unknown`, ties counted half.

    That is the area under the curve of true against false announcements (Hanley and McNeil
    1982).
    """
    ordered = np.sort(unknown)
    below = np.searchsorted(ordered, known, side="left")
    not_above = np.searchsorted(ordered, known, side="right")
    return float((below + not_above).mean() / (2 * len(unknown)))


def _curve(
    right: NDArray[np.float64], wrong: NDArray[np.float64], unknown: NDArray[np.float64]
) -> list[dict[str, float]]:
    """The shares announced at thresholds from 0.01 to 1: true, mistaken and false ones."""
    thresholds = np.arange(1, CURVE_STEPS + 1) / CURVE_STEPS
    return [
        {
            "threshold": float(threshold),
            "announced": float((right >= threshold).mean()),
            "mistaken": float((wrong >= threshold).mean()),
            "false": float((unknown >= threshold).mean()),
        }
        for threshold in thresholds
    ]


def _worst(classifier: Classifier, answers: Answers, threshold: float) -> list[dict[str, Any]]:
    """The photos of nothing that it is surest to know, the surest first."""
    order = np.argsort(-answers.scores, kind="stable")[:WORST]
    return [
        {
            "photo": answers.photos[i].path_text,
            "label": classifier.labels[answers.given[i]],
            "score": float(answers.scores[i]),
        }
        for i in order
        if answers.scores[i] >= threshold
    ]


def plot_announcements(path: Path, name: str, unknown: Mapping[str, Any]) -> None:
    """Draw what the model `name` announces of both kinds of photos at every threshold.

    An SVG or PNG file by its ending, written whole.
    """

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        thresholds = [point["threshold"] for point in unknown["curve"]]
        for key, style, label in (
            ("announced", "-", f"announced rightly, of {unknown['known']['n']} photos of labels"),
            ("mistaken", ":", "announced wrongly, of the same"),
            ("false", "--", f"announced falsely, of {unknown['n']} photos of nothing"),
        ):
            shares = [100 * point[key] for point in unknown["curve"]]
            axes.plot(thresholds, shares, style, label=label, lw=1.4)
        axes.axvline(unknown["threshold"], color="gray", lw=0.8)
        axes.set(title=name, xlabel="score from which a label is announced", ylabel="photos (%)")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")

    write_atomic(path, picture_of(draw, (7, 4.5), path.suffix.lower()[1:]))
