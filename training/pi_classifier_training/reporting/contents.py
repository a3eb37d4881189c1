"""What stands in a report: figures turned into sentences, tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.evaluate import calibration_curve
from pi_classifier_training.evaluation.metrics import (
    LabelFigures,
    calibration_error,
    confusions,
    label_figures,
)
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.reporting import figures, words
from pi_classifier_training.reporting.page import Figure
from pi_classifier_training.reporting.subject import Subject

# A table of more labels cannot be read any more; the pairs that matter can.
MATRIX_LABELS = 20
PAIRS = 20
# Beside the matrix a few are enough.
FEWER_PAIRS = 6
# Of many labels, those that fare worst stand open; the others are folded away.
OPEN_LABELS = 20


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A label and its figures."""

    label: str
    figures: LabelFigures


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A line of the confusion matrix: counts, and their share of the photos of the label."""

    label: str
    counts: tuple[int, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Who is taken for whom; `matrix` is empty where there are too many labels for it.

    Of `rows` the first `open_rows` are the ones to show; `hardest` is a sentence on the
    label that fares worst; all is counted on `photos` test photos.
    """

    labels: tuple[str, ...]
    matrix: tuple[MatrixRow, ...]
    pairs: tuple[words.Pair, ...]
    rows: tuple[LabelRow, ...]
    open_rows: int
    hardest: str
    photos: int


def confusion(subject: Subject) -> Confusion:
    """What the file to copy takes for what."""
    return confusion_of(subject.chosen.outcomes, subject.chosen.labels)


def confusion_of(outcomes: Outcomes, labels: Sequence[str]) -> Confusion:
    """Confused pairs, the matrix where it can be read, and every label's figures."""
    cells = confusions(outcomes.truth, outcomes.given, len(labels))
    by_label = label_figures(outcomes.truth, outcomes.given, len(labels))
    rows = [
        LabelRow(label, row)
        for label, row in zip(labels, by_label, strict=True)
        if row.n or row.precision is not None
    ]
    worst_first = sorted(rows, key=lambda row: (row.figures.f1 or 0.0, row.label))
    many = len(rows) > OPEN_LABELS
    matrix = len(labels) <= MATRIX_LABELS
    pairs = words.confused_pairs(cells, labels, FEWER_PAIRS if matrix else PAIRS)
    return Confusion(
        tuple(labels),
        _matrix(cells, labels) if matrix else (),
        tuple(pairs),
        tuple(worst_first if many else rows),
        OPEN_LABELS if many else len(rows),
        words.label_words(worst_first[0].label, worst_first[0].figures) if pairs else "",
        len(outcomes.photos),
    )


def _matrix(cells: Sequence[tuple[int, int, int]], labels: Sequence[str]) -> tuple[MatrixRow, ...]:
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for true, given, n in cells:
        counts[true, given] = n
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return tuple(
        MatrixRow(label, tuple(row.tolist()), tuple(share.tolist()))
        for label, row, share in zip(labels, counts, shares, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Trust:
    """How far the scores can be believed, and what was done for it."""

    sentence: str
    calibrated: str
    calibration_error: float
    figure: Figure


def trust(subject: Subject) -> Trust:
    """How often a score is right."""
    outcomes = subject.chosen.outcomes
    error, sentence = trust_of(outcomes)
    bins = calibration_curve(outcomes)
    listed = "; ".join(f"{100 * s:.0f} %: {100 * r:.0f} % right of {n}" for s, r, n in bins)
    shows = f"Share of right answers by score. {sentence} {listed}."
    calibrated = words.calibrated_sentence(subject.chosen.manifest.details.get("calibration", {}))
    return Trust(sentence, calibrated, error, Figure(figures.calibration(bins), shows))


def trust_of(outcomes: Outcomes) -> tuple[float, str]:
    """The calibration error, and what it means."""
    error = calibration_error(outcomes.top, outcomes.right)
    mean_score, right = float(outcomes.top.mean(dtype=np.float64)), float(outcomes.right.mean())
    return error, words.calibration_sentence(error, mean_score, right)


@dataclass(frozen=True, slots=True)
class Course:
    """How training went: in words, and drawn where it took several epochs."""

    sentences: tuple[str, ...]
    figure: Figure | None


def course(subject: Subject) -> Course:
    """The course of training. Raises TrainingError where the summary holds none."""
    history = subject.summary.get("history", [])
    if not history:
        raise TrainingError("the summary of this run holds no course to draw")
    drawing = figures.training_curves(history)
    figure = None if drawing is None else Figure(drawing, _course_words(history))
    return Course(tuple(words.course_sentences(history)), figure)


def _course_words(history: Sequence[Mapping[str, Any]]) -> str:
    validated = [row["validation_accuracy"] for row in history if "validation_accuracy" in row]
    text = f"Course of training over {len(history)} epochs."
    if validated:
        text += f" Right answers on validation photos: {100 * validated[0]:.1f} % first, "
        text += f"{100 * validated[-1]:.1f} % at the end."
    return text


def _learning_rates(history: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The highest learning rate of each phase of training, as it was in use."""
    rates: dict[str, float] = {}
    for row in history:
        phase, rate = str(row.get("phase", "")), row.get("learning_rate")
        if isinstance(rate, int | float):
            rates[phase] = max(rates.get(phase, 0.0), float(rate))
    several = len(rates) > 1
    return {
        f"learning rate, {phase}" if several else "learning rate": f"{rate:.3g}"
        for phase, rate in rates.items()
    }


def settings(subject: Subject) -> list[tuple[str, str]]:
    """How the run was made, as pairs of words for a table."""
    return settings_of(subject.summary)


def settings_of(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The summary of a run as pairs of words."""
    network, options = summary.get("network", {}), summary.get("options", {})
    data, training = summary.get("data", {}), options.get("training", {})
    lines = {
        "network": " ".join(
            str(network[k]) for k in ("name", "width", "resolution") if k in network
        ),
        "imported from": summary.get("imported", {}).get("file"),
        "started from": options.get("weights"),
        "epochs of fine-tuning": options.get("fine_tune"),
        "learned from": ", ".join(options.get("teachers") or ()) or options.get("teacher"),
        "photos": data.get("name"),
        "held-out photos": data.get("split_rule"),
        "seed": training.get("seed"),
        "photos a step": training.get("batch"),
        **_learning_rates(summary.get("history", [])),
        "seconds": summary.get("seconds"),
    }
    made = [(key, str(value)) for key, value in lines.items() if value not in (None, "")]
    versions = summary.get("versions", {})
    return made + [(name, str(version)) for name, version in versions.items()]
