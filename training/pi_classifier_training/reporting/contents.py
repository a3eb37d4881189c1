"""What stands in a report: figures turned into sentences, tables and pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.photos import load_image
from pi_classifier_training.evaluation.evaluate import Mistake, mistakes
from pi_classifier_training.evaluation.metrics import (
    Accuracy,
    LabelFigures,
    calibration_error,
    confusions,
    label_figures,
)
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.reporting import words
from pi_classifier_training.reporting.model_files import MeasuredFile

# A table of more labels cannot be read any more; the pairs that matter can.
MATRIX_LABELS = 20
PAIRS = 20
# Beside the matrix a few are enough.
FEWER_PAIRS = 6
WORST_MISTAKES = 12
# Of many labels, those that fare worst stand open; the others are folded away.
OPEN_LABELS = 20
# Twice the size shown, for sharp screens; about 6 kB each.
THUMBNAIL_SIDE = 220
THUMBNAIL_QUALITY = 68
# A photo need not be decoded whole to become this small.
DECODED_SIDE = 2 * THUMBNAIL_SIDE


@dataclass(frozen=True, slots=True)
class FileRow:
    """A line of the table of model files; `boards` maps a Raspberry Pi to its ms, as text."""

    name: str
    kind: str
    explained: str
    size_bytes: int
    gzip_bytes: int
    accuracy: Accuracy
    latency_ms: float
    boards: Mapping[str, str]
    chosen: bool


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
class Thumbnail:
    """A small picture as a ``data:`` address, its size in pixels and where it is from."""

    address: str
    width: int
    height: int
    name: str


@dataclass(frozen=True, slots=True)
class MistakeCard:
    """A photo named wrongly, beside one that really shows what was given."""

    picture: Thumbnail
    true: str
    given: str
    score: float
    true_score: float
    example: Thumbnail | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """Who is taken for whom; `matrix` is empty where there are too many labels for it.

    Of `rows` the first `open_rows` are the ones to show; `hardest` is a sentence on the
    label that fares worst.
    """

    labels: tuple[str, ...]
    matrix: tuple[MatrixRow, ...]
    pairs: tuple[words.Pair, ...]
    rows: tuple[LabelRow, ...]
    open_rows: int
    hardest: str


EXPLAINED = {
    "float32": "as trained, every number with 32 bits",
    "float16": "numbers with 16 bits: half the size",
    "dynamic": "weights with 8 bits, computing with 32 (dynamic-range quantized)",
    "int8": "weights and computing with 8 bits (full-integer quantized)",
    "qat": "as int8, but trained for it (quantization-aware trained)",
    "rounded": "as float32, but made to compress well (rounded)",
}


def file_row(file: MeasuredFile, *, chosen: bool, boards: Mapping[str, str]) -> FileRow:
    """A measured file as a line of the table."""
    explained = EXPLAINED.get(file.kind, "")
    return FileRow(
        file.path.name,
        file.kind,
        explained,
        file.size_bytes,
        file.gzip_bytes,
        file.test,
        file.latency_ms,
        boards,
        chosen,
    )


def confusion(outcomes: Outcomes, labels: Sequence[str]) -> Confusion:
    """Confused pairs, the matrix where it can be read, and every label's figures."""
    cells = confusions(outcomes.truth, outcomes.given, len(labels))
    by_label = label_figures(outcomes.truth, outcomes.given, len(labels))
    rows = [
        LabelRow(label, figures)
        for label, figures in zip(labels, by_label, strict=True)
        if figures.n or figures.precision is not None
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


def mistake_cards(outcomes: Outcomes, labels: Sequence[str]) -> list[MistakeCard]:
    """The worst mistakes as pictures, each beside a right one of the label that was given."""
    examples = {label: _surest_right(outcomes, i) for i, label in enumerate(labels)}
    shown: dict[str, int] = {}
    cards = []
    for mistake in mistakes(outcomes, WORST_MISTAKES):
        picture = thumbnail(mistake.photo)
        if picture is None:
            continue
        given = labels[mistake.given]
        right = examples[given]
        # Each time another example, as long as there are any.
        turn = shown.get(given, 0)
        shown[given] = turn + 1
        example = thumbnail(right[turn % len(right)]) if right else None
        cards.append(_card(mistake, labels, picture, example))
    return cards


def thumbnail(photo: Path) -> Thumbnail | None:
    """Make a photo small; None when it cannot be read (any more).

    Nothing of the photo's metadata (place, camera) comes along.
    """
    try:
        picture = Image.fromarray(load_image(photo, min_side=DECODED_SIDE))
    except ImageError:
        return None
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True)
    address = "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
    return Thumbnail(address, *picture.size, f"{photo.parent.name}/{photo.name}")


def _card(
    mistake: Mistake, labels: Sequence[str], picture: Thumbnail, example: Thumbnail | None
) -> MistakeCard:
    return MistakeCard(
        picture,
        labels[mistake.true],
        labels[mistake.given],
        mistake.score,
        mistake.true_score,
        example,
    )


def _surest_right(outcomes: Outcomes, index: int) -> list[Path]:
    """Up to four photos rightly given label `index`, the surest first."""
    hits = np.flatnonzero(outcomes.right & (outcomes.given == index))
    best = hits[np.argsort(-outcomes.top[hits], kind="stable")][:4]
    return [outcomes.photos[i].path for i in best]


def trust(outcomes: Outcomes) -> tuple[float, str]:
    """The calibration error, and what it means."""
    error = calibration_error(outcomes.top, outcomes.right)
    mean_score, right = float(outcomes.top.mean(dtype=np.float64)), float(outcomes.right.mean())
    return error, words.calibration_sentence(error, mean_score, right)


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


def settings(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the run was made, as pairs of words for a table."""
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
