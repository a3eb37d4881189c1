"""Make scores mean what they say: a temperature chosen on validation photos."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.decision import SmootherSettings
from pi_classifier.inference.classifier import ModelClassifier, open_model, open_model_bytes
from pi_classifier.inference.score_reading import calibrated
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.manifest import Manifest
from pi_classifier.modelfile.tflite_graph import Activation
from pi_classifier.system.files import write_atomic
from pi_classifier_training.data.dataset import Photo, PhotoProgress
from pi_classifier_training.data.negatives import require_apart
from pi_classifier_training.data.splits import SplitOptions
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.evaluate import evaluation_of, portable
from pi_classifier_training.evaluation.held_out import HeldOut, held_out
from pi_classifier_training.evaluation.metrics import cross_entropy
from pi_classifier_training.evaluation.report_text import between
from pi_classifier_training.evaluation.scoring import (
    Outcomes,
    Scores,
    classify_photos,
    concatenated,
    outcomes_of,
    score_photos,
)
from pi_classifier_training.evaluation.significance import (
    Interval,
    difference_interval,
    loss_column,
)
from pi_classifier_training.evaluation.unknown import (
    fitted_entry,
    open_uncalibrated,
    unknown_entry,
)
from pi_classifier_training.evaluation.unknown_gain import rejection_lines
from pi_classifier_training.modelfile.writer import with_manifest_entries

log = logging.getLogger(__name__)

LOWEST, HIGHEST = 0.2, 5.0
# Of the logarithm: most networks' temperatures lie between 0.6 and 1.6.
SPREAD = 0.5
# A label may be announced from the score at which this share of the answers is right.
ANNOUNCED_RIGHT = 0.9
# A rise of cross-entropy (nats) that nobody would notice is no reason to refuse.
WORSE = 0.005
# Never less than the device asks for by itself: photos of labels say nothing of all the rest,
# of which two labels get 0.5 and more for whatever they see.
_SCORES = np.round(np.arange(SmootherSettings().threshold_high, 0.96, 0.01), 2)


def sharpened(scores: NDArray[np.float32], temperature: float, sigmoid: bool) -> Any:
    """Scores ``[n, labels]`` as a further temperature makes them, by the daemon's formula.

    Temperatures multiply: what is fitted on scores that have one already is a factor.
    """
    activation: Activation = "sigmoid" if sigmoid else "softmax"
    return np.stack([calibrated(row, activation, temperature) for row in scores])


def fit_temperature(scored: Scores, *, sigmoid: bool = False) -> float:
    """The temperature at which the photos' cross-entropy is lowest, of a network's own scores.

    Few photos without a mistake would ask for the lowest temperature there is, so temperatures
    far from 1 must earn it: to the sum of the cross-entropies is added that of a normal
    distribution of the logarithm around 0 with the deviation `SPREAD`. A true label whose score
    a full-integer output rounds to 0 stays at 0: it weighs the same at any temperature.
    """
    from scipy.optimize import minimize_scalar

    n = len(scored.truth)

    def loss(logarithm: float) -> float:
        rows = sharpened(scored.scores, math.exp(logarithm), sigmoid)
        doubt = (logarithm / SPREAD) ** 2 / (2 * n)
        return cross_entropy(rows[np.arange(n), scored.truth]) + doubt

    bounds = math.log(LOWEST), math.log(HIGHEST)
    lowest = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-7})
    return math.exp(lowest.x)


def announce_from(outcomes: Outcomes) -> float:
    """The lowest score from which on at least `ANNOUNCED_RIGHT` of the answers are right.

    As with accept thresholds every higher score must hold it too; the highest of all
    where none does. It is never below the device's own `threshold_high`.
    """
    chosen = float(_SCORES[-1])
    for score in _SCORES[::-1]:
        sure = outcomes.top >= score
        if sure.any() and outcomes.right[sure].mean() < ANNOUNCED_RIGHT:
            break
        chosen = float(score)
    return chosen


def calibrated_entries(
    classifier: ModelClassifier, validation: Sequence[Photo], negatives: Sequence[Photo] = ()
) -> dict[str, Any]:
    """Entries of ``pi_classifier.json`` with which a model's scores mean what they say.

    The temperature, and the score from which on to believe an answer, both chosen on
    photos that the model was not trained on; those of them that are also `negatives`, photos of
    nothing, say how unknown frames are told, where they are enough. The classifier's own
    temperature is 1 still.
    """
    scored = score_photos(classifier, validation)
    entries = _score_entries(classifier, scored)
    temperature = entries["calibration"]["temperature"]
    unknown = _unknown_by_validation(classifier, scored, temperature, negatives)
    return entries if unknown is None else entries | {"unknown": unknown}


def _score_entries(classifier: ModelClassifier, scored: Scores) -> dict[str, Any]:
    """Temperature and threshold, by a network's own scores of validation photos."""
    sigmoid = classifier.model.activation == "sigmoid"
    temperature = round(fit_temperature(scored, sigmoid=sigmoid), 4)
    rows = sharpened(scored.scores, temperature, sigmoid).astype(np.float32)
    return {
        "calibration": {"temperature": temperature, "n": len(scored.truth)},
        "thresholds": {"high": announce_from(outcomes_of(replace(scored, scores=rows)))},
    }


