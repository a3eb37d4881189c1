"""evaluate, compare and calibrate as a user types them, on a network really trained."""

from __future__ import annotations

import contextlib
import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.data.dataset import Photo, scan
from pi_classifier_training.evaluation.report_text import evaluation_lines
from pi_classifier_training.evaluation.scoring import (
    classify_photos,
    outcomes_of,
    score_photos,
)
from pi_classifier_training.modelfile.writer import with_manifest_entries, write_model_file

from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.types import Frame

from .conftest import PER_LABEL, PHOTOS, draw_photos

Capture = pytest.CaptureFixture[str]


def test_the_record_names_labels_files_and_confusions(
    run: Path, photos: Path, capsys: Capture
) -> None:
    model = run / "int8.tflite"
    assert main(["evaluate", str(model), "--image-dir", str(photos), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["labels"] == ["cyan", "magenta", "yellow"]
    assert sum(map(sum, record["confusion"])) == record["n"]
    assert [f["n"] for f in record["per_label"].values()] == [sum(r) for r in record["confusion"]]
    assert record["size_bytes"] == model.stat().st_size
    assert record["files"][0]["sha256"] == read_model_file(model).sha256
    for key in ("cross_entropy", "calibration_error"):
        low, high = record[f"{key}_interval"]
        assert low <= record[key] <= high
    lines = "\n".join(evaluation_lines(record))
    assert "magenta" in lines
    said = record["announced"]
    assert said["n"] == record["n"] >= said["named"] >= said["wrong"]
    assert record["in_words"][-1] in lines


def test_the_validation_split_holds_other_photos(run: Path, photos: Path, capsys: Capture) -> None:
    model, n = str(run / "int8.tflite"), {}
    for split in ("test", "validation", "all"):
        arguments = ["--image-dir", str(photos), "--split", split, "--json"]
        assert main(["evaluate", model, *arguments]) == 0
        n[split] = json.loads(capsys.readouterr().out)["n"]
    assert n["validation"] == sum(p.split == "validation" for p in scan([photos]))
    assert n["all"] == PHOTOS


def test_the_whole_of_a_folder_is_taken_that_was_not_trained_on(
    run: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    def photos_of(model: Path, folder: Path) -> tuple[str, str, int]:
        assert main(["evaluate", str(model), "--image-dir", str(folder), "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        return record["split"], record["photos"]["reason"], record["n"]

    model, held_out = run / "float32.tflite", sum(p.split == "test" for p in scan([photos]))
    assert photos_of(model, photos) == ("test", "trained", held_out)
    new = draw_photos(tmp_path / "new", seed=2)
    assert photos_of(model, new) == ("all", "new", PHOTOS)
    assert main(["evaluate", str(model), "--image-dir", str(new)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        f"discs on all {PHOTOS} photos: the model was trained on none of them\n"
    )
    # A few of the photos it was trained on, among the new ones.
    for photo in [p for p in scan([photos]) if p.split == "training"][::3]:
        shutil.copy(photo.path, new / photo.label / f"old-{photo.name}")
    assert photos_of(model, new)[:2] == ("test", "trained")
    # A file made before sketches were kept.
    training = dict(read_model_file(model).manifest.details["training"])
    training["data"] = {k: v for k, v in training["data"].items() if k != "photo_sketch"}
    old = tmp_path / "old.tflite"
    old.write_bytes(with_manifest_entries(model.read_bytes(), {"training": training}))
    assert photos_of(old, photos) == ("test", "unknown", held_out)


def test_another_split_than_that_of_training_is_refused(
    run: Path, photos: Path, capsys: Capture
) -> None:
    folder = ["--image-dir", str(photos), "--test-percent", "20"]
    model = str(run / "int8.tflite")
    for command in (["evaluate", model], ["calibrate", model], ["quantize", str(run)],
                    ["report", str(run)], ["export", str(run)]):  # fmt: skip
        assert main([*command, *folder]) == 78
        said = capsys.readouterr().err
        assert "--test-percent 20: " in said
        assert "was trained with --test-percent 10" in said


def test_the_photos_of_another_data_set_are_refused(
    run: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    shutil.copytree(photos / "cyan", tmp_path / "data" / "cat")
    shutil.copytree(photos / "cyan", tmp_path / "data" / "dog")
    before = {path: path.read_bytes() for path in run.glob("*.*")}
    model = str(run / "int8.tflite")
    for command in (["evaluate", model], ["calibrate", model], ["quantize", str(run)],
                    ["report", str(run)], ["export", str(run)]):  # fmt: skip
        assert main([*command, "--image-dir", str(tmp_path / "data")]) == 65
        assert "photos lie in the folder 'cat', and discs has no label" in capsys.readouterr().err
        assert main([*command, "--image-dir", str(photos / "cyan")]) == 65
        assert "is the folder of one label, give the folder above it" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


def test_folders_named_otherwise_need_a_map(
    run: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    data = tmp_path / "data"
    for folder, label in (("The_Cyan", "cyan"), ("rot", "magenta"), ("odd", "yellow")):
        shutil.copytree(photos / label, data / folder)
    arguments = ["evaluate", str(run / "int8.tflite"), "--image-dir", str(data), "--json"]
    assert main(arguments) == 65
    message = capsys.readouterr().err
    assert "photos lie in the folder 'odd', and discs has no label 'odd'; it knows cyan" in message
    names = tmp_path / "map.txt"
    names.write_text("# folder = label\nrot = magenta\n\nodd =\n")
    assert main([*arguments, "--map", str(names)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert {label for label, f in record["per_label"].items() if f["n"]} == {"cyan", "magenta"}
    assert record["top1"] >= 0.9


def test_blocks_and_progress_do_not_change_the_answers(
    run: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = [p for p in scan([photos]) if p.split == "test"]
    classifier = open_classifier(ModelSettings(path=str(run / "int8.tflite"), top_k=0))
    whole = outcomes_of(score_photos(classifier, some))
    monkeypatch.setattr("pi_classifier_training.evaluation.scoring.BLOCK", 5)
    seen: list[Photo] = []

    def watch(photos: object) -> object:
        for photo in photos:  # type: ignore[attr-defined]
            yield photo
            seen.append(photo)

    (blocked,) = classify_photos([classifier], some, watch)  # type: ignore[arg-type]
    classifier.close()
    assert seen == some
    for name in ("truth", "given", "top", "own", "rank"):
        assert np.array_equal(getattr(whole, name), getattr(blocked, name)), name


def test_compare_judges_and_fails_on_request(
    run: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    good, bad = str(run / "float32.tflite"), str(tmp_path / "bad.tflite")
    # The same network with its labels moved on by one is nearly always wrong.
    moved = tmp_path / "moved"
    for folder, label in (("cyan", "magenta"), ("magenta", "yellow"), ("yellow", "cyan")):
        shutil.copytree(photos / label, moved / folder)
    shutil.copy(run / "int8.tflite", bad)
    data = ["--image-dir", str(photos)]
    assert main(["compare", good, bad, *data, "--fail-if-worse"]) == 0
    assert "no real difference can be seen with" in capsys.readouterr().out
    assert main(["compare", good, bad, *data, "--json", "--fail-if-worse", "5"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [r["file"] for r in records] == [good, bad]
    assert all(r["frame_ms"] > 0 for r in records)
    assert "against" not in records[0]
    assert records[1]["against"]["p_value"] > 0.05
    assert main(["compare", good, *data]) == 78
    assert "two models or more" in capsys.readouterr().err


def test_calibrating_changes_scores_and_nothing_else(
    run: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    before, after = run / "int8.tflite", tmp_path / "calibrated.tflite"
    assert main(["calibrate", str(before), "--image-dir", str(photos), "-o", str(after)]) == 0
    said = capsys.readouterr().out
    old, new = read_model_file(before), read_model_file(after)
    assert f"temperature {new.manifest.temperature:g}" in said
    size = old.manifest.flatbuffer_bytes
    assert before.read_bytes()[:size] == after.read_bytes()[:size]
    assert (new.labels, new.manifest.details["training"]) == (
        old.labels,
        old.manifest.details["training"],
    )
    assert new.manifest.thresholds.high is not None
    assert new.manifest.details["evaluation"]["top1"] == pytest.approx(
        old.manifest.details["evaluation"]["top1"]
    )
    # Calibrating what is calibrated finds nearly the same temperature.
    assert main(["calibrate", str(after), "--image-dir", str(photos)]) == 0
    again = read_model_file(after).manifest.temperature
    assert again == pytest.approx(new.manifest.temperature, rel=0.05)


def test_a_foreign_file_has_no_place_for_a_temperature(
    photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    foreign = tmp_path / "bare.tflite"
    shutil.copy(Path(__file__).parents[1] / "data" / "bare.tflite", foreign)
    (tmp_path / "bare.labels.txt").write_text("background\ncyan\nmagenta\nyellow\n")
    content = foreign.read_bytes()
    assert main(["calibrate", str(foreign), "--image-dir", str(photos)]) == 78
    assert "pi-classifier-train import" in capsys.readouterr().err
    assert foreign.read_bytes() == content


def test_three_models_make_a_cascade_with_its_plot(
    run: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    models = []
    for name, kind in (("a", "int8"), ("b", "float32"), ("c", "float32")):
        shutil.copy(run / f"{kind}.tflite", tmp_path / f"{name}.tflite")
        models.append(str(tmp_path / f"{name}.tflite"))
    toml, plot = tmp_path / "cascade.toml", tmp_path / "plot.svg"
    more = ["--image-dir", str(photos), "-o", str(toml), "--name", 'say "x"', "--per-label"]
    assert main(["calibrate", *models, *more, "--plot", str(plot)]) == 0
    said = capsys.readouterr().out
    assert "answers alone from a score of" in said
    assert "so much time for so much loss" in said
    content = tomllib.loads(toml.read_text())
    assert content["name"] == 'say "x"'
    assert [s["model"] for s in content["stage"]] == ["a.tflite", "b.tflite", "c.tflite"]
    assert content["measured"]["n"] == sum(p.split == "test" for p in scan([photos]))
    assert plot.read_bytes().startswith(b"<?xml")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.tflite", "b.tflite", "c.tflite", "cascade.toml", "plot.svg",
    ]  # fmt: skip
    assert main(["evaluate", str(toml), "--image-dir", str(photos), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["top1"] == pytest.approx(content["measured"]["top1"], abs=1e-4)


def test_a_cascade_that_cannot_win_is_warned_of_with_numbers(
    run: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    model = str(run / "int8.tflite")
    folder, elsewhere = tmp_path / "birds", tmp_path / "on the Pi"
    # No score reaches 1.0: every photo is passed on to the same network again.
    more = ["--image-dir", str(photos), "-o", str(folder), "--accept", "1.0"]
    assert main(["calibrate", model, model, *more]) == 0
    said = capsys.readouterr().out
    assert "passed on: 100.0% of the photos" in said
    assert "warning: this cascade cannot win: discs takes" in said
    assert "it answers 0%" in said
    assert f"{folder / 'cascade.toml'}: discs answers alone from a score of 1 on" in said
    # The folder holds all that the Pi needs, wherever it is put.
    folder.rename(elsewhere)
    held = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    files = ("cascade.toml", "first.tflite", "second.tflite")
    assert held == ["on the Pi", *(f"on the Pi/{name}" for name in files)]
    with contextlib.closing(open_classifier(ModelSettings(path=str(elsewhere)))) as classifier:
        assert classifier.name == "birds"
        answer = classifier.classify(Frame(np.zeros((48, 64, 3), np.uint8), 0, 0))
    assert answer.stage == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--accept", "0.8", "0.9"], "--accept gives 2 thresholds for 2 models"),
        (["--plot", "plot.gif"], ".svg or .png"),
        (["--budget-ms", "0.0001"], "raise --budget-ms"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_written(
    run: Path, photos: Path, tmp_path: Path, arguments: list[str], says: str, capsys: Capture
) -> None:
    toml = tmp_path / "cascade.toml"
    models = [str(run / "int8.tflite"), str(run / "float32.tflite")]
    common = ["--image-dir", str(photos), "-o", str(toml)]
    assert main(["calibrate", *models, *common, *arguments]) == 78
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def relabeled(model: Path, labels: tuple[str, ...], path: Path) -> Path:
    details = read_model_file(model).manifest.details
    path.write_bytes(write_model_file(model.read_bytes(), labels, details))
    return path


def test_models_of_other_labels_are_compared_on_those_that_both_know(
    run: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    model = run / "int8.tflite"
    other = relabeled(model, ("cyan", "magenta", "background"), tmp_path / "other.tflite")
    for label in ("cyan", "magenta", "yellow"):
        shutil.copytree(photos / label, tmp_path / "photos" / label)
    shutil.copytree(photos / "cyan", tmp_path / "photos" / "background")
    data = ["--image-dir", str(tmp_path / "photos")]
    arguments = ["compare", str(model), str(other), *data, "--split", "all"]
    assert main([*arguments, "--json"]) == 3
    records = json.loads(capsys.readouterr().out)
    for record in records:
        shown = {label for label, own in record["per_label"].items() if own["n"]}
        assert (record["n"], shown) == (2 * PER_LABEL, {"cyan", "magenta"})
    assert main([*arguments, "--fail-if-worse", "100"]) == 3
    said = capsys.readouterr().out
    assert "compared on photos of the 2 labels that all of them know" in said
    assert "other.tflite also knows background, which is wrong for all of these photos" in said


def test_each_photo_and_all_mistakes(
    run: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    turned = ("magenta", "yellow", "cyan")
    model = relabeled(run / "int8.tflite", turned, tmp_path / "turned.tflite")
    arguments = ["evaluate", str(model), "--image-dir", str(photos)]
    assert main([*arguments, "--json", "--per-photo", "--mistakes"]) == 0
    record = json.loads(capsys.readouterr().out)
    held_out = [p for p in scan([photos]) if p.split == "test"]
    assert [entry["photo"] for entry in record["per_photo"]] == [
        f"{p.label}/{p.name}" for p in held_out
    ]
    for entry in record["per_photo"]:
        assert entry["true"] == entry["photo"].split("/")[0]
        assert next(iter(entry["scores"])) == entry["given"]
        assert sum(entry["scores"].values()) == pytest.approx(1, abs=0.02)
        assert (entry["split"], entry["stage"], entry["unknown"]) == ("test", 0, False)
    right = [entry["right"] for entry in record["per_photo"]]
    assert sum(right) == pytest.approx(record["top1"] * record["n"])
    wrong = {entry["photo"] for entry in record["per_photo"] if not entry["right"]}
    assert {entry["photo"] for entry in record["mistakes"]} == wrong
    scores = [entry["score"] for entry in record["mistakes"]]
    assert scores == sorted(scores, reverse=True)
    assert main([*arguments, "--mistakes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"  all mistakes: {len(wrong)} of {len(held_out)} photos, the surest first" in lines
    assert sum("but it shows" in line for line in lines) == len(wrong)
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "--per-photo"])
    assert "--per-photo is for programs: add --json" in capsys.readouterr().err


def test_other_labels_and_a_missing_folder_do_not_exit_as_a_worse_model(
    run: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    model = run / "int8.tflite"
    other = relabeled(model, ("cyan", "b", "c"), tmp_path / "other.tflite")
    data = ["--image-dir", str(photos)]
    assert main(["compare", str(model), str(other), *data, "--fail-if-worse"]) == 78
    assert "these models share 1 labels, and comparing needs two" in capsys.readouterr().err
    assert main(["calibrate", str(model), *data, "-o", str(tmp_path / "no" / "x.tflite")]) == 78
    assert "there is no folder" in capsys.readouterr().err
