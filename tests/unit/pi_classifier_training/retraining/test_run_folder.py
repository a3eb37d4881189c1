"""A run's folder: one program at a time writes into it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.retraining.run_folder import (
    RUN_FILE,
    SEARCH_RECORD,
    RunFolder,
    held_source,
)


def test_a_second_one_is_told_and_the_first_goes_on(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "birds")
    with run.held():
        with pytest.raises(TrainingError, match="another pi-classifier-train is working"):
            run.held().__enter__()
        assert run.path.is_dir()
    with run.held():
        pass


def test_the_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with pytest.raises(ZeroDivisionError), run.held():
        raise ZeroDivisionError
    with run.held():
        assert (tmp_path / ".lock").is_file()


def test_a_model_file_needs_no_lock(tmp_path: Path) -> None:
    model = tmp_path / "birds.tflite"
    model.touch()
    with held_source(model), held_source(model):
        assert list(tmp_path.iterdir()) == [model]
    with held_source(tmp_path), pytest.raises(TrainingError):
        held_source(tmp_path).__enter__()


def test_auto_and_retrain_leave_the_folders_of_the_other_alone(tmp_path: Path) -> None:
    run, searched = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "searched")
    for record in (run.path / RUN_FILE, searched.path / SEARCH_RECORD):
        record.parent.mkdir(parents=True)
        record.touch()
    run.require_made_by("retrain")
    searched.require_made_by("auto")
    with pytest.raises(TrainingError, match="run: holds what 'pi-classifier-train retrain' made"):
        run.require_made_by("auto")
    with pytest.raises(
        TrainingError, match="searched: holds what 'pi-classifier-train auto' made"
    ):
        searched.require_made_by("retrain")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    taken = tmp_path / "birds"
    taken.write_text("a file")
    with pytest.raises(TrainingError, match="is a file; name a folder"):
        RunFolder(taken).held().__enter__()
    assert taken.read_text() == "a file"