def _unknown_by_validation(
    classifier: ModelClassifier, scored: Scores, temperature: float, negatives: Sequence[Photo]
) -> dict[str, Any] | None:
    """The entry ``unknown``, where the photos of nothing among those scored are enough for it."""
    of_nothing = {photo.path_text for photo in negatives}
    rows = np.array([photo.path_text in of_nothing for photo in scored.photos], bool)
    if not rows.any() or classifier.independent:
        return None
    known, nothing = scored.scores[~rows], scored.scores[rows]
    try:
        return fitted_entry(classifier, known, scored.truth[~rows], nothing, temperature)
    except TrainingError as error:
        log.info("%s: without unknown rejection: %s", classifier.model.path, error)
        return None


def calibrate_model(
    path: Path,
    image_dirs: Sequence[Path],
    output: Path | None = None,
    progress: PhotoProgress = iter,
    splits: SplitOptions | None = None,
    negatives: Sequence[Path] = (),
) -> Iterator[str]:
    """Choose a model file's temperature and write it into the file; yield lines to print.

    It is chosen on the validation photos, then judged on the test photos by running the
    file with it. With `negatives`, folders of photos that show none of the labels, so is the
    score by which frames unlike every label are told (`fit_unknown`). Only
    ``pi_classifier.json`` changes, the network not by a byte. Raises TrainingError, with
    nothing written, where the test photos' cross-entropy gets clearly worse, or where the file
    has no ``pi_classifier.json``.
    """
    with contextlib.closing(_opened(path)) as classifier:
        manifest = classifier.model.manifest
        _require_own(path, manifest)
        parts = held_out(image_dirs, [classifier], splits)
        require_apart(negatives, image_dirs)
        changes = _chosen(classifier, parts, negatives, progress)
        trial = _tried(classifier, changes, parts, negatives, progress)
    chosen = changes["calibration"]
    yield f"temperature {chosen['temperature']:g}, chosen on {chosen['n']} validation photos"
    yield from _before_and_after(trial.before, trial.after)
    yield from trial.unknown
    _require_no_worse(path, trial)
    high = changes["thresholds"]["high"]
    own = {"evaluation": trial.first_folder, "thresholds": {"high": high}}
    changes |= {key: manifest.details.get(key, {}) | value for key, value in own.items()}
    target = output or path
    write_atomic(target, with_manifest_entries(path.read_bytes(), changes))
    yield (
        f"{target}: written; at least {ANNOUNCED_RIGHT:.0%} of its answers with a score of "
        f"{high:g} or more were right on the validation photos (a start "
        "for decision.threshold_high)"
    )


def _chosen(
    classifier: ModelClassifier,
    parts: Sequence[HeldOut],
    negatives: Sequence[Path],
    progress: PhotoProgress,
) -> dict[str, Any]:
    """The manifest's entries that the validation photos ask for."""
    with contextlib.closing(open_uncalibrated(classifier.model.path)) as plain:
        validation = [p for part in parts for p in part.validation]
        scored = score_photos(plain, validation, progress)
        changes = _score_entries(plain, scored)
        temperature = changes["calibration"]["temperature"]
        if negatives:
            changes["unknown"] = unknown_entry(plain, scored, temperature, negatives, progress)
    return changes


def _require_own(path: Path, manifest: Manifest) -> None:
    if manifest.flatbuffer_bytes is None:
        raise TrainingError(
            f"{path}: was not written by this project and has no place for a temperature; "
            "make it a model file first: pi-classifier-train import"
        )


def _require_no_worse(path: Path, trial: _Trial) -> None:
    low, high = trial.loss_change
    if low > WORSE:
        raise TrainingError(
            f"{path}: with this temperature the cross-entropy of the {trial.after['n']} test "
            f"photos gets clearly worse (by {low:.3f} to {high:.3f}); nothing was written. The "
            "validation photos may be too few, or unlike the test photos"
        )


@dataclass(frozen=True, slots=True)
class _Trial:
    """What a file does with its new entries: evaluations before and after, and more.

    `loss_change` is the interval of the cross-entropy's change, `first_folder` what goes
    into the model file, `unknown` the lines that tell of unknown rejection.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    loss_change: Interval
    first_folder: dict[str, Any]
    unknown: tuple[str, ...] = ()


def _tried(
    classifier: ModelClassifier,
    changes: dict[str, Any],
    parts: Sequence[HeldOut],
    negatives: Sequence[Path],
    progress: PhotoProgress,
) -> _Trial:
    """Run the file with its new entries, as the daemon would, beside the old one."""
    path = classifier.model.path
    first = next(part for part in parts if part.test)
    trial = with_manifest_entries(path.read_bytes(), changes)
    settings = ModelSettings(top_k=0)
    with contextlib.closing(open_model_bytes(trial, path.name, settings)) as changed:
        pair = (classifier, changed)
        tested = [classify_photos(pair, part.test, progress) for part in parts if part.test]
        before, after = (concatenated(own) for own in zip(*tested, strict=True))
        unknown: tuple[str, ...] = ()
        if negatives:
            unknown = tuple(rejection_lines(pair, (before, after), negatives, progress))
    return _Trial(
        evaluation_of(classifier, before, "test"),
        evaluation_of(classifier, after, "test"),
        difference_interval(loss_column(before), loss_column(after)),
        {
            "data": first.folder.resolve().name,
            **portable(evaluation_of(classifier, tested[0][1], "test")),
        },
        unknown,
    )


def _opened(path: Path) -> ModelClassifier:
    return open_model(path, ModelSettings(top_k=0))


def _before_and_after(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    yield f"on {new['n']} test photos, before → after:"
    yield f"  top-1              {old['top1']:.1%} → {new['top1']:.1%}"
    for key, title, form in (
        ("cross_entropy", "cross-entropy", ".3f"),
        ("calibration_error", "calibration error", ".1%"),
    ):
        yield f"  {title:17}  {between(old, key, form)} → {between(new, key, form)}"
