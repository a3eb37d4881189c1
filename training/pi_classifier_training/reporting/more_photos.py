"""The learning curve of a run: whose features it may use, and what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.labels import silent_outputs
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.data.negatives import recorded_negatives
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.features.bottlenecks import BottleneckCache, Bottlenecks
from pi_classifier_training.networks.network import Network, NetworkSpec, load_weights
from pi_classifier_training.progress import Progress
from pi_classifier_training.reporting import figures, learning_curve
from pi_classifier_training.reporting.learning_curve import (
    Curve,
    Forecast,
    HeadInputs,
    HeadSettings,
)
from pi_classifier_training.reporting.page import Figure
from pi_classifier_training.reporting.subject import Subject
from pi_classifier_training.reporting.words import head_sentence, more_photos_sentence
from pi_classifier_training.retraining.run_folder import RunFolder

# Below, the smallest shares of the photos are the same ones.
LEAST_OF_A_LABEL = 8


@dataclass(frozen=True, slots=True, eq=False)
class MorePhotos:
    """A learning curve and what it foretells.

    `exact` says that the model itself is such a head; otherwise the whole network was
    trained, and what a head would gain says only that there is something to gain. `part` says of
    which labels it was measured, where there are too many; else it is empty.
    """

    curve: Curve
    forecast: Forecast
    sentence: str
    exact: bool
    part: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class More:
    """Whether more photos would help, measured and drawn."""

    result: MorePhotos
    figure: Figure


def more(subject: Subject) -> More:
    """What more photos would bring. Raises TrainingError saying why it cannot be known."""
    if not subject.options.learning_curve:
        raise TrainingError("it was not asked for (--no-learning-curve)")
    if not subject.is_run:
        raise TrainingError(
            f"{subject.source.name} does not come with the training it is from; for a run of "
            "retrain this is measured"
        )
    options, right = subject.options, subject.chosen.test.value
    result = more_photos(subject.source, subject.photos, right, options.weights, options.cache_dir)
    curve = result.curve
    listed = "; ".join(
        f"{n:.0f} photos: {100 * e:.1f} of 100 wrong"
        for n, e in zip(curve.counts, curve.errors, strict=True)
    )
    drawing = figures.learning(curve, result.forecast)
    return More(result, Figure(drawing, f"Learning curve. {listed}."))


def more_photos(
    run_dir: Path,
    photos: Sequence[Photo],
    right: float,
    weights: str | None = None,
    cache_dir: str | None = None,
) -> MorePhotos:
    """Measure a learning curve for a run whose model is right on a share `right`.

    `weights` names published weights for a run that trained more than a head and whose
    summary does not do. Raises TrainingError saying why there is none.
    """
    run = RunFolder(run_dir)
    summary = run.summary()
    exact = _head_only(summary)
    if exact:
        network = run.load()
    else:
        network = Network(NetworkSpec(**summary["network"]), summary["labels"])
        load_weights(network.backbone, network.spec, weights or _published(summary))
    resize = summary["options"]["resize"]
    # Photos of nothing are learned from as well; the mistakes are those on the user's own.
    known = [*photos, *recorded_negatives(summary)]
    with BottleneckCache.at(cache_dir) as cache:
        training = _features(cache, network, resize, known, ("training",))
        checks = _features(cache, network, resize, photos, ("validation", "test"))
        curve, part = _measured(training, checks, len(network.labels), _head_settings(summary))
    forecast = learning_curve.forecast(curve)
    return MorePhotos(curve, forecast, _sentence(forecast, right, exact=exact), exact, part)


def _measured(
    training: Bottlenecks, checks: Bottlenecks, labels: int, settings: HeadSettings
) -> tuple[Curve, str]:
    """The curve, and of which part of the labels it is, in words."""
    require_possible(training.indices, checks.indices, labels)
    seeds, kept = learning_curve.affordable(*training.shape, labels)
    if not kept:
        raise TrainingError("so many photos of a label would take longer than the training did")
    chosen = drawn_labels(labels, kept, settings.silent)
    silent = np.searchsorted(chosen, np.array(settings.silent, np.int64))
    with Progress("learning curve", len(learning_curve.SHARES) * seeds) as bar:
        curve = learning_curve.measure(
            _inputs(training, chosen),
            _inputs(checks, chosen),
            len(chosen),
            replace(settings, silent=tuple(silent.tolist())),
            seeds,
            bar.step,
        )
    part = (
        f"Measured on {len(chosen)} of the {labels} labels, drawn by lot: all would take minutes."
    )
    return curve, part if len(chosen) < labels else ""


def drawn_labels(labels: int, count: int, silent: Sequence[int]) -> NDArray[np.int64]:
    """The indices of `count` labels, the `silent` ones among them, in order; always the same."""
    others = np.setdiff1d(np.arange(labels), silent)
    drawn = np.random.default_rng(1).permutation(others)[: max(1, count - len(silent))]
    return np.sort(np.concatenate([drawn, np.array(silent, np.int64)]))


def _inputs(bottlenecks: Bottlenecks, labels: NDArray[np.int64]) -> HeadInputs:
    """What the curve needs to know of the photos of some labels, numbered anew in order."""
    rows = np.flatnonzero(np.isin(bottlenecks.indices, labels))
    photos = len(bottlenecks.indices)
    views = len(bottlenecks.rows)
    samples = np.concatenate([rows + photos * view for view in range(views)])
    indices = np.searchsorted(labels, bottlenecks.indices[rows])
    return HeadInputs(bottlenecks.gather(samples), indices)


def _head_settings(summary: Mapping[str, Any]) -> HeadSettings:
    """How the run fitted its head; the usual where it had none, or an older way."""
    usual, labels = HeadSettings(), summary["labels"]
    strengths = [row["strength"] for row in summary["history"] if "strength" in row]
    return HeadSettings(
        strengths[0] if strengths else usual.strength,
        summary["options"].get("class_weights", usual.class_weights),
        silent_outputs(labels),
    )


def _sentence(forecast: Forecast, right: float, *, exact: bool) -> str:
    if forecast.doubt:
        return f"Whether more photos would help cannot be said: {forecast.doubt}."
    if not exact:
        return head_sentence(forecast.measured, forecast.ratio, forecast.ratio_interval)
    return more_photos_sentence(right, forecast.ratio, forecast.ratio_interval)


def _head_only(summary: Mapping[str, Any]) -> bool:
    """Whether the run ended with a new head alone, on published features."""
    history = summary["history"]
    if not history or not published(_weights(summary)):
        return False
    kept = [row for row in history if row.get("kept")] or history
    return all(row.get("phase") == "head" for row in kept)


def published(weights: str) -> bool:
    """Whether what ``--weights`` names are published weights, not a run or none."""
    return weights == "imagenet" or weights.endswith((".h5", ".pth"))


def _weights(summary: Mapping[str, Any]) -> str:
    return str(summary["options"].get("weights"))


def _published(summary: Mapping[str, Any]) -> str:
    """The published weights the run began with, if they can be had by their name."""
    weights = _weights(summary)
    if weights == "imagenet":
        return weights
    if published(weights):
        raise TrainingError(
            f"it needs the published weights that the training began with; name the file: "
            f"--weights {weights}"
        )
    raise TrainingError(
        "it retrains the last layer on what the rest of the network sees, and this network has "
        "learned to see from these very photos: the curve would flatter. With --weights FILE it "
        "is drawn for published weights instead"
    )


def _features(
    cache: BottleneckCache,
    network: Network,
    resize: Any,
    photos: Sequence[Photo],
    splits: tuple[str, ...],
) -> Bottlenecks:
    chosen = [photo for photo in photos if photo.split in splits]
    if not chosen:
        raise TrainingError(f"no photo belongs to {' or '.join(splits)}")
    title = f"bottlenecks, {' and '.join(splits)}"
    # As in training: there a photo and its mirror image are learned from.
    mirrored = splits == ("training",)
    return cache.features(
        network, resize, chosen, cache.contents(chosen), mirrored=mirrored, title=title
    )


def require_possible(training: NDArray[np.int64], checks: NDArray[np.int64], labels: int) -> None:
    """Raise TrainingError saying why no curve can be made of photos of these labels."""
    seen = Counter(training.tolist())
    if len(seen) < labels or not len(checks):
        raise TrainingError("a label has no readable photo to train on, or none is held out")
    if max(seen.values()) < LEAST_OF_A_LABEL:
        raise TrainingError(
            f"with fewer than {LEAST_OF_A_LABEL} photos of a label to train on there are no "
            "shares to compare"
        )
