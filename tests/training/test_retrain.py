"""Training for real, from photos to model files, by the commands a user types."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.data.dataset import scan

from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.modelfile.tflite_graph import read_graph
from pi_classifier.types import Frame

from .conftest import retrained


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_the_exported_file_tells_the_labels_apart(
    run: Path, photos: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = run / f"{kind}.tflite"
    assert main(["evaluate", str(model), "--image-dir", str(photos), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["n"] == sum(p.split == "test" for p in scan([photos]))
    # Chance is a third; a broken preprocessing, label order or export falls to it.
    assert record["top1"] >= 0.9
    assert record["top1_interval"][0] <= record["top1"] <= record["top1_interval"][1]
    assert record["top3"] == 1.0
    assert record["cross_entropy"] < 0.7


def test_the_model_file_says_what_it_is(run: Path, photos: Path) -> None:
    model = read_model_file(run / "int8.tflite")
    assert list(model.labels) == ["cyan", "magenta", "yellow"]
    assert (run / "labels.txt").read_text().split() == ["cyan", "magenta", "yellow"]
    record = json.loads((run / "run.json").read_text())
    assert record["data"]["name"] == photos.name
    assert record["evaluation"]["int8"]["top1"] >= 0.9
    assert str(photos.parent) not in (run / "int8.tflite").read_bytes().decode("latin1")


def test_full_integer_input_takes_pixels_as_they_are(run: Path) -> None:
    pixels = read_graph(memoryview((run / "int8.tflite").read_bytes())).input
    assert pixels.dtype == "uint8"
    assert (pixels.scale, pixels.zero_point) == (1.0, 0)


def test_no_padding_or_training_operations_are_left(run: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(run / "float32.tflite"), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    names = {op["op_name"] for op in interpreter._get_ops_details()}
    assert "DEPTHWISE_CONV_2D" in names
    assert not names & {"PAD", "RSQRT", "BATCH_MATMUL", "READ_VARIABLE"}


def test_a_run_goes_on_as_a_teacher(run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "student"
    words = ["--weights", "none", "--resolution", "96", "--epochs", "2", "--batch", "48"]
    words += ["--mixup", "0.2"]
    places = ["--image-dir", str(photos), "--output-dir", str(out)]
    record = retrained("retrain", *places, *words, "--teacher", str(run)).summary()
    assert record["options"]["teachers"] == ["discs"]
    assert record["options"]["training"]["mixup"] == 0.2
    assert np.isfinite(record["history"][-1]["loss"])


def test_export_again_gives_the_same_bytes(run: Path, photos: Path, tmp_path: Path) -> None:
    copy = tmp_path / "discs"
    shutil.copytree(run, copy)
    (copy / "int8.tflite").unlink()
    assert main(["export", str(copy), "--image-dir", str(photos)]) == 0
    assert (copy / "int8.tflite").read_bytes() == (run / "int8.tflite").read_bytes()


def test_calibrating_two_models_writes_a_cascade_that_runs(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    for name in ("int8", "float32"):
        shutil.copy(run / f"{name}.tflite", tmp_path)
    toml = tmp_path / "cascade.toml"
    models = [str(tmp_path / "int8.tflite"), str(tmp_path / "float32.tflite")]
    arguments = ["--image-dir", str(photos), "--name", "discs", "--output", str(toml)]
    assert main(["calibrate", *models, *arguments]) == 0
    classifier = open_classifier(ModelSettings(path=str(toml)))
    prediction = classifier.classify(Frame(np.full((60, 80, 3), 90, np.uint8), 0, 0))
    classifier.close()
    assert prediction.stage in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["retrain", "--image-dir", "nowhere", "--output-dir", "x"], 65, "nowhere: no such"),
        (["retrain", "--width", "0.3"], 78, "width 0.3 of mobilenet_v1 is not one of"),
        (["retrain", "--weights", "nowhere.h5"], 78, "nowhere.h5: no such file"),
        (["retrain", "--teacher", "nowhere"], 78, "nowhere: is not the output of"),
        (["retrain", "--weights", "none", "--output-dir", "/proc/nowhere"], 74, "/proc/nowhere"),
        (["evaluate", "nowhere.tflite"], 78, "nowhere.tflite"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(
    arguments: list[str],
    code: int,
    says: str,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "--image-dir" not in arguments:
        arguments = [*arguments, "--image-dir", str(photos)]
    if arguments[0] == "retrain" and "--output-dir" not in arguments:
        arguments = [*arguments, "--output-dir", str(tmp_path / "out")]
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert "Traceback" not in captured.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["keras", "tensorflow", "tqdm"])
def test_without_the_training_extra_the_way_to_it_is_named(
    package: str,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # None makes Python refuse the import, as where the package is missing.
    monkeypatch.setitem(sys.modules, package, None)
    if package == "tqdm":
        for name in [n for n in sys.modules if n.startswith("pi_classifier_training.")]:
            monkeypatch.delitem(sys.modules, name)
    arguments = ["--image-dir", str(photos), "--output-dir", str(tmp_path / "out")]
    assert main(["retrain", "--weights", "none", *arguments]) == 69
    message = capsys.readouterr().err
    assert f"the package {package} is needed" in message
    assert "pip install . ./training" in message


def test_a_file_that_is_no_weights_file_is_named(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.h5"
    bad.write_bytes(b"not weights")
    arguments = ["--image-dir", str(photos), "--output-dir", str(tmp_path / "out")]
    assert main(["retrain", "--weights", str(bad), *arguments]) == 78
    assert "the file must hold mobilenet_v1 of width 0.25" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_its_files_are_calibrated_on_the_validation_photos(
    run: Path, photos: Path, kind: str
) -> None:
    details = read_model_file(run / f"{kind}.tflite").manifest.details
    validation = sum(p.split == "validation" for p in scan([photos]))
    assert details["calibration"]["n"] == validation
    assert details["calibration"]["temperature"] != 1.0
    assert 0.7 <= details["thresholds"]["high"] <= 0.95
    # What the file says of itself was measured with that temperature.
    record = json.loads((run / "run.json").read_text())["evaluation"][kind]
    assert record["cross_entropy"] == details["evaluation"]["cross_entropy"]
