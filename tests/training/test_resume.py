"""A training killed at any moment and started again ends as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .conftest import retrained
from .killed import killed


def command(photos: Path, weights: Path, out: Path, cache: Path) -> list[str]:
    words = "--resolution 96 --batch 48 --fine-tune 3 --blocks 2"
    places = ["--image-dir", str(photos), "--weights", str(weights), "--cache-dir", str(cache)]
    return ["retrain", "--output-dir", str(out), *places, *words.split()]


def undisturbed(arguments: list[str]) -> tuple[list[NDArray[np.float32]], dict[str, object]]:
    """Train in this process to the end; the weights and the record."""
    folder = retrained(*arguments)
    network = folder.load()
    return [*network.backbone.get_weights(), *network.head.get_weights()], folder.summary()


def without_times(record: dict[str, object]) -> list[dict[str, object]]:
    """The history of a run without how long its epochs took."""
    history = record["history"]
    assert isinstance(history, list)
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def test_killed_again_and_again_it_ends_the_same(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    expected, record = undisturbed(command(photos, weights, tmp_path / "a/run", tmp_path / "a"))

    out, cache = tmp_path / "b" / "run", tmp_path / "b-cache"
    arguments = command(photos, weights, out, cache)
    killed("open", ".png", 90, arguments)
    (rows,) = cache.glob("mobilenet*/plain.keys")
    assert 0 < rows.stat().st_size < 144 * 36
    killed("os.rename", "checkpoint.npz", 2, arguments)
    assert (out / "checkpoint.npz").exists()
    assert not (out / "run.json").exists()
    ended, its_record = undisturbed(arguments)

    assert all(np.array_equal(a, b) for a, b in zip(expected, ended, strict=True))
    assert without_times(its_record) == without_times(record)
    for entry in ("recipe", "validation_accuracy", "data", "options"):
        assert its_record[entry] == record[entry]
    assert sorted(p.name for p in out.iterdir()) == [
        ".lock", "labels.txt", "logs", "network.weights.h5", "run.json",
    ]  # fmt: skip


def test_what_fine_tuning_spoils_is_taken_back(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    short = [
        "retrain", "--image-dir", str(photos), "--weights", str(weights), "--resolution", "96",
        "--cache-dir", str(tmp_path / "cache"), "--head-strength", "32",
    ]  # fmt: skip
    expected, _ = undisturbed([*short, "--output-dir", str(tmp_path / "head")])
    spoiling = ["--fine-tune", "1", "--batch", "48", "--rate", "10", "--blocks", "0"]
    ended, record = undisturbed([*short, "--output-dir", str(tmp_path / "tuned"), *spoiling])
    assert all(np.array_equal(a, b) for a, b in zip(expected, ended, strict=True))
    history = record["history"]
    assert isinstance(history, list)
    assert [row.get("kept") for row in history] == [True, None]
    assert history[1]["validation_accuracy"] < history[0]["validation_accuracy"]
    assert record["validation_accuracy"] == history[0]["validation_accuracy"]
