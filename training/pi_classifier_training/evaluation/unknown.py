"""Unknown rejection: the score by which frames unlike every label are told, fitted to photos.

The weights are those of a logistic regression on the logarithms of the scores, which tells
right answers from photos of nothing that get a label. Of a model that learned the label
"background" from such photos they may be too few: then that label's own score does.

Of the answers that would be announced rightly at most a share is silenced, `MAX_SILENCED` on
average over models fitted so: the threshold is that quantile of n + 1 (split conformal
prediction, Angelopoulos and Bates 2021, arXiv:2107.07511); a higher one where the shares of right
answers silenced and of photos of nothing announced are smaller together.

Which score, and why no other: docs/decisions/0038-unknown-rejection.md.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from pi_classifier_training.data.dataset import Photo, PhotoProgress
from pi_classifier_training.data.negatives import negative_photos
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.scoring import Scores, score_photos
from pi_classifier_training.evaluation.unknown_photos import trained_with_negatives
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
) -> dict[str, Any] | None:
    """The entry ``unknown`` of a model, fitted to validation photos and the negatives in `dirs`.

    `plain` is the model as `open_uncalibrated` opens it, `known` what it says of the validation
    photos, `temperature` what its scores will be calibrated with; None where the entry would
    win nothing. Raises DatasetError, and TrainingError for too few photos and for a model whose
    scores are independent.
    """
    if plain.independent:
        raise TrainingError(
            f"{plain.model.path}: its scores are independent of one another (sigmoid): where none "
            "of its labels is to be seen all are low, and nothing is announced; leave out "
            "--negatives"
        )
    nothing = score_photos(plain, fitting_negatives(dirs, plain), progress)
    entry = fitted_entry(plain, known.scores, known.truth, nothing.scores, temperature)
    if entry is not None:
        names = " + ".join(directory.resolve().name for directory in dirs)
        entry["fitted"]["negatives"]["name"] = names
    return entry


def fitted_entry(
    model: ModelClassifier,
    known: Rows,
    truth: NDArray[np.int64],
    negatives: Rows,
    temperature: float,
) -> dict[str, Any] | None:
    """`fit_unknown` with what the model file says of its silent labels and its output."""
    silent = [model.labels.index(label) for label in model.model.manifest.silent_labels]
    floor = score_floor(model)
    return fit_unknown(known, truth, negatives, silent, temperature=temperature, floor=floor)


def fit_unknown(
    known: Rows,
    truth: NDArray[np.int64],
    negatives: Rows,
    silent: Sequence[int] = (),
    *,
    temperature: float = 1.0,
    floor: float = _FLOOR,
    max_silenced: float = MAX_SILENCED,
) -> dict[str, Any] | None:
    """Return the manifest's entry ``unknown``, fitted to scores before calibration.

    `known` float32 ``[n, labels]`` are those of validation photos with the labels `truth`
    int64 ``[n]``, `negatives` ``[m, labels]`` those of photos of nothing, `temperature` what
    both are calibrated with before they are announced. `silent` are the outputs of silent
    labels: a frame that gets one is never called unknown.

    None where it would silence no photo of nothing, or more of the right answers than of those.
    Raises TrainingError for too few photos.
    """
    right = (known.argmax(axis=1) == truth) & ~np.isin(truth, silent)
    called = negatives[~np.isin(negatives.argmax(axis=1), silent)]
    sure, false = (_announced(rows, temperature) for rows in (known[right], called))
    _may_be_silenced(len(sure), max_silenced)
    written = unknown_weights(known[right], called, silent, floor)
    scores, false_scores = (_unknown_scores(rows, written, floor) for rows in (sure, false))
    threshold = _worth_silencing(
        scores, false_scores, len(negatives), silencing_threshold(scores, max_silenced)
    )
    if threshold is None:
        return None
    return {
        "score": UNKNOWN_SCORE,
        "weights": written,
        "floor": floor,
        "threshold": threshold,
        "silenced": round(float((scores > threshold).mean()), 4),
        "fitted": {"answers": len(scores), "negatives": {"photos": len(negatives)}},
    }


def _announced(scores: Rows, temperature: float) -> Rows:
    """Those that would be announced, once they are calibrated."""
    best = [calibrated(row, "softmax", temperature).max() for row in scores]
    return scores[np.array(best, np.float32) >= ANNOUNCED_FROM]


def _logarithms(scores: Rows, floor: float) -> NDArray[np.float64]:
    return np.log(np.maximum(scores, floor).astype(np.float64))


def _unknown_scores(scores: Rows, weights: Sequence[float], floor: float) -> NDArray[np.float64]:
    """What the device computes for each row."""
    rejection = UnknownRejection(UnknownScore(np.array(weights, np.float32), floor, 0.0))
    return np.array([rejection.score(row) for row in scores], np.float64)


def unknown_weights(right: Rows, called: Rows, silent: Sequence[int], floor: float) -> list[float]:
    """The entry's weights, by right answers and photos of nothing that get a label.

    Raises TrainingError for too few of the latter.
    """
    if len(called) >= FEWEST_NEGATIVES:
        weights = _fitted_weights(_logarithms(right, floor), _logarithms(called, floor))
    elif silent:
        weights = np.isin(np.arange(right.shape[1]), silent).astype(np.float64)
    else:
        raise TrainingError(
            f"{len(called)} photos of nothing are too few to tell unknown frames by; expected "
            f"{FEWEST_NEGATIVES} or more"
        )
    return [float(f"{weight:.{_DIGITS}g}") for weight in weights]


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
    solution = minimize(loss, start, jac=True, method="L-BFGS-B").x
    weights: NDArray[np.float64] = solution[:-1] / spread
    return weights


def _worth_silencing(
    sure: NDArray[np.float64], false: NDArray[np.float64], negatives: int, lowest: float
) -> float | None:
    """The threshold from `lowest` on with the fewest mistakes, None where silence wins nothing.

    `sure` are the scores of the right answers that would be announced, `false` those of the
    photos of nothing, of `negatives` in all. Mistakes are the share of right answers that is
    silenced and the share of photos of nothing that is not, a camera seeing as much of both.
    """
    uppers = np.unique(false[false > lowest])
    if not uppers.size:
        return None
    # Just below a photo of nothing: no right answer is silenced for no gain.
    others = np.append(sure, lowest)
    thresholds = np.array([_halfway(others, upper) for upper in uppers])
    silenced = (sure > thresholds[:, None]).mean(axis=1)
    announced = (false <= thresholds[:, None]).sum(axis=1) / negatives
    mistakes = silenced + announced
    best = len(mistakes) - 1 - int(mistakes[::-1].argmin())
    return float(thresholds[best]) if mistakes[best] < len(false) / negatives else None


def silencing_threshold(sure: NDArray[np.float64], max_silenced: float) -> float:
    """The score above which as many of these answers lie as may be silenced, and no more.

    Raises TrainingError for too few of them.
    """
    ordered = np.sort(sure)
    kept = float(ordered[len(sure) - _may_be_silenced(len(sure), max_silenced)])
    above = ordered[ordered > kept]
    return _halfway(ordered, float(above[0]) if len(above) else kept + 1e-3)


def _may_be_silenced(answers: int, max_silenced: float) -> int:
    """The place from above of the first answer that is kept; raises where there is none."""
    place = int(max_silenced * (answers + 1))
    if place < 1:
        raise TrainingError(
            f"{answers} validation photos get their label with a score of {ANNOUNCED_FROM:g} or "
            f"more; expected {int(np.ceil(1 / max_silenced)) - 1}, so that unknown rejection "
            f"silences no more than {max_silenced:.0%} of such answers: give more photos"
        )
    return place


def _halfway(scores: NDArray[np.float64], upper: float) -> float:
    """Between `upper` and the next lower score: the last digit of a sum decides nothing."""
    lower = float(scores[scores < upper].max())
    return float(f"{lower + (upper - lower) / 2:.7g}")
