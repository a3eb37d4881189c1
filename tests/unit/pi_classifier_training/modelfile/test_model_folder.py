"""A folder of models takes its place whole, and never that of anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.modelfile.cascade_file import StageThresholds
from pi_classifier_training.modelfile.model_folder import (
    replacing_folder,
    stage_files,
    write_cascade,
)

from pi_classifier.modelfile.cascade_file import read_cascade_file


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    """Two models that are called alike, as those of two runs are."""
    paths = [tmp_path / run / "int8.tflite" for run in ("fast", "accurate")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(path.parent.name.encode())
    return paths


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_cascade_in_a_folder_names_its_own_copies(models: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    written = write_cascade(models, "birds", folder, StageThresholds((0.8,)), {})
    assert written == folder / "cascade.toml"
    cascade = read_cascade_file(written)
    assert [entry.model for entry in cascade.stages] == [
        folder / "first.tflite", folder / "second.tflite",
    ]  # fmt: skip
    assert [entry.model.read_bytes() for entry in cascade.stages] == [b"fast", b"accurate"]


def test_a_cascade_in_a_file_names_the_models_where_they_lie(
    models: list[Path], tmp_path: Path
) -> None:
    toml = tmp_path / "cascade.toml"
    assert write_cascade(models, "birds", toml, StageThresholds((0.8,)), {}) == toml
    named = [entry.model for entry in read_cascade_file(toml).stages]
    assert named == models


def test_a_new_folder_takes_the_place_of_an_older_one(models: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    write_cascade(models, "birds", folder, StageThresholds((0.8,)), {})
    (folder / "pi_classifier.toml").touch()
    write_cascade(models[::-1], "birds", folder, StageThresholds((0.9,)), {})
    assert names_in(folder) == ["cascade.toml", "first.tflite", "second.tflite"]
    assert files_in(folder)["first.tflite"] == b"accurate"
    assert names_in(tmp_path) == ["accurate", "birds", "fast"]


def test_after_an_error_the_older_folder_stays(tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    with replacing_folder(folder) as new:
        (new / "birds.tflite").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing_folder(folder) as new:
        (new / "birds.tflite").write_bytes(b"new" * (1 // 0))
    assert files_in(folder) == {"birds.tflite": b"old"}
    assert names_in(tmp_path) == ["birds"]


def test_the_older_folder_stays_where_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    with replacing_folder(folder) as new:
        (new / "birds.tflite").write_bytes(b"old")
    with pytest.raises(FileNotFoundError), replacing_folder(folder) as new:
        new.rmdir()
    assert files_in(folder) == {"birds.tflite": b"old"}
    assert names_in(tmp_path) == ["birds"]


@pytest.mark.parametrize("name", ["holiday.jpg", "photos"])
def test_what_is_no_model_is_never_replaced(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    (folder / "photos").mkdir(parents=True)
    (folder / name).touch() if "." in name else None
    with (
        pytest.raises(TrainingError, match="which is no part of a model"),
        replacing_folder(folder),
    ):
        pass
    assert (folder / "photos").is_dir()


@pytest.mark.parametrize("make", [True, False])
def test_a_file_is_no_folder(make: bool, tmp_path: Path) -> None:
    path = tmp_path / "birds.tflite"
    if make:
        path.touch()
    with pytest.raises(TrainingError, match="is no folder; name a folder"), replacing_folder(path):
        pass
    assert path.exists() == make


def test_a_full_disk_names_the_folder_not_its_working_copy(tmp_path: Path) -> None:
    folder = tmp_path / "birds"

    def fill(into: Path) -> None:
        raise OSError(28, "No space left on device", str(into / "first.tflite"))

    with pytest.raises(OSError, match="No space left") as raised, replacing_folder(folder) as new:
        fill(new)
    assert raised.value.filename == str(folder)
    assert names_in(tmp_path) == []


def test_stages_have_names_in_the_order_they_are_asked() -> None:
    assert stage_files(2) == ("first.tflite", "second.tflite")
    assert stage_files(5)[2:] == ("third.tflite", "stage4.tflite", "stage5.tflite")
