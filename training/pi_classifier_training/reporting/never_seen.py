"""What the model says of photos that show none of its labels, in the report."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pi_classifier.inference.classifier import open_classifier
from pi_classifier_training.data.negatives import recorded_dirs
from pi_classifier_training.evaluation.false_announcements import (
    ask,
    false_announcements,
)
from pi_classifier_training.evaluation.unknown_photos import unknown_photos
from pi_classifier_training.export.export import TRIAL
from pi_classifier_training.progress import with_progress
from pi_classifier_training.reporting.pictures import Thumbnail, thumbnail
from pi_classifier_training.reporting.subject import Subject


@dataclass(frozen=True, slots=True)
class WrongCard:
    """A photo of something else that would be announced as a label."""

    picture: Thumbnail
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class NeverSeen:
    """How often it would announce a label it is not shown, with the worst such photos.

    `measured` is what `false_announcements` says, None without photos. `taught` says that the
    model has a label for such photos; `command` is what to type next.
    """

    measured: dict[str, Any] | None
    cards: tuple[WrongCard, ...]
    taught: bool
    command: str


def never_seen(subject: Subject) -> NeverSeen:
    """Measure the file to copy on photos that show none of its labels, where they are at hand.

    They are those of the options, else those that a run was trained with, of which only
    places count that it has not seen. Raises DatasetError where none can be read.
    """
    taught = bool(subject.chosen.manifest.silent_labels)
    dirs = subject.options.unknown or (recorded_dirs(subject.summary) if subject.is_run else ())
    command = _command(subject, taught=taught, measured=bool(dirs))
    if not dirs:
        return NeverSeen(None, (), taught, command)
    chosen = subject.chosen
    settings = replace(TRIAL, path=str(chosen.path.resolve()))
    with contextlib.closing(open_classifier(settings)) as classifier:
        unknowns = unknown_photos([classifier], dirs)
        (answers,) = ask(
            [classifier],
            unknowns.photos,
            lambda photos: with_progress("photos of anything else", photos),
        )
        measured = false_announcements(
            classifier, unknowns, answers, chosen.outcomes, subject.threshold
        )
    pictures = [(thumbnail(Path(w["photo"])), w["label"], w["score"]) for w in measured["worst"]]
    cards = tuple(WrongCard(p, label, score) for p, label, score in pictures if p is not None)
    return NeverSeen(measured, cards, taught, command)


def _command(subject: Subject, *, taught: bool, measured: bool) -> str:
    """What to type next: measure, where nothing is measured; else teach it other things."""
    folders = [part for folder in subject.image_dirs for part in ("--image-dir", str(folder))]
    if taught and measured:
        return ""
    lines = ["pi-classifier-train fetch negatives"]
    if taught or not subject.is_run:
        words = ["pi-classifier-train", "report", str(subject.source), *folders]
        lines.append(shlex.join([*words, "--unknown", "negatives"]))
    else:
        words = ["pi-classifier-train", "retrain", *folders]
        output = ["--output-dir", f"{subject.source}-known"]
        again = subject.search_again("known", "--negatives", "negatives")
        lines.append(again or shlex.join([*words, "--negatives", "negatives", *output]))
    return "\n".join(lines)
