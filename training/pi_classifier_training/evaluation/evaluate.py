"""Honest accuracy: photos through the daemon's own classifier, nothing else."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pi_classifier.inference.classifier import model_files, open_classifier, silent_labels_of
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.setting import setting
from pi_classifier.types import Classifier
from pi_classifier_training.data.dataset import PhotoProgress
from pi_classifier_training.data.splits import Split, SplitOptions
from pi_classifier_training.evaluation.announcing import announced, announcing_sentences
from pi_classifier_training.evaluation.false_announcements import (
    ask,
    brief,
    false_announcements,
    threshold_of,
)
from pi_classifier_training.evaluation.held_out import ChosenPhotos, SplitChoice, chosen_photos
from pi_classifier_training.evaluation.labeling import match_labels, read_map
from pi_classifier_training.evaluation.metrics import (
    calibration_bins,
    calibration_error,
    confusions,
    cross_entropy,
    label_figures,
    wilson,
)
from pi_classifier_training.evaluation.per_photo import PhotoAnswers, mistake_entries
from pi_classifier_training.evaluation.scoring import (
    Outcomes,
    Scores,
    classify_photos,
    outcomes_of,
    score_photos,
)
from pi_classifier_training.evaluation.significance import (
    calibration_error_interval,
    cross_entropy_interval,
)
from pi_classifier_training.evaluation.unknown_photos import unknown_photos

__all__ = [
    "EvaluationOptions",
    "Outcomes",
    "Scores",
    "calibration_curve",
    "evaluate",
    "figures",
    "outcomes_of",
    "score_photos",
]

log = logging.getLogger(__name__)

# A full confusion matrix of more labels would hold mostly zeros.
MATRIX_LABELS = 50
PORTABLE_LABELS = 20


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """Which photos a model is measured on, and which of its labels they show.

    `split` ``test`` or ``validation`` takes only those held-out photos, by the rule that the
    model was trained with; ``all`` takes every photo, which is right only for photos it has
    never seen; ``auto`` finds out which of the two they are.
    """

    split: SplitChoice = setting(
        "auto",
        "auto: all photos of a folder that the model was not trained on, of another as test; "
        "test: the held-out photos; validation: those that choices are made on; all: for photos "
        "never trained on",
    )
    labels: str | None = setting(None, "label file of a model without labels", metavar="FILE")
    map: Path | None = setting(
        None,
        "lines 'folder = label', for folders not named as the model's labels; 'folder =' "
        "leaves one out",
        metavar="FILE",
    )
    unknown: tuple[Path, ...] = setting(
        (),
        "folder of photos that show none of the labels, a sub-folder for each place they come "
        "from: how often would one be announced? May be given several times",
        metavar="DIR",
    )
    threshold: float | None = setting(
        None,
        "score from which a label counts as announced, for --unknown (default: what the model "
        "file advises, else decision.threshold_high's default)",
        minimum=0,
        maximum=1,
        metavar="SCORE",
    )

    per_photo: bool = setting(
        False, "with --json, also what is said of each photo: labels, scores, stage"
    )
    mistakes: bool = setting(False, "also list all photos that are given a wrong label")
    splits: SplitOptions = SplitOptions()

    def applied_to(self, settings: ModelSettings | None, model: str) -> ModelSettings:
        """Settings that open `model` with these labels and with all its scores."""
        settings = settings or ModelSettings(labels=self.labels)
        return replace(settings, path=model, top_k=0)

    def photos_for(
        self, classifiers: Sequence[Classifier], image_dirs: Sequence[Path]
    ) -> ChosenPhotos:
        """The photos to measure classifiers on, under their labels. Raises DatasetError."""
        models = [model for classifier in classifiers for model in model_files(classifier)]
        chosen = chosen_photos(models, image_dirs, self.split, self.splits)
        labels = list(dict.fromkeys(label for c in classifiers for label in c.labels))
        name = " and ".join(dict.fromkeys(c.name for c in classifiers))
        photos = match_labels(chosen.photos, labels, name, self.label_names())
        return replace(chosen, photos=photos)

    def label_names(self) -> dict[str, str] | None:
        """Which label a folder means, see `match_labels`; None without a map.

        Raises DatasetError for a map that cannot be read.
        """
        return None if self.map is None else read_map(self.map)


def figures(result: Scores | Outcomes) -> dict[str, Any]:
    """The figures of merit of scored photos; accuracies are fractions."""
    outcomes = outcomes_of(result)
    n = len(outcomes.photos)
    merits: dict[str, Any] = {"n": n}
    for k in (1, 3, 5):
        accuracy = wilson(int(np.sum(outcomes.rank < k)), n)
        merits[f"top{k}"] = accuracy.value
        merits[f"top{k}_interval"] = [accuracy.low, accuracy.high]
    merits["cross_entropy"] = cross_entropy(outcomes.own)
    merits["cross_entropy_interval"] = list(cross_entropy_interval(outcomes))
    merits["calibration_error"] = calibration_error(outcomes.top, outcomes.right)
    merits["calibration_error_interval"] = list(calibration_error_interval(outcomes))
    merits["latency_ms"] = float(np.median(outcomes.latencies_ns)) / 1e6
    if outcomes.stages.max() > 0:
        merits["deferral_ratio"] = float(np.mean(outcomes.stages > 0))
    return merits


def label_evaluation(result: Scores | Outcomes, labels: Sequence[str]) -> dict[str, Any]:
    """``per_label`` and ``confusion`` of an evaluation.

    ``per_label`` has an entry for each label that photos show or were given.
    ``confusion[i][j]`` counts the photos that show label i and were given label j; with
    more than `MATRIX_LABELS` labels it is a list of [true label, given label, count]
    instead, most frequent first, right answers included.
    """
    outcomes = outcomes_of(result)
    by_label = label_figures(outcomes.truth, outcomes.given, len(labels))
    counts = confusions(outcomes.truth, outcomes.given, len(labels))
    confusion: list[Any]
    if len(labels) > MATRIX_LABELS:
        confusion = [[labels[true], labels[given], count] for true, given, count in counts]
    else:
        confusion = [[0] * len(labels) for _ in labels]
        for true, given, count in counts:
            confusion[true][given] = count
    return {
        "per_label": {
            labels[i]: {"n": f.n, "precision": f.precision, "recall": f.recall, "f1": f.f1}
            for i, f in enumerate(by_label)
            if f.n or f.precision is not None
        },
        "confusion": confusion,
    }


def calibration_curve(result: Scores | Outcomes) -> list[tuple[float, float, int]]:
    """(mean score, share right, photos) of each tenth of the score that photos fall into.

    A well calibrated model has both equal: of the answers it gives 80 %, 80 % are right.
    """
    outcomes = outcomes_of(result)
    bins = calibration_bins(outcomes.top)
    return [
        (
            float(outcomes.top[bins == b].mean(dtype=np.float64)),
            float(outcomes.right[bins == b].mean()),
            int(np.sum(bins == b)),
        )
        for b in np.unique(bins)
    ]


def evaluate(
    model: str,
    image_dirs: Sequence[Path],
    options: EvaluationOptions | None = None,
    settings: ModelSettings | None = None,
    progress: PhotoProgress = iter,
) -> dict[str, Any]:
    """Evaluate a model file or cascade on photos; return its figures of merit.

    `settings` open the model where there is more to say of it than its labels.
    """
    options = options or EvaluationOptions()
    with contextlib.closing(open_classifier(options.applied_to(settings, model))) as classifier:
        return evaluate_classifier(classifier, image_dirs, options, progress)


def evaluate_classifier(
    classifier: Classifier,
    image_dirs: Sequence[Path],
    options: EvaluationOptions | None = None,
    progress: PhotoProgress = iter,
) -> dict[str, Any]:
    """Evaluate a classifier that gives all its scores (`top_k` 0) on photos."""
    options = options or EvaluationOptions()
    chosen = options.photos_for([classifier], image_dirs)
    answers = PhotoAnswers(classifier.labels, image_dirs)
    look = [answers.add] if options.per_photo else []
    (outcomes,) = classify_photos([classifier], chosen.photos, progress, *look)
    record = evaluation_of(classifier, outcomes, chosen)
    record |= _announced(classifier, outcomes, threshold_of(classifier, options.threshold))
    if options.per_photo:
        record |= {"per_photo": answers.entries, "left_out": list(outcomes.unreadable)}
    if options.mistakes:
        record["mistakes"] = mistake_entries(outcomes, classifier.labels, image_dirs)
    if options.unknown:
        (record["unknown"],) = evaluate_unknown([classifier], [outcomes], options, progress)
    return record


def _announced(classifier: Classifier, outcomes: Outcomes, threshold: float) -> dict[str, Any]:
    """What would be said aloud of the photos, as numbers and in words."""
    labels, silent = classifier.labels, sorted(silent_labels_of(classifier))
    return {
        "announced": asdict(announced(outcomes, labels, silent, threshold)),
        "in_words": list(announcing_sentences(outcomes, labels, silent, threshold)),
    }


def evaluate_unknown(
    classifiers: Sequence[Classifier],
    outcomes: Sequence[Outcomes],
    options: EvaluationOptions,
    progress: PhotoProgress = iter,
) -> list[dict[str, Any]]:
    """What each classifier would announce of the photos in `options.unknown`.

    `outcomes` are those of photos that show its labels; see `false_announcements`.
    """
    split: Split | None = "test"
    if options.split != "auto":
        split = None if options.split == "all" else options.split
    unknowns = unknown_photos(classifiers, options.unknown, split)
    return [
        false_announcements(
            classifier, unknowns, answers, known, threshold_of(classifier, options.threshold)
        )
        for classifier, answers, known in zip(
            classifiers, ask(classifiers, unknowns.photos, progress), outcomes, strict=True
        )
    ]


def evaluation_of(
    classifier: Classifier, outcomes: Outcomes, chosen: ChosenPhotos | Split
) -> dict[str, Any]:
    """The evaluation of a classifier from its outcomes; logs what was unreadable."""
    for message in outcomes.unreadable:
        log.warning("left out: %s", message)
    labels = list(classifier.labels)
    files = list(model_files(classifier))
    return {
        "model": classifier.name,
        **(chosen.record() if isinstance(chosen, ChosenPhotos) else {"split": chosen}),
        **figures(outcomes),
        "unreadable": len(outcomes.unreadable),
        "labels": labels,
        **label_evaluation(outcomes, labels),
        "size_bytes": sum(file.size_bytes for file in files),
        "files": [
            {"name": f.path.name, "sha256": f.sha256, "size_bytes": f.size_bytes} for f in files
        ],
    }


def portable(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an evaluation that goes into the model file itself.

    Times depend on the machine, size and checksum on the file; what is said of each of
    many labels would take more room than it is worth on the device.
    """
    left_out = {"model", "photos", "latency_ms", "labels", "size_bytes", "files"}
    left_out |= {"announced", "in_words"}
    if len(evaluation["labels"]) > PORTABLE_LABELS:
        left_out |= {"per_label", "confusion"}
    kept = {key: value for key, value in evaluation.items() if key not in left_out}
    if "unknown" in kept:
        kept["unknown"] = brief(kept["unknown"])
    return kept
