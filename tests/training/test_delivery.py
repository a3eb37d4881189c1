"""What is delivered: one folder that works wherever it is put, with figures that hold."""

from __future__ import annotations

import contextlib
import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.data.dataset import scan
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.boards import board_cost
from pi_classifier_training.evaluation.thresholds import ThresholdPolicy
from pi_classifier_training.networks.network import Network, NetworkSpec
from pi_classifier_training.retraining.run_folder import RunFolder
from pi_classifier_training.search.delivery import deliver
from pi_classifier_training.search.order import Order
from PIL import Image

from pi_classifier.cli import main as device
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import read_model_file

from .conftest import COLORS

Delivered = tuple[Order, Path, dict[str, Any]]


@pytest.fixture(scope="module")
def runs(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The trained network, and the same for larger pictures: slower, as good or better."""
    small, large = (tmp_path_factory.mktemp("runs") / name for name in ("small", "large"))
    shutil.copytree(run, small)
    trained = RunFolder(small).load()
    network = Network(replace(trained.spec, resolution=128), trained.labels)
    network.take_weights(trained)
    summary = RunFolder(small).summary()
    own = {k: v for k, v in summary.items() if k not in ("network", "labels", "evaluation")}
    RunFolder(large).save(network, own | {"recipe": "larger"})
    return small, large


@pytest.fixture(scope="module")
def negatives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gray noise from six places."""
    folder, rng = tmp_path_factory.mktemp("negatives"), np.random.default_rng(5)
    for i in range(36):
        place = folder / f"place{i % 6}"
        place.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(place / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def delivered(
    runs: tuple[Path, Path],
    photos: Path,
    negatives: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Delivered:
    """A cascade of both, by the real command."""
    output = tmp_path_factory.mktemp("own") / "discs"
    data = ["--image-dir", str(photos), "--negatives", str(negatives)]
    asked = ["--max-loss", "1", "--rounded", "--no-report", "--version", "3"]
    assert main(["deliver", *map(str, runs), *data, "--output-dir", str(output), *asked]) == 0
    policy = ThresholdPolicy(max_loss=1.0)
    order = Order(
        runs, (photos,), "discs", policy=policy, card={"version": "3"}, negatives=(negatives,),
        rounded=True,
    )  # fmt: skip
    return order, output, json.loads((output / "delivery.json").read_text())


def test_the_folder_holds_all_that_the_pi_needs(delivered: Delivered) -> None:
    _, output, record = delivered
    copy = output / "copy"
    assert sorted(p.name for p in copy.iterdir()) == [
        "cascade.toml", "large.tflite", "pi_classifier.toml", "small-rounded.tflite",
        "small.tflite",
    ]  # fmt: skip
    assert sorted(p.name for p in output.iterdir()) == [".lock", "copy", "delivery.json"]
    named = [
        stage["model"] for stage in tomllib.loads((copy / "cascade.toml").read_text())["stage"]
    ]
    assert named == ["small.tflite", "large.tflite"]
    large = read_model_file(copy / named[1])
    assert large.name == "discs-large"
    assert large.metadata is not None
    assert large.metadata.name == "discs-large"
    assert large.manifest.details["version"] == large.metadata.version == "3"
    rounded = read_model_file(copy / "small-rounded.tflite")
    assert rounded.name == "discs-small"
    assert rounded.manifest.details["rounding"]["test"]["n"] == record["test"]["n"]


def test_a_newcomer_copies_it_and_types_what_is_printed(
    delivered: Delivered, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    _, output, _ = delivered
    # scp -r copy pi@raspberrypi.local:discs
    shutil.copytree(output / "copy", tmp_path / "discs")
    monkeypatch.chdir(tmp_path)
    photo = str(next(p.path for p in scan([photos]) if p.split == "test"))

    def answer(*words: str) -> list[str]:
        assert device(["classify", *words, photo]) == 0
        return [line for line in capsys.readouterr().out.splitlines() if " ms " not in line]

    by_configuration = answer("--config", "discs/pi_classifier.toml")
    assert len(by_configuration) > len(COLORS)
    assert answer("--model", "./discs") == by_configuration
    # Where the service looks, and from where: the folder is found by the same line.
    (tmp_path / "models").mkdir()
    (tmp_path / "discs").rename(tmp_path / "models" / "discs")
    assert answer("--config", "models/discs/pi_classifier.toml") == by_configuration


def test_the_figures_are_those_of_the_copied_folder_on_test_photos(
    delivered: Delivered, photos: Path
) -> None:
    order, output, record = delivered
    test = [p for p in scan([photos]) if p.split == "test"]
    assert record["test"]["n"] == len(test)
    said = record["test"]["said"]
    assert said["n"] == len(test)
    assert record["test"]["said_of_silent"]["n"] == 0
    assert said["named"] - said["wrong"] <= record["test"]["top1"] * len(test) + 1e-6
    assert record["test"]["top1"] > 0.8
    small, large = (NetworkSpec(**stage["network"]) for stage in record["models"])
    assert (small.resolution, large.resolution) == (96, 128)
    costs = [board_cost(spec, order.board, labels=3) for spec in (small, large)]
    assert record["high_ms"] == pytest.approx(
        costs[0].high_ms + record["deferral"] * costs[1].high_ms
    )
    assert record["low_ms"] < record["high_ms"] < costs[1].high_ms
    files = [output / "copy" / stage["file"] for stage in record["models"]]
    assert record["kb"] == pytest.approx(sum(f.stat().st_size for f in files) / 1000, abs=0.1)
    settings = tomllib.loads((output / "copy" / "pi_classifier.toml").read_text())
    assert settings["model"] == {"path": "discs"}
    assert settings.get("decision", {}).get("threshold_high", 0.7) == record["threshold"]
    assert record["unknown"]["n"] > 0
    with contextlib.closing(open_classifier(ModelSettings(path=str(output / "copy")))) as opened:
        assert [stage.accept for stage in opened.stages[:-1]] == record["accept"]  # type: ignore[attr-defined]


def test_delivering_again_makes_nothing_anew(delivered: Delivered) -> None:
    order, output, record = delivered
    before = {p: p.stat().st_mtime_ns for p in output.rglob("*")}
    assert deliver(order, output) == record
    assert {p: p.stat().st_mtime_ns for p in output.rglob("*")} == before


def test_one_killed_at_the_end_goes_on_to_the_same(delivered: Delivered, tmp_path: Path) -> None:
    order, output, record = delivered
    # The folder had not taken its place yet.
    (tmp_path / ".partial-123-copy").mkdir()
    again = deliver(replace(order, rounded=False), tmp_path)
    differing = ("here_ms", "recipe", "models")
    assert {k: v for k, v in again.items() if k not in differing} == {
        k: v for k, v in record.items() if k not in differing
    }
    for name in ("small.tflite", "large.tflite", "pi_classifier.toml"):
        assert (tmp_path / "copy" / name).read_bytes() == (output / "copy" / name).read_bytes()


def test_one_network_alone_is_one_file(delivered: Delivered, tmp_path: Path) -> None:
    order, _, _ = delivered
    alone = replace(order, runs=order.runs[:1], negatives=(), rounded=False)
    record = deliver(alone, tmp_path)
    assert sorted(p.name for p in (tmp_path / "copy").iterdir()) == [
        "discs.tflite", "pi_classifier.toml",
    ]  # fmt: skip
    assert record["deferral"] == 0
    assert record["accept"] == []
    assert record["unknown"] is None
    assert record["models"][0]["file"] == "discs.tflite"


def test_a_cascade_that_would_cost_time_is_not_delivered(
    delivered: Delivered, tmp_path: Path
) -> None:
    order, _, _ = delivered
    # A first network that never answers alone.
    policy = ThresholdPolicy(accept=(1.0,))
    record = deliver(replace(order, policy=policy, negatives=(), rounded=False), tmp_path)
    assert [model["file"] for model in record["models"]] == ["discs.tflite"]
    assert read_model_file(tmp_path / "copy" / "discs.tflite").name == "discs"
    assert "alone: a cascade would pass" in record["models"][0]["notes"][-1]
    assert sorted(p.name for p in (tmp_path / "copy").iterdir()) == [
        "discs.tflite", "pi_classifier.toml",
    ]  # fmt: skip


def test_a_folder_of_retrain_or_auto_is_not_delivered_into(
    delivered: Delivered, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order, _, _ = delivered
    small, large = map(str, order.runs)
    data = ["--image-dir", str(order.image_dirs[0]), "--output-dir"]
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "auto.json").write_text("{}")
    for folder, maker in ((large, "retrain"), (str(tmp_path), "auto")):
        assert main(["deliver", small, large, *data, folder]) == 78
        assert f"holds what 'pi-classifier-train {maker}' made" in capsys.readouterr().err
    assert main(["deliver", large, small, *data, str(tmp_path / "new")]) == 78
    assert f"give {small} before {large}" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_of_something_else_stays(delivered: Delivered, tmp_path: Path) -> None:
    order, _, _ = delivered
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "holiday.jpg").touch()
    with pytest.raises(TrainingError, match=r"holds holiday\.jpg"):
        deliver(order, tmp_path)
    assert [p.name for p in (tmp_path / "copy").iterdir()] == ["holiday.jpg"]
