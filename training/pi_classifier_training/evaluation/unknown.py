"""Unknown rejection: the score by which frames unlike every label are told, fitted to photos.

Which score, and why no other: docs/decisions/0038-unknown-rejection.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.decision import SmootherSettings
from pi_classifier.inference.classifier import ModelClassifier, open_model_bytes
from pi_classifier.inference.score_reading import calibrated
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.inference.unknown import UnknownRejection
from pi_classifier.modelfile.manifest import UNKNOWN_SCORE, UnknownScore
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.data.negatives import negative_photos
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.false_announcements import (
    ask,
    false_announcements,
)
from pi_classifier_training.evaluation.report_text import between
from pi_classifier_training.evaluation.scoring import (
    Outcomes,
    PhotoProgress,
    Scores,
    score_photos,
)
from pi_classifier_training.evaluation.unknown_photos import trained_with_negatives, unknown_photos
from pi_classifier_training.modelfile.writer import with_manifest_entries

# Of the answers that would be announced and are right, so many may be silenced.
MAX_SILENCED = 0.05
# With fewer photos of nothing that get a label, weights would be chance.
FEWEST_NEGATIVES = 30
# What the device announces from, unless it is told otherwise.
ANNOUNCED_FROM = SmootherSettings().threshold_high
_FLOOR = 1e-4
# Of the squared weights of standardized logarithms, against the sum of the photos' losses.
_STRENGTH = 10.0
# A label that hardly moves must not weigh the more for it.
_LEAST_SPREAD = 0.1
# Enough for the score, and the entry of a thousand labels stays below 10 kB.
_DIGITS = 4

Rows = NDArray[np.float32]
Flags = NDArray[np.bool_]


def open_uncalibrated(path: Path) -> ModelClassifier:
    """Open a model file of the project's own so that its scores are those of the network.

    They have temperature 1, and no frame is unknown. Raises ExportError for another file.
    """
    content = with_manifest_entries(path.read_bytes(), {"calibration": {"temperature": 1.0}})
    settings = ModelSettings(top_k=0, unknown_rejection="off")
    return open_model_bytes(content, path.name, settings)


def score_floor(classifier: ModelClassifier) -> float:
    """The score that all lower ones are taken for: of a quantized output half a step."""
    model = classifier.model
    probabilities = model.activation == "softmax"
    return max(_FLOOR, model.output.scale / 2) if probabilities else _FLOOR


def fitting_negatives(dirs: Sequence[Path], classifier: ModelClassifier) -> list[Photo]:
    """The photos of nothing that an entry may be fitted to; never those of the test split.

    What a model was trained with it knows: then only those of the validation split. Photos
    come with the model's first label, which plays no part. Raises DatasetError.
    """
    trained = trained_with_negatives(classifier.model)
    splits = {"validation"} if trained else {"training", "validation"}
    photos = negative_photos(dirs, classifier.labels[0], labels=classifier.labels)
    return [photo for photo in photos if photo.split in splits]


def unknown_entry(
    plain: ModelClassifier,
    known: Scores,
    temperature: float,
    dirs: Sequence[Path],
    progress: PhotoProgress = iter,
) -> dict[str, Any]:
    """The entry ``unknown`` of a model, fitted to validation photos and the negatives in `dirs`.

    `plain` is the model as `open_uncalibrated` opens it, `known` what it says of the validation
    photos, `temperature` what its scores will be calibrated with. Raises DatasetError, and
    TrainingError for too few photos and for a model whose scores are independent.
    """
    if plain.independent:
        raise TrainingError(
            f"{plain.model.path}: its scores are independent of one another (sigmoid): where none "
            "of its labels is to be seen all are low, and nothing is announced; leave out "
            "--negatives"
        )
    chosen = fitting_negatives(dirs, plain)
    nothing = score_photos(plain, chosen, progress)
    best = np.stack([calibrated(row, "softmax", temperature) for row in known.scores]).max(axis=1)
    entry = fit_unknown(
        known.scores,
        known.truth,
        best >= ANNOUNCED_FROM,
        nothing.scores,
        [plain.labels.index(label) for label in plain.model.manifest.silent_labels],
        floor=score_floor(plain),
    )
    names = " + ".join(directory.resolve().name for directory in dirs)
    entry["fitted"]["negatives"]["name"] = names
    return entry


def fit_unknown(
    known: Rows,
    truth: NDArray[np.int64],
    announced: Flags,
    negatives: Rows,
    silent: Sequence[int],
    *,
    floor: float = _FLOOR,
    max_silenced: float = MAX_SILENCED,
) -> dict[str, Any]:
    """Return the manifest's entry ``unknown``, fitted to scores before calibration.

    `known` float32 ``[n, labels]`` are those of validation photos with the labels `truth`
    int64 ``[n]``, and `announced` bool ``[n]`` whether the best score, calibrated, would be
    announced; `negatives` ``[m, labels]`` those of photos of nothing. `silent` are the
    outputs of silent labels: a frame that gets one is never called unknown.

    The weights are those of a logistic regression on the scores' logarithms, which tells right
    answers from photos of nothing that get a label. Of a model that learned the label
    "background" from such photos they may be too few: then that label's own score does.
    Of answers that would be announced rightly at most `max_silenced` are silenced, on average
    over models fitted so: the threshold is that quantile of n + 1 (split conformal prediction,
    Angelopoulos and Bates 2021, arXiv:2107.07511). Raises TrainingError for too few photos.
    """
    right = (known.argmax(axis=1) == truth) & ~np.isin(truth, silent)
    weights = _weights(known[right], negatives, silent, floor)
    written = [float(f"{weight:.{_DIGITS}g}") for weight in weights]
    sure = known[right & announced]
    scores = _unknown_scores(sure, np.array(written, np.float32), floor)
    threshold, silenced = silencing_threshold(scores, max_silenced)
    return {
        "score": UNKNOWN_SCORE,
        "weights": written,
        "floor": floor,
        "threshold": threshold,
        "silenced": silenced,
        "fitted": {"answers": len(sure), "negatives": {"photos": len(negatives)}},
    }


def _logarithms(scores: Rows, floor: float) -> NDArray[np.float64]:
    return np.log(np.maximum(scores, floor).astype(np.float64))


def _unknown_scores(scores: Rows, weights: Rows, floor: float) -> NDArray[np.float64]:
    """What the device computes for each row."""
    rejection = UnknownRejection(UnknownScore(weights, floor, 0.0))
    return np.array([rejection.score(row) for row in scores], np.float64)


def _weights(
    right: Rows, negatives: Rows, silent: Sequence[int], floor: float
) -> NDArray[np.float64]:
    called = negatives[~np.isin(negatives.argmax(axis=1), silent)]
    if len(called) >= FEWEST_NEGATIVES:
        return _fitted_weights(_logarithms(right, floor), _logarithms(called, floor))
    if silent:
        return np.isin(np.arange(right.shape[1]), silent).astype(np.float64)
    raise TrainingError(
        f"{len(negatives)} photos of nothing are too few to tell unknown frames by; expected "
        f"{FEWEST_NEGATIVES} or more"
    )


def _fitted_weights(
    known: NDArray[np.float64], unknown: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights of a logistic regression in which both sides weigh alike, high for `unknown`."""
    from scipy.optimize import minimize

    rows = np.concatenate([known, unknown])
    center, spread = rows.mean(axis=0), rows.std(axis=0) + _LEAST_SPREAD
    rows = (rows - center) / spread
    counts = [len(known), len(unknown)]
    sign = np.repeat([-1.0, 1.0], counts)
    weigh = np.repeat(len(rows) / 2 / np.array(counts), counts)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, bias = parameters[:-1], parameters[-1]
        margins = sign * (rows @ weights + bias)
        slopes = -sign * weigh * np.exp(-np.logaddexp(0, margins))
        penalty = _STRENGTH / 2 * float(weights @ weights)
        gradient = np.append(rows.T @ slopes + _STRENGTH * weights, slopes.sum())
        return float(weigh @ np.logaddexp(0, -margins)) + penalty, gradient

    start = np.zeros(rows.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B").x
    weights: NDArray[np.float64] = found[:-1] / spread
    return weights


def silencing_threshold(sure: NDArray[np.float64], max_silenced: float) -> tuple[float, float]:
    """The score above which frames are unknown, and the share of these answers above it."""
    n = len(sure)
    place = int(max_silenced * (n + 1))
    if place < 1:
        raise TrainingError(
            f"{n} validation photos get their label with a score of {ANNOUNCED_FROM:g} or more; "
            f"expected {int(np.ceil(1 / max_silenced)) - 1}, so that unknown rejection silences "
            f"no more than {max_silenced:.0%} of such answers: give more photos"
        )
    ordered = np.sort(sure)
    kept = float(ordered[n - place])
    above = ordered[ordered > kept]
    # Halfway to the next, so that the last digit of a sum decides nothing.
    threshold = kept + (float(above[0]) - kept) / 2 if len(above) else kept + 1e-3
    threshold = float(f"{threshold:.7g}")
    return threshold, round(float((sure > threshold).mean()), 4)


def rejection_lines(
    models: Sequence[ModelClassifier],
    known: Sequence[Outcomes],
    dirs: Sequence[Path],
    progress: PhotoProgress = iter,
) -> Iterator[str]:
    """What unknown rejection wins and costs: of a model without it and of the same with it.

    `known` is what both say of test photos; photos of nothing are those in `dirs` from places
    that neither network nor entry has learned from.
    """
    unknowns = unknown_photos(models, dirs)
    old, new = (
        false_announcements(model, unknowns, answers, outcomes, ANNOUNCED_FROM)
        for model, answers, outcomes in zip(
            models, ask(models, unknowns.photos, progress), known, strict=True
        )
    )
    manifest = models[1].model.manifest
    fitted = manifest.details["unknown"]["fitted"]
    yield (
        f"unknown rejection, fitted to {fitted['answers']} right answers and "
        f"{fitted['negatives']['photos']} photos of nothing; before → after:"
    )
    yield (
        f"  announced falsely  {old['share']:.1%} → {between(new, 'share', '.1%')} of "
        f"{new['n']} photos of nothing from {new['sources']} other places"
    )
    rightly = old["known"]["announced"]
    yield (
        f"  announced rightly  {rightly:.1%} → {between(new['known'], 'announced', '.1%')} of "
        f"{new['known']['n']} test photos, at a score of {ANNOUNCED_FROM:g}"
    )
    if not manifest.silent_labels:
        yield (
            "  a model that learns from such photos tells them far better: "
            "pi-classifier-train retrain --negatives"
        )
