"""Smaller files beside one another: made as the commands make them, measured on test photos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pi_classifier_training.data.dataset import scan

from benchmarks.cli import main

SIMPLE = ["--only", "full-integer", "--only", "dynamic-range"]


def test_every_file_is_compared_with_the_float_file(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kinds.json"
    words = ["compression", str(run), "--image-dir", str(photos), *SIMPLE, "--json", str(kept)]
    assert main(words) == 0
    rows = {row["kind"]: row for row in json.loads(kept.read_text())["files"]}
    assert list(rows) == ["float", "dynamic-range", "full-integer"]
    n = sum(p.split == "test" for p in scan([photos]))
    assert [row["n"] for row in rows.values()] == [n] * 3
    exact = rows.pop("float")
    assert (exact["lost"], exact["won"], exact["difference"], exact["time"]) == (0, 0, 0, 1)
    told = capsys.readouterr().out
    assert "mobilenet_v1 0.25/96" in told
    for kind, row in rows.items():
        assert kind in told
        assert row["right"] >= 0.9
        assert row["difference"] == pytest.approx(row["right"] - exact["right"])
        assert (row["won"] - row["lost"]) / n == pytest.approx(row["difference"])
        assert row["kb"] < 0.45 * exact["kb"]
        assert row["gzip_kb"] < row["kb"]
