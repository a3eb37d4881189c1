"""Photos of anything else, trained with and measured on, by the commands a user types."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.export.run_export import export_source, open_run
from pi_classifier_training.retraining.run_folder import RunFolder
from PIL import Image, ImageDraw

from pi_classifier.cli import main as device
from pi_classifier.modelfile.model_file import read_model_file

from .conftest import retrained

PLACES = 8


@pytest.fixture(scope="module")
def negatives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares of no label's color on the same noise as the discs, from several places."""
    rng = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("negatives") / "anything"
    for place in range(PLACES):
        color = tuple(int(c) for c in rng.integers(0, 90, 3))
        (folder / f"place {place}").mkdir(parents=True)
        for i in range(6):
            image = Image.fromarray(rng.integers(60, 160, (48, 64, 3), np.uint8))
            x, y = (int(v) for v in rng.integers(0, 30, 2))
            ImageDraw.Draw(image).rectangle((x, y, x + 25, y + 15), fill=color)
            image.save(folder / f"place {place}" / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def trained(
    photos: Path, weights: Path, negatives: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run with negatives: a new head on the features of the run without them."""
    out = tmp_path_factory.mktemp("run") / "with-negatives"
    words = ["--resolution", "96", "--weights", str(weights), "--negatives", str(negatives)]
    places = ["--image-dir", str(photos), "--output-dir", str(out)]
    retrained("retrain", *places, *words)
    list(export_source(open_run(out, [photos])))
    return out


def test_a_silent_bias_is_added_to_the_label_of_the_negatives(
    trained: Path, photos: Path, weights: Path, negatives: Path, tmp_path: Path
) -> None:
    words = ["--resolution", "96", "--weights", str(weights), "--silent-bias", "-1.5"]
    places = ["--image-dir", str(photos), "--output-dir", str(tmp_path / "run")]
    retrained("retrain", *places, *words, "--negatives", str(negatives))
    usual, biased = (RunFolder(run) for run in (trained, tmp_path / "run"))
    before, after = (run.load().head.get_weights() for run in (usual, biased))
    assert np.array_equal(after[0], before[0])
    by = [-1.5 * (label == "background") for label in usual.labels()]
    assert after[1] - before[1] == pytest.approx(by, abs=1e-5)
    (row,) = biased.summary()["history"]
    figures = ("validation_accuracy", "validation_cross_entropy")
    assert any(row[name] != usual.summary()["history"][0][name] for name in figures)
    assert biased.summary()["validation_accuracy"] == row["validation_accuracy"]


def test_a_silent_bias_needs_a_silent_label(
    photos: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--resolution", "96", "--weights", str(weights), "--silent-bias", "-1.5"]
    places = ["--image-dir", str(photos), "--output-dir", str(tmp_path / "run")]
    assert main(["retrain", *places, *words]) == 78
    assert "give photos of nothing with --negatives, or leave it out" in capsys.readouterr().err
    assert not (tmp_path / "run" / "run.json").exists()


def unknown_of(
    model: Path, photos: Path, negatives: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> dict[str, object]:
    arguments = ["--image-dir", str(photos), "--unknown", str(negatives), "--json", *words]
    assert main(["evaluate", str(model), *arguments]) == 0
    record: dict[str, dict[str, object]] = json.loads(capsys.readouterr().out)
    return record["unknown"]


def test_a_model_that_was_taught_other_things_tells_them_apart(
    run: Path, trained: Path, photos: Path, negatives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = unknown_of(run / "float32.tflite", photos, negatives, capsys)
    after = unknown_of(trained / "float32.tflite", photos, negatives, capsys)
    # The first has never seen them; of the second only places that it was not trained on count.
    assert (before["n"], before["held_out"]) == (6 * PLACES, False)
    assert (after["n"], after["sources"], after["held_out"]) == (6, 1, True)
    assert before["area"] < after["area"]  # type: ignore[operator]
    assert after["area"] > 0.99  # type: ignore[operator]


def test_the_model_file_says_what_it_was_taught_and_not_where_that_lies(
    trained: Path, negatives: Path
) -> None:
    record = json.loads((trained / "run.json").read_text())
    assert record["negatives"] == [str(negatives)]
    stated = record["data"]["negatives"]
    assert (stated["name"], stated["label"], stated["photos"]) == ("anything", "background", 48)
    for kind in ("float32", "int8"):
        model = read_model_file(trained / f"{kind}.tflite")
        assert model.manifest.silent_labels == ("background",)
        assert model.manifest.details["training"]["data"]["negatives"] == stated
        assert str(negatives).encode() not in (trained / f"{kind}.tflite").read_bytes()


def test_right_answers_are_counted_on_the_users_labels_alone(trained: Path, photos: Path) -> None:
    record = json.loads((trained / "run.json").read_text())
    evaluation = record["evaluation"]["float32"]
    counts = record["data"]["counts"]
    assert evaluation["n"] == sum(
        own["test"] for label, own in counts.items() if label != "background"
    )
    # What it says of photos of nothing stands apart.
    assert (evaluation["unknown"]["n"], evaluation["unknown"]["sources"]) == (6, 1)
    assert record["data"]["photos"] == sum(
        sum(own.values()) for label, own in counts.items() if label != "background"
    )


def test_the_device_is_told_of_both(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert device(["models", str(trained / "float32.tflite")]) == 0
    told = capsys.readouterr().out
    assert "of 6 photos of anything else announced" in told
    assert "48 of anything else (anything)" in told


def test_other_commands_find_the_photos_again(trained: Path, photos: Path) -> None:
    found = open_run(trained, [photos]).photos()
    assert sum(p.label == "background" for p in found) == 48


def test_negatives_that_are_gone_are_told_once(
    trained: Path, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened = open_run(trained, [photos])
    gone = {**opened.summary, "negatives": [str(tmp_path / "gone")]}
    run = dataclasses.replace(opened, summary=gone)
    for _ in ("float32", "int8"):
        assert run.score_calibration is not None
        assert all(photo.label != "background" for photo in run.photos())
    assert caplog.text.count("there is no such folder any more") == 1


def test_too_many_false_announcements_fail_and_are_drawn(
    run: Path, photos: Path, negatives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, plot = run / "float32.tflite", tmp_path / "curve.svg"
    arguments = ["evaluate", str(model), "--image-dir", str(photos), "--unknown", str(negatives)]
    limits = ["--threshold", "0.01", "--most-false", "50", "--plot", str(plot)]
    assert main([*arguments, *limits]) == 1
    captured = capsys.readouterr()
    assert "100.0% of the photos of nothing are announced, more than 50 %" in captured.err
    assert "48 photos of nothing from 8 places in anything" in captured.out
    assert "announced falsely, of 48 photos of nothing" in plot.read_text()


def test_limits_without_photos_to_measure_on_are_refused(
    run: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(run / "float32.tflite")
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", model, "--image-dir", str(photos), "--most-false", "3"])
    assert "--unknown DIR" in capsys.readouterr().err


def test_the_report_says_what_it_would_call_other_things(
    run: Path, trained: Path, photos: Path, negatives: Path, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    places = ["--image-dir", str(photos), "-o", str(out), "--no-learning-curve"]
    assert main(["report", str(run), *places, "--unknown", str(negatives)]) == 0
    page = " ".join(out.read_text().split())
    assert "48 photos of other things, from 8 places" in page
    assert "Photo of something else that was named" in page
    assert f"retrain --image-dir {photos} --negatives negatives" in page
    # A run that was trained with negatives is measured on those it kept aside.
    assert main(["report", str(trained), *places]) == 0
    page = " ".join(out.read_text().split())
    assert "6 photos of other things, from 1 place or collection" in page
    assert "none of which it was trained on" in page


def test_models_are_compared_on_other_things_too(
    run: Path, photos: Path, negatives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [str(run / f"{kind}.tflite") for kind in ("float32", "int8")]
    words = ["--image-dir", str(photos), "--unknown", str(negatives), "--threshold", "0.01"]
    assert main(["compare", *models, *words]) == 0
    told = capsys.readouterr().out
    assert "announced falsely, of 48 others" in told
    assert told.count("100.0% (92.6%–100.0%)") == 2
