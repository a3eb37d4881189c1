"""What unknown rejection wins and costs, on photos that neither network nor entry has seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pi_classifier.inference.classifier import ModelClassifier
from pi_classifier_training.data.dataset import PhotoProgress
from pi_classifier_training.evaluation.false_announcements import ask, false_announcements
from pi_classifier_training.evaluation.report_text import between
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.evaluation.unknown import ANNOUNCED_FROM, MAX_SILENCED
from pi_classifier_training.evaluation.unknown_photos import unknown_photos


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
    manifest = models[1].model.manifest
    if manifest.unknown is None:
        yield (
            "unknown rejection: left out; of the photos of nothing none that would be announced "
            f"can be silenced without losing more than {MAX_SILENCED:.0%} of the right answers"
        )
        return
    old, new = _judged(models, known, dirs, progress)
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


def _judged(
    models: Sequence[ModelClassifier],
    known: Sequence[Outcomes],
    dirs: Sequence[Path],
    progress: PhotoProgress,
) -> list[dict[str, Any]]:
    unknowns = unknown_photos(models, dirs)
    asked = ask(models, unknowns.photos, progress)
    return [
        false_announcements(model, unknowns, answers, outcomes, ANNOUNCED_FROM)
        for model, answers, outcomes in zip(models, asked, known, strict=True)
    ]
