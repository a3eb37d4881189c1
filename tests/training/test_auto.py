"""The best model in one command: a small search for real, also one that is killed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from pi_classifier_training.cli import main

from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.settings import ModelSettings

from .conftest import COLORS
from .killed import killed


def command(photos: Path, weights_dir: Path, out: Path, *words: str) -> list[str]:
    """One network at two sizes, in a time in which only heads are tried."""
    places = ["--image-dir", str(photos), "--output-dir", str(out)]
    options = ["--weights-dir", str(weights_dir), "--minutes", "1", "--max-ms", "12"]
    return ["auto", *places, *options, *words]


def results(out: Path) -> dict[str, Any]:
    """What every trial came to, without what differs from run to run."""
    found = {}
    for path in sorted(out.glob("search/trials/*/result.json")):
        entries = json.loads(path.read_text())
        found[path.parent.name] = [entries["accuracy"], entries["cross_entropy"]]
    return found


@pytest.fixture(scope="module")
def finished(photos: Path, weights_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("auto") / "discs"
    assert main(command(photos, weights_dir, out)) == 0
    return out


def test_one_folder_and_a_report_are_left(finished: Path) -> None:
    copy, record = finished / "copy", json.loads((finished / "delivery.json").read_text())
    assert sorted(path.name for path in copy.iterdir()) == ["discs.tflite", "pi_classifier.toml"]
    [model] = record["models"]
    assert record["test"]["top1"] >= 0.9
    assert "mobilenet_v1-0.25-128-all" in results(finished)
    with contextlib.closing(open_classifier(ModelSettings(path=str(copy)))) as classifier:
        assert set(classifier.labels) == set(COLORS)
    page = (finished / "report.html").read_text()
    assert "What was tried, and what was chosen?" in page
    assert f"{model['network']['name']} 0.25/{model['network']['resolution']}" in page
    assert page.count('<span class="badge">chosen</span>') == 1
    # The page is on what is copied, not on the files of the run it is made of.
    assert f"scp -r {copy} pi@raspberrypi.local:discs" in page
    assert "int8.tflite" not in page


def test_a_killed_search_goes_on_to_the_same_choice(
    finished: Path, photos: Path, weights_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "discs"
    arguments = command(photos, weights_dir, out)
    killed("os.rename", "result.json", 2, arguments)
    [first] = out.glob("search/trials/*/result.json")
    written = first.stat().st_mtime_ns
    assert main(arguments) == 0
    assert results(out) == results(finished)
    assert first.stat().st_mtime_ns == written
    for path in (finished / "copy").iterdir():
        assert (out / "copy" / path.name).read_bytes() == path.read_bytes()


def test_what_is_finished_stays_when_the_command_is_given_again(
    finished: Path, photos: Path, weights_dir: Path
) -> None:
    kept = [
        *finished.glob("search/trials/*/run/*"),
        *finished.glob("copy/*"),
        *finished.glob("*.*"),
    ]
    before = {p: p.stat().st_mtime_ns for p in kept if p.is_file()}
    assert finished / "report.html" in before
    assert main(command(photos, weights_dir, finished)) == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_other_options_in_the_same_folder_are_refused(
    finished: Path, photos: Path, weights_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(photos, weights_dir, finished, "--seed", "2")) == 78
    error = capsys.readouterr().err
    assert "holds a search of other options (seed 1, now 2)" in error
    assert "--force" in error


def test_a_folder_without_weights_is_refused_before_anything_is_done(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(photos, tmp_path, tmp_path / "out")) == 78
    assert "mobilenet_2_5_224_tf_no_top.h5" in capsys.readouterr().err
    # With the right folder it begins at once.
    assert not list((tmp_path / "out").glob("search"))
