"""The report's table of model files: how good, how large and how fast each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pi_classifier.errors import PiClassifierError
from pi_classifier_training.evaluation.metrics import Accuracy
from pi_classifier_training.reporting import figures, words
from pi_classifier_training.reporting.copying import CopyLines
from pi_classifier_training.reporting.model_files import MOST_MEASURED, MeasuredFile
from pi_classifier_training.reporting.page import Figure
from pi_classifier_training.reporting.subject import Subject

EXPLAINED = {
    "float32": "as trained, every number with 32 bits",
    "float16": "numbers with 16 bits: half the size",
    "dynamic": "weights with 8 bits, computing with 32 (dynamic-range quantized)",
    "int8": "weights and computing with 8 bits (full-integer quantized)",
    "qat": "as int8, but trained for it (quantization-aware trained)",
    "cascade": "the models together: the first answers alone where it is sure",
    "rounded": "as float32, but made to compress well (rounded)",
}


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
class Files:
    """The model files, measured on `photos` test photos; `copying` brings the chosen one to a Pi.

    Where these are not all, `drawn_from` says how many there are; else it is 0.

    `boards` are the Raspberry Pis with estimated times, `basis` says what these rest on.
    """

    rows: tuple[FileRow, ...]
    boards: tuple[str, ...]
    basis: str
    figure: Figure
    photos: int
    copying: CopyLines
    delivered: bool
    drawn_from: int


def files(subject: Subject) -> Files:
    """All model files side by side."""
    inspected = [_inspected(file) for file in subject.files]
    rows = tuple(
        file_row(file, chosen=file is subject.chosen, boards=_boards(summary))
        for file, summary in zip(subject.files, inspected, strict=True)
    )
    boards = tuple(dict.fromkeys(board for row in rows for board in row.boards))
    basis = next((str(i["estimates_basis"]) for i in inspected if i), "")
    chosen = subject.chosen
    photos = len(chosen.outcomes.photos)
    delivered = subject.options.delivered is not None
    tests = sum(photo.split == "test" for photo in subject.photos)
    drawn = tests if tests > MOST_MEASURED else 0
    return Files(rows, boards, basis, _figure(rows), photos, subject.copying, delivered, drawn)


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


def _inspected(file: MeasuredFile) -> Mapping[str, Any]:
    """What `inspect` says of a file; empty where it cannot look inside."""
    from pi_classifier_training.inspection.inspect import inspect_model

    try:
        return inspect_model(file.path)
    except PiClassifierError:
        return {}


def _boards(inspected: Mapping[str, Any]) -> dict[str, str]:
    """Estimated time on each Raspberry Pi, as text."""
    estimates = inspected.get("estimates", [])
    return {e["board"]: f"{e['low_ms']:.2g}–{e['high_ms']:.2g}" for e in estimates}


def _figure(rows: Sequence[FileRow]) -> Figure:
    points = [
        figures.FilePoint(
            row.kind if row.kind in EXPLAINED else "other",
            row.gzip_bytes / 1000,
            (row.accuracy.value, row.accuracy.low, row.accuracy.high),
            row.latency_ms,
            row.chosen,
        )
        for row in rows
    ]
    shows = "; ".join(
        f"{row.name}: {words.kilobytes(row.gzip_bytes)} zipped, {100 * row.accuracy.value:.1f} of "
        f"100 right, {row.latency_ms:.2g} ms"
        for row in rows
    )
    return Figure(figures.files_plot(points), f"Accuracy against size. {shows}.")
