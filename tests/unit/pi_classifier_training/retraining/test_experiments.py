"""Runs side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.retraining.experiments import Experiment, find_experiments, table


def experiment(name: str, size: int | None = 319_454, **options: Any) -> Experiment:
    record = {
        "network": {"name": "mobilenet_v1", "width": 0.25, "resolution": 96},
        "options": {
            "weights": "imagenet",
            "training": {"epochs": 60, "small_scale": 1},
            **options,
        },
        "validation_accuracy": 0.912,
        "evaluation": {"float32": {"top1": 0.9, "n": 341}, "int8": {"top1": 0.8941, "n": 341}},
    }
    return Experiment(name, record, size)


def rows(*experiments: Experiment) -> list[list[str]]:
    """The cells of each line; columns stand two spaces or more apart."""
    return [re.split(r" {2,}", line) for line in table(experiments)]


def test_only_what_differs_is_listed() -> None:
    found = rows(
        experiment("a"), experiment("b", training={"epochs": 90, "small_scale": 2}, fine_tune=3)
    )
    assert found[1][:3] == ["a", "mobilenet_v1 0.25/96", "epochs 60"]
    assert found[2][:3] == ["b", "mobilenet_v1 0.25/96", "epochs 90"]


def test_figures_and_sizes() -> None:
    assert rows(experiment("a"))[1] == [
        "a", "mobilenet_v1 0.25/96", "–", "91.2 %", "90.0 %", "89.4 %", "319", "341",
    ]  # fmt: skip


def test_what_is_not_known_is_a_dash() -> None:
    network = {"name": "n", "width": 1.0, "resolution": 224}
    bare = Experiment("old", {"network": network, "options": {}}, None)
    assert rows(bare)[1] == ["old", "n 1.0/224", "–", "–", "–", "–", "–", "–"]


def test_columns_are_as_wide_as_their_widest() -> None:
    lines = list(table([experiment("a"), experiment("a much longer name")]))
    at = {line.index("mobilenet_v1") for line in lines[1:]}
    assert at == {lines[0].index("network")}
    assert all(line == line.rstrip() for line in lines)


def test_runs_are_found_by_name_and_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no finished runs; train some with"):
        find_experiments(tmp_path)
    for name in ("b", "a", "unfinished"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        (tmp_path / name / "run.json").write_text(json.dumps({"options": {}, "labels": [name]}))
    (tmp_path / "a" / "int8.tflite").write_bytes(b"x" * 100)
    found = find_experiments(tmp_path)
    assert [(e.name, e.size_bytes) for e in found] == [("a", 100), ("b", None)]
    assert found[1].summary["labels"] == ["b"]
