"""A run's folder: one program at a time writes into it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.retraining.run_folder import RunFolder, held_source


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
