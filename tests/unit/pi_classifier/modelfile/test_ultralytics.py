"""Exports of Ultralytics: their table of names, in both forms, on the device."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pi_classifier.errors import ModelFileError, ModelMismatch
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.modelfile.tflite_metadata import Normalization

BARE = Path(__file__).resolve().parents[3] / "data" / "bare.tflite"
NAMES = {0: "daisy", 1: "rose", 2: "none", 3: "tulip"}
TABLE: dict[str, Any] = {
    "description": "Ultralytics YOLO11n-cls model", "stride": 1, "task": "classify",
    "batch": 1, "imgsz": [16, 16], "names": NAMES,
}  # fmt: skip


def exported(folder: Path, member: str, text: str) -> Path:
    """A file without metadata to whose end a table is appended, as Ultralytics does it."""
    path = folder / "yolo11n-cls_float32.tflite"
    shutil.copy(BARE, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, text)
    return path


@pytest.mark.parametrize(
    ("member", "text"), [("metadata.json", json.dumps(TABLE)), ("temp_meta.txt", str(TABLE))]
)
def test_names_and_normalization_are_read(member: str, text: str, tmp_path: Path) -> None:
    model = read_model_file(exported(tmp_path, member, text))
    assert model.labels == tuple(NAMES.values())
    assert model.labels_source == f"{member} in the model file"
    assert model.normalization == Normalization((0.0,), (255.0,))
    assert model.manifest.silent_labels == ("none",)
    stated = Normalization((1.0,), (2.0,))
    assert read_model_file(model.path, normalization=stated).normalization == stated


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"task": "detect"}, ModelMismatch, "for the task 'detect'; expected a classifier"),
        ({"names": {0: "a", 2: "b"}}, ModelFileError, "number 1 is missing"),
        ({"names": []}, ModelFileError, "metadata.json"),
        ({"names": {0: "a", 1: "b"}}, ModelMismatch, "has 4 outputs, but there are 2 labels"),
    ],
)
def test_tables_of_other_networks_are_refused(
    changes: dict[str, Any], error: type[Exception], says: str, tmp_path: Path
) -> None:
    path = exported(tmp_path, "metadata.json", json.dumps({**TABLE, **changes}))
    with pytest.raises(error, match=says):
        read_model_file(path)


@pytest.mark.parametrize(
    "text", ["{", "[1]", "{}", "{[1]: 2}", '{"names": {"0": "a"}}', "[" * 9000]
)
def test_another_file_of_that_name_says_nothing(text: str, tmp_path: Path) -> None:
    path = exported(tmp_path, "metadata.json", text)
    with pytest.raises(ModelMismatch, match="holds no labels"):
        read_model_file(path)
