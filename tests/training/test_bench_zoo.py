"""The zoo: heads trained and measured, finished runs beside them, nothing measured twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cli import main
from benchmarks.zoo_chart import figures_id
from benchmarks.zoo_page import page
from benchmarks.zoo_record import read_zoo

HEAD = "mobilenet_v1-0.25-96"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    for folder in ("training", "pictures"):
        (tmp_path / "docs" / folder).mkdir(parents=True)
    return tmp_path / "docs"


def kept(docs: Path) -> dict[str, Any]:
    entries = json.loads((docs / "training" / "zoo.json").read_text())["networks"]
    return {entry["name"]: entry for entry in entries}


def test_heads_and_finished_runs_are_measured_once(
    photos: Path,
    weights_dir: Path,
    run: Path,
    docs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["zoo", "--image-dir", str(photos), "--weights-dir", str(weights_dir)]
    words += ["--work", str(tmp_path / "work"), "--runs", str(run.parent), "--docs", str(docs)]
    assert main([*words, "--only", HEAD, "--only", run.name]) == 0
    entries = kept(docs)
    head, scratch = entries[HEAD], entries[run.name]
    assert head["training"]["kept"] == "head"
    assert scratch["training"]["kept"] == "scratch"
    recorded = json.loads((run / "run.json").read_text())["evaluation"]
    for kind in ("float32", "int8"):
        file = scratch["files"][kind]
        assert file["test"]["right"] / file["test"]["n"] == recorded[kind]["top1"]
        assert 0 < file["gzip_bytes"] < file["size_bytes"]
    # Discs of three colors: even a head alone is better than chance, 33 of 100.
    assert head["folds"]["right"] > 0.6 * head["folds"]["n"] == 0.6 * 180
    told = capsys.readouterr().out
    assert all(f"{name}: int8" in told for name in entries)

    zoo = read_zoo(docs / "training" / "zoo.json")
    assert (docs / "training" / "zoo.md").read_text() == page(zoo)
    assert figures_id(zoo) in (docs / "pictures" / "zoo.svg").read_text()

    before = (docs / "training" / "zoo.json").read_bytes()
    (docs / "training" / "zoo.md").unlink()
    assert main([*words, "--only", HEAD, "--only", run.name]) == 0
    assert f"{run.name}: as it was" in capsys.readouterr().out
    assert (docs / "training" / "zoo.json").read_bytes() == before
    assert main(["zoo", "--docs", str(docs)]) == 0
    assert (docs / "training" / "zoo.md").read_text() == page(zoo)


def test_a_run_that_is_not_finished_is_passed_over(
    photos: Path, docs: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = tmp_path / "runs" / "begun"
    begun.mkdir(parents=True)
    summary = json.loads((run / "run.json").read_text())
    (begun / "run.json").write_text(json.dumps(summary | {"evaluation": {}}))
    words = ["zoo", "--image-dir", str(photos), "--runs", str(begun.parent), "--docs", str(docs)]
    assert main(words) == 0
    assert "begun: is not finished; passed over" in capsys.readouterr().out
    assert kept(docs) == {}


def test_without_photos_nothing_can_be_measured(
    docs: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["zoo", "--runs", str(run.parent), "--docs", str(docs)]) == 1
    assert "--image-dir" in capsys.readouterr().err
