"""Comparing models: who is worse, and lines that say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.compare import compare, comparison_lines, worse


def record(file: str, difference: float | None = None, p_value: float = 0.5) -> dict[str, Any]:
    found: dict[str, Any] = {
        "photos": {"words": "the 331 of 3304 photos kept for testing"},
        "labels": ["daisy", "rose"],
        "file": file, "n": 331, "split": "test", "size_bytes": 812_000, "frame_ms": 3.456,
        "top1": 0.9, "top1_interval": [0.87, 0.93],
        "cross_entropy": 0.3, "cross_entropy_interval": [0.25, 0.35],
        "calibration_error": 0.02, "calibration_error_interval": [0.01, 0.04],
    }  # fmt: skip
    for k in (3, 5):
        found |= {f"top{k}": 0.99, f"top{k}_interval": [0.97, 1.0]}
    if difference is not None:
        found["against"] = {
            "top1_difference": difference,
            "top1_difference_interval": [difference - 0.01, difference + 0.01],
            "p_value": p_value, "only_first_right": 7, "only_this_right": 3,
        }  # fmt: skip
    return found


@pytest.mark.parametrize(
    ("difference", "p_value", "points", "is_worse"),
    [
        (-0.01, 0.049, None, True),
        (-0.01, 0.05, None, False),
        (0.01, 0.001, None, False),
        (0.0, 0.001, None, False),
        (-0.01, 0.9, 0.99, True),
        (-0.01, 0.001, 1.0, False),  # just as many points as allowed
        (0.02, 0.001, 0.0, False),
        (-0.003, 0.9, 0.0, True),
    ],
)
def test_worse_by_more_than_chance_or_by_more_than_so_many_points(
    difference: float, p_value: float, points: float | None, is_worse: bool
) -> None:
    records = [record("a"), record("b", difference, p_value)]
    assert worse(records, points) == (["b"] if is_worse else [])


def test_lines_name_files_without_the_folders_all_share() -> None:
    files = "run/x/float32.tflite", "run/x/int8.tflite", "run/y/int8.tflite"
    records = [record(files[0]), record(files[1], -0.02), record(files[2], 0.02, 0.001)]
    lines = list(comparison_lines(records))
    assert lines[0] == "on the 331 of 3304 photos kept for testing"
    assert "top-1 on 331 photos" in lines[1]
    assert lines[2].startswith("x/float32.tflite  90.0% (87.0%–93.0%)")
    assert lines[2].endswith("812 kB   3.46 ms")
    assert [line.split("  ")[0] for line in lines[5:10]] == [
        "", "", "x/float32.tflite", "x/int8.tflite", "y/int8.tflite"
    ]  # fmt: skip
    assert lines[7].split() == [
        *("x/float32.tflite", "90.0%", "(87.0%–93.0%)"),
        *("99.0%", "(97.0%–100.0%)", "99.0%", "(97.0%–100.0%)"),
    ]
    assert lines[11].startswith("x/int8.tflite against x/float32.tflite: -2.0 points")
    assert lines[12] == (
        "  3 photos are right only with x/int8.tflite, 7 only with x/float32.tflite"
    )
    assert lines[13].endswith("clearly better (p = 0.001)")


def test_equal_file_names_in_one_folder_keep_their_name() -> None:
    lines = list(comparison_lines([record("run/a.tflite"), record("run/a.tflite", 0.0)]))
    assert lines[2].startswith("a.tflite")


def test_one_model_is_nothing_to_compare() -> None:
    with pytest.raises(TrainingError, match="comparing needs two models or more; got one"):
        compare(["a.tflite"], [Path("nowhere")])


def test_worse_is_by_chance_or_by_points() -> None:
    from pi_classifier_training.evaluation.compare import worse

    def record(difference: float, p_value: float) -> dict[str, object]:
        return {"file": "b", "against": {"top1_difference": difference, "p_value": p_value}}

    assert worse([{}, record(-0.05, 0.01)], None) == ["b"]
    assert worse([{}, record(-0.05, 0.2)], None) == []
    assert worse([{}, record(+0.05, 0.01)], None) == []
    assert worse([{}, record(-0.05, 0.2)], 4.9) == ["b"]
    assert worse([{}, record(-0.05, 0.01)], 5.0) == []
