"""How good a delivery is, on test photos, which nothing was chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pi_classifier.decision import SmootherSettings
from pi_classifier.inference.cascade import Cascade
from pi_classifier.inference.classifier import ModelClassifier, silent_labels_of
from pi_classifier.types import Classifier
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.announcing import announced
from pi_classifier_training.evaluation.evaluate import label_evaluation
from pi_classifier_training.evaluation.false_announcements import (
    ask,
    brief,
    false_announcements,
)
from pi_classifier_training.evaluation.held_out import held_out
from pi_classifier_training.evaluation.metrics import wilson
from pi_classifier_training.evaluation.scoring import Outcomes, classify_photos
from pi_classifier_training.evaluation.temperature import announce_from
from pi_classifier_training.evaluation.unknown_photos import unknown_photos
from pi_classifier_training.progress import with_progress


@dataclass(frozen=True, slots=True, eq=False)
class DeliveredFigures:
    """Answers to the test photos, and from which score on labels should be announced.

    `silent` are those of the `labels` of which nothing is said, `accept` the scores from which
    the stages of a cascade but the last answer alone. `threshold` was chosen on the validation
    photos. `unknown` is what it says of test photos of nothing, where there are some
    (`false_announcements.brief`).
    """

    labels: tuple[str, ...]
    silent: tuple[str, ...]
    outcomes: Outcomes
    threshold: float
    accept: tuple[float, ...]
    unknown: dict[str, Any] | None

    @property
    def deferral(self) -> float:
        """The share of test photos that the first network passes on."""
        return float((self.outcomes.stages > 0).mean())

    @property
    def here_ms(self) -> float:
        """Mean time of a photo here: the median of each stage, by how often it answers."""
        stages, times_ns = self.outcomes.stages, self.outcomes.latencies_ns
        answered = [times_ns[stages == stage] for stage in np.unique(stages)]
        return float(sum(len(t) * np.median(t) for t in answered)) / len(stages) / 1e6

    def as_dict(self) -> dict[str, Any]:
        """The figures in JSON's types; shares are fractions with 95 % intervals."""
        outcomes, n = self.outcomes, len(self.outcomes.photos)
        right = wilson(int(outcomes.right.sum()), n)
        return {
            "threshold": self.threshold,
            "accept": list(self.accept),
            "deferral": self.deferral,
            "here_ms": self.here_ms,
            "test": {
                "n": n,
                "top1": right.value,
                "top1_interval": [right.low, right.high],
                "said": self._announced(of_silent=False),
                "said_of_silent": self._announced(of_silent=True),
                "labels": list(self.labels),
                **label_evaluation(outcomes, self.labels),
            },
            "unknown": self.unknown,
        }

    def _announced(self, *, of_silent: bool) -> dict[str, int]:
        """How many photos get a label aloud, and how many another than theirs."""
        counted = announced(
            self.outcomes, self.labels, self.silent, self.threshold, of_silent=of_silent
        )
        return {"n": counted.n, "named": counted.named, "wrong": counted.wrong}


def measure_delivery(
    classifier: Classifier,
    image_dirs: Sequence[Path],
    negatives: Sequence[Path],
    threshold: float,
) -> DeliveredFigures:
    """Show a delivered model or cascade the test photos, and those of nothing.

    `threshold` is the score from which it may announce.

    Raises DatasetError, and TrainingError for a classifier of another kind.
    """
    parts = held_out(image_dirs, models_of(classifier))
    outcomes = _classified(classifier, [p for part in parts for p in part.test])
    unknown = None
    if negatives:
        unknowns = unknown_photos([classifier], negatives)
        (answers,) = ask(
            [classifier], unknowns.photos, lambda p: with_progress("photos of nothing", p)
        )
        unknown = brief(false_announcements(classifier, unknowns, answers, outcomes, threshold))
    silent = silent_labels_of(classifier)
    return DeliveredFigures(
        tuple(classifier.labels),
        tuple(label for label in classifier.labels if label in silent),
        outcomes,
        threshold,
        accepts_of(classifier),
        unknown,
    )


def validation_outcomes(classifier: Classifier, image_dirs: Sequence[Path]) -> Outcomes:
    """What a delivered model or cascade says of the validation photos, to choose by."""
    parts = held_out(image_dirs, models_of(classifier))
    return _classified(classifier, [p for part in parts for p in part.validation])


def models_of(classifier: Classifier) -> list[ModelClassifier]:
    """The models behind a classifier, in the order they are asked. Raises TrainingError."""
    stages = [s.classifier for s in classifier.stages] if isinstance(classifier, Cascade) else []
    models = [c for c in stages or [classifier] if isinstance(c, ModelClassifier)]
    if not models:
        raise TrainingError(f"{classifier.name}: is neither a model file nor a cascade of them")
    return models


def accepts_of(classifier: Classifier) -> tuple[float, ...]:
    """The scores from which the stages but the last answer alone."""
    if not isinstance(classifier, Cascade):
        return ()
    return tuple(stage.accept for stage in classifier.stages[:-1])


def announcing_threshold(validation: Outcomes) -> float:
    """The score from which the device should announce.

    The usual one, unless on the validation photos answers are right often enough only from
    a higher one on: below the usual one, what shows no label would be announced more often.
    """
    return max(SmootherSettings().threshold_high, announce_from(validation))


def _classified(classifier: Classifier, photos: Sequence[Photo]) -> Outcomes:
    (outcomes,) = classify_photos(
        [classifier], photos, lambda items: with_progress("measuring", items)
    )
    return outcomes
