"""cascade.toml: what is written is what the daemon reads."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.modelfile.cascade_file import StageThresholds, toml_text

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


def written(
    name: str = "flowers",
    models: tuple[str, ...] = ("fast.tflite", "accurate.tflite"),
    thresholds: StageThresholds | None = None,
    record: dict[str, Any] | None = None,
) -> dict[str, Any]:
    folder = Path("/models/flowers")
    chosen = thresholds or StageThresholds((0.71,))
    paths = [folder / model for model in models]
    return tomllib.loads(toml_text(paths, name, folder / "cascade.toml", chosen, record or {}))


@given(NAMES, NAMES, st.sampled_from([0.3, 0.55, 0.7, 0.99]))
def test_names_and_thresholds_come_back(name: str, label: str, accept: float) -> None:
    found = written(name, thresholds=StageThresholds((accept,), ({label: 0.5},)))
    assert found["name"] == name
    assert found["stage"] == [
        {"model": "fast.tflite", "accept": accept, "accept_labels": {label: 0.5}},
        {"model": "accurate.tflite"},
    ]
    assert "measured" not in found


@pytest.mark.parametrize("quote", ['say "x"', "back\\slash", "tab\tand\nline", "日本", "\x1f\x7f"])
def test_no_name_can_break_out_of_its_quotes(quote: str) -> None:
    assert written(quote)["name"] == quote


def test_models_are_named_from_the_files_folder_on() -> None:
    found = written(models=("fast.tflite", "../other/b.tflite"))
    assert [stage["model"] for stage in found["stage"]] == ["fast.tflite", "../other/b.tflite"]
    assert os.pardir not in found["stage"][0]["model"]


def test_three_stages_have_two_thresholds() -> None:
    found = written(
        models=("a.tflite", "b.tflite", "c.tflite"),
        thresholds=StageThresholds((0.8, 0.6), ({}, {"x": 0.4})),
    )
    assert [stage.get("accept") for stage in found["stage"]] == [0.8, 0.6, None]
    assert [stage.get("accept_labels") for stage in found["stage"]] == [None, {"x": 0.4}, None]


def test_the_measurement_it_was_chosen_by_stands_in_it() -> None:
    model = {"top1": 0.81, "frame_ms": 1.23456, "network_ms": 0.4}
    last = {"top1": 0.912345, "frame_ms": 4.5678, "network_ms": 3.2}
    record = {
        "n": 341, "models": [model, last], "cascade": {"top1": 0.90999}, "deferral_ratio": 0.25,
        "cost_ratio": 0.51239, "network_cost_ratio": 0.4,
    }  # fmt: skip
    assert written(record=record)["measured"] == {
        "n": 341, "top1": 0.91, "top1_first_stage": 0.81, "top1_last_stage": 0.9123,
        "deferral_ratio": 0.25, "cost_ratio": 0.512, "network_cost_ratio": 0.4,
        "frame_ms": [1.23, 4.57], "network_ms": [0.4, 3.2],
    }  # fmt: skip
