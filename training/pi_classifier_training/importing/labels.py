"""The labels of an imported model: stated, inside it, or beside it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from pi_classifier.errors import ModelError, ModelMismatch
from pi_classifier.modelfile.labels import check_label_count, read_labels
from pi_classifier.modelfile.model_file import read_model_bytes
from pi_classifier.modelfile.tflite_metadata import RAW_PIXELS
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.sources import Recognized


def find_labels(
    recognized: Recognized, tflite: bytes, stated: Path | None, outputs: int
) -> tuple[tuple[str, ...], str]:
    """The labels and where they come from; they fit the model's outputs (`labels_fit`).

    Raises ExportError where there are none, or too few or many.
    """
    labels, source = _labels(recognized, tflite, stated)
    try:
        check_label_count(Path(recognized.path.name), labels, outputs, source)
    except ModelMismatch as error:
        raise ExportError(str(error)) from error
    return labels, source


def distinct(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels with a number behind those that stand there again: ``crane (2)``.

    ImageNet has two cranes, the bird and the machine; a decision must name one.
    """
    counts: Counter[str] = Counter()
    taken = set(labels)
    result = []
    for label in labels:
        counts[label] += 1
        name = label
        if counts[label] > 1:
            name = next(n for i in count(2) if (n := f"{label} ({i})") not in taken)
            taken.add(name)
        result.append(name)
    return tuple(result)


def _labels(
    recognized: Recognized, tflite: bytes, stated: Path | None
) -> tuple[tuple[str, ...], str]:
    if stated is not None:
        return _read(stated), str(stated)
    inside = _inside(tflite, recognized.path.name) if recognized.format == "tflite" else None
    if inside is not None:
        return inside, "the file itself"
    if recognized.format == "tensorflowjs":
        from pi_classifier_training.importing.tensorflowjs import metadata_labels

        labels = metadata_labels(recognized.path)
        if labels:
            return labels, "metadata.json"
    if recognized.labels is not None:
        return _read(recognized.labels), recognized.labels.name
    raise ExportError(
        f"{recognized.path.name}: comes without labels; name a file with one label a line, in the "
        "order of the outputs, with --labels FILE"
    )


def _read(path: Path) -> tuple[str, ...]:
    try:
        return read_labels(path)
    except ModelError as error:
        raise ExportError(str(error)) from error


def _inside(tflite: bytes, name: str) -> tuple[str, ...] | None:
    """The labels in a ``.tflite`` file's own archive, if it is whole and has them."""
    with contextlib.suppress(ModelError):
        return read_model_bytes(tflite, name, normalization=RAW_PIXELS).labels
    return None
