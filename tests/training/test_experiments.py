"""Runs side by side, and what a run folder says to a second training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pi_classifier_training.cli import main


def test_the_table_shows_what_differs_and_how_good(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        shutil.copytree(run, tmp_path / name)
    record = json.loads((tmp_path / "b" / "run.json").read_text())
    record["options"]["training"]["rate"] = 0.125
    record["evaluation"] = {}
    (tmp_path / "b" / "run.json").write_text(json.dumps(record))
    (tmp_path / "b" / "int8.tflite").unlink()
    (tmp_path / "notes").mkdir()
    assert main(["experiments", str(tmp_path)]) == 0
    header, first, second, _, last = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["name", "network"]
    assert "mobilenet_v1 0.25/96" in first
    assert "rate 0.002" in first
    assert f"{(run / 'int8.tflite').stat().st_size / 1000:.0f}  18" in first
    assert "rate 0.125" in second
    assert second.endswith("–     –    –   –") or second.split()[-1] == "–"
    assert last == f"Their curves: tensorboard --logdir {tmp_path}"


def test_a_folder_without_runs_says_how_to_make_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["experiments", str(tmp_path)]) == 78
    assert "holds no finished runs; train some with" in capsys.readouterr().err


def test_a_finished_run_is_not_trained_again(
    run: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file()}
    options = ["--weights", "none", "--resolution", "96", "--epochs", "14", "--batch", "16"]
    arguments = ["retrain", "--image-dir", str(photos), "--output-dir", str(run), *options]
    assert main(arguments) == 0
    assert "finished before; its files are as they were" in capsys.readouterr().out
    assert main([*arguments, "--rate", "0.004"]) == 78
    message = capsys.readouterr().err
    assert "finished run of other options (training.rate 0.002, now 0.004)" in message
    assert "--force" in message
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file()} == before


def test_an_earlier_run_goes_on_only_with_fine_tuning(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--output-dir", str(tmp_path / "out"), "--resolution", "96"]
    assert main(["retrain", "--image-dir", str(photos), *out, "--weights", str(run)]) == 78
    assert "say how long with --fine-tune EPOCHS" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_tensorboard_finds_curves_and_the_graph(run: Path) -> None:
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = json.loads((run / "run.json").read_text())["history"]
    for name, entry in (("training", "accuracy"), ("validation", "validation_accuracy")):
        events = EventAccumulator(str(run / "logs" / name), {"tensors": 0}).Reload()
        assert "accuracy" in events.Tags()["tensors"]
        assert "cross-entropy" in events.Tags()["tensors"]
        assert len(events.Tensors("accuracy")) == len(history) == 14
        last = events.Tensors("accuracy")[-1]
        assert last.step == 14
        assert float(tf.make_ndarray(last.tensor_proto)) == pytest.approx(history[-1][entry])
        assert events.Tags()["graph"] == (name == "training")


def use_file_as_cache(photos: Path, tmp_path: Path) -> list[str]:
    (tmp_path / "file").write_text("no folder")
    return ["--cache-dir", str(tmp_path / "file")]


def empty_label(photos: Path, tmp_path: Path) -> list[str]:
    (photos / "violet").mkdir()
    return []


def one_label(photos: Path, tmp_path: Path) -> list[str]:
    for label in ("magenta", "yellow"):
        shutil.rmtree(photos / label)
    return []


def few_photos(photos: Path, tmp_path: Path) -> list[str]:
    for path in sorted((photos / "cyan").iterdir())[2:]:
        path.unlink()
    return []


def no_images(photos: Path, tmp_path: Path) -> list[str]:
    for path in (photos / "cyan").iterdir():
        path.write_text("text")
    return ["--cache-dir", "none"]


@pytest.mark.parametrize(
    ("prepare", "code", "says"),
    [
        (use_file_as_cache, 74, "file: bottlenecks cannot be kept there"),
        (empty_label, 65, "violet: holds no photos"),
        (one_label, 65, "only one label (cyan)"),
        (few_photos, 65, "too few photos to train, validate and test with: cyan"),
        (no_images, 65, "no photo of cyan for training could be read"),
    ],
)
def test_bad_input_is_said_in_one_line_and_nothing_is_written(
    prepare: Callable[[Path, Path], list[str]],
    code: int,
    says: str,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(photos, copy)
    words = prepare(copy, tmp_path)
    start = ["--weights", "none", "--epochs", "1", "--resolution", "96"]
    arguments = ["retrain", "--image-dir", str(copy), "--output-dir", str(out), *start, *words]
    assert main(arguments) == code
    message = capsys.readouterr().err
    assert says in message
    assert "Traceback" not in message
    assert list(out.rglob("*")) == []
