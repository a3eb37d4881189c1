"""Networks beside one another: measured where weights are at hand, printed, kept and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pi_classifier_training.networks.spec import FAMILIES

from benchmarks.cli import main

SIDES = FAMILIES["mobilenet_v1"].resolutions


def test_every_network_with_weights_is_measured(
    photos: Path, weights_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot, kept = tmp_path / "networks.svg", tmp_path / "networks.json"
    words = ["networks", "--image-dir", str(photos), "--weights-dir", str(weights_dir)]
    assert main([*words, "--most", "20", "--plot", str(plot), "--json", str(kept)]) == 0
    told = json.loads(kept.read_text())
    rows = told["networks"]
    assert [(row["network"], row["resolution"]) for row in rows] == [
        ("mobilenet_v1", side) for side in SIDES
    ]
    assert told["photos"] == rows[0]["n"] == 60
    # Discs of three colors: even a head alone is better than chance, 33 of 100.
    assert all(row["low"] < row["right"] <= row["high"] for row in rows)
    assert rows[0]["right"] > 0.6
    assert f"{rows[-1]['right']:.1%}" in capsys.readouterr().out
    drawn = plot.read_text()
    assert all(f"0.25/{side}" in drawn for side in SIDES)


def test_without_weights_it_says_so(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["networks", "--image-dir", str(photos), "--weights-dir", str(tmp_path)]
    assert main(words) == 1
    assert "--weights-dir" in capsys.readouterr().err
