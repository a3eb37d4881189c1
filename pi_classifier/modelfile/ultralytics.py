"""What Ultralytics' exports say of themselves: a table in the file's archive.

``yolo export format=tflite`` appends ``metadata.json``; earlier releases put the same table, as
Python writes it, into ``temp_meta.txt``. Classifiers of theirs take pixels from 0 to 1
(https://docs.ultralytics.com/tasks/classify).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pi_classifier.errors import ModelMismatch
from pi_classifier.modelfile.labels import parse_labels, parse_structure
from pi_classifier.modelfile.tflite_metadata import Normalization

EXPORT_TABLES = ("metadata.json", "temp_meta.txt", "meta.txt")
LARGEST_TABLE = 1 << 18
NORMALIZATION = Normalization((0.0,), (255.0,))
NORMALIZATION_SOURCE = "as Ultralytics' classifiers take it"
# The entries by which such a table is known from any other of that name.
_KNOWN_BY = ("names", "task", "imgsz")


@dataclass(frozen=True, slots=True)
class Export:
    """The labels of an exported classifier, and the file in the archive that has them."""

    labels: tuple[str, ...]
    member: str
    normalization: Normalization = NORMALIZATION


def read_export(members: Mapping[str, bytes], source: str) -> Export | None:
    """Read the table among the files of an archive; None where there is none.

    `source` names the model in errors. Raises `ModelMismatch` for a network that is no
    classifier, `ModelFileError` for labels that cannot be read.
    """
    for member in EXPORT_TABLES:
        table = _table(members.get(member, b""))
        if table is not None:
            return _export(table, member, source)
    return None


def _table(content: bytes) -> dict[str, object] | None:
    value = parse_structure(content.decode("utf-8", "replace"))
    if isinstance(value, dict) and all(key in value for key in _KNOWN_BY):
        return value
    return None


def _export(table: dict[str, object], member: str, source: str) -> Export:
    if table["task"] != "classify":
        raise ModelMismatch(
            f"{source}: is a model of Ultralytics for the task {str(table['task'])!r}; expected a "
            "classifier, such as yolo11n-cls"
        )
    try:
        names = json.dumps(table["names"]).encode()
    except (TypeError, ValueError, RecursionError):
        names = b"{}"
    return Export(parse_labels(names, f"{source}: {member}"), member)
