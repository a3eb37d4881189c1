"""From what a search tried to one choice, and the words about what was delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pi_classifier_training.evaluation.boards import BoardCost
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.search.candidates import Candidate
from pi_classifier_training.search.delivery_report import figure_lines
from pi_classifier_training.search.finish import Finishing
from pi_classifier_training.search.options import AutoOptions
from pi_classifier_training.search.plan import Tried
from pi_classifier_training.search.trials import SCORES_FILE, TrialResult, TrialSpec

SMALL, LARGE = NetworkSpec("mobilenet_v1", 0.25, 128), NetworkSpec("mobilenet_v1", 1.0, 224)


def tried(folder: Path, network: NetworkSpec, kind: str, right: float, **values: Any) -> Tried:
    """A trial that got so large a share of 100 photos right, with its scores on disk."""
    candidate = Candidate(network, BoardCost(1.0, 10.0 * network.width, 1000.0 * network.width))
    name = f"{candidate.name}-{kind}"
    place = folder / name
    place.mkdir()
    truth = np.arange(values.pop("n", 100)) % 2
    answers = np.where(np.arange(len(truth)) < right * len(truth), truth, 1 - truth)
    with (place / SCORES_FILE).open("wb") as file:
        np.savez(file, scores=np.eye(2, dtype=np.float32)[answers] * 0.8 + 0.1, indices=truth)
    run = str(place / "run") if values.pop("has_run", False) else None
    dropped = values.pop("dropped", "")
    spec = TrialSpec(name, network, "imagenet", (), str(place), **values)
    return Tried(candidate, TrialResult(spec, right, run=run, dropped=dropped))


def finishing(folder: Path, made: list[Tried], **options: Any) -> Finishing:
    return Finishing(made, (), folder, AutoOptions(**options), left_s=0.0)


def test_of_all_trials_the_best_is_chosen(tmp_path: Path) -> None:
    made = [
        tried(tmp_path, SMALL, "all", 0.80),
        tried(tmp_path, SMALL, "tuned-4", 0.85, epochs=4, has_run=True),
        tried(tmp_path, LARGE, "all", 0.90),
        tried(tmp_path, LARGE, "tuned-4", 0.95, epochs=4, has_run=True),
    ]
    choice, chosen = finishing(tmp_path, made).chosen()
    assert [t.result.name for t in chosen] == ["mobilenet_v1-1-224-tuned-4"]
    assert choice.accuracy == 0.95
    _, limited = finishing(tmp_path, made, max_kb=500.0).chosen()
    assert [t.result.name for t in limited] == ["mobilenet_v1-0.25-128-tuned-4"]


def test_what_saw_other_photos_or_was_left_out_is_not_compared(tmp_path: Path) -> None:
    made = [
        tried(tmp_path, SMALL, "all", 0.80),
        tried(tmp_path, LARGE, "few", 0.99, photos=200, n=50),
        tried(tmp_path, LARGE, "all", 0.98, n=99),
        tried(tmp_path, LARGE, "tuned-4", 0.97, epochs=4, dropped="no time"),
    ]
    _, chosen = finishing(tmp_path, made).chosen()
    assert [t.result.name for t in chosen] == ["mobilenet_v1-0.25-128-all"]


def test_a_head_that_has_a_run_is_taken_with_it(tmp_path: Path) -> None:
    made = [
        tried(tmp_path, SMALL, "all", 0.90),
        tried(tmp_path, SMALL, "head", 0.90, epochs=0, has_run=True),
    ]
    _, chosen = finishing(tmp_path, made).chosen()
    assert [t.result.name for t in chosen] == ["mobilenet_v1-0.25-128-head"]


def record(**values: Any) -> dict[str, Any]:
    return {
        "board": "zero-2-w", "threshold": 0.7, "accept": [], "deferral": 0.0, "unknown": None,
        "low_ms": 12.3, "high_ms": 30.4, "here_ms": 1.23, "kb": 306.7,
        "test": {
            "n": 334, "top1": 0.9, "top1_interval": [0.86, 0.93],
            "said": {"n": 300, "named": 240, "wrong": 6},
        },
        "models": [{"file": "birds.tflite", "why": "8 bits lose nothing", "notes": []}],
    } | values  # fmt: skip


def test_the_figures_are_told_in_words() -> None:
    right, spoken, cost, why = figure_lines(record())
    assert right == "On 334 photos that chose nothing: 90.0% right (86.0% to 93.0%)"
    assert "it would speak of 80% and be wrong about 2.0% (scores from 0.7 on" in spoken
    assert "about 12 to 30 ms on a Pi Zero 2 W (estimated), 1.2 ms here; 307 kB in all" in cost
    assert why == "birds.tflite: 8 bits lose nothing"


@pytest.mark.parametrize("board", ["3", "5"])
def test_a_cascade_and_photos_of_nothing_are_told_too(board: str) -> None:
    models = [
        {
            "file": "first.tflite",
            "why": "8 bits lose nothing",
            "notes": ["without calibration: x"],
        },
        {"file": "second.tflite", "why": "8 bits lose 0.2 points", "notes": []},
    ]
    unknown = {"n": 995, "share": 0.021, "share_interval": [0.01, 0.04]}
    lines = list(
        figure_lines(
            record(board=board, models=models, accept=[0.86], deferral=0.3, unknown=unknown)
        )
    )
    assert "Of 995 photos of nothing it would announce 2.1% (1.0% to 4.0%)" in lines
    assert any(f"ms on a Pi {board} (estimated)" in line for line in lines)
    assert (
        "first.tflite answers alone from a score of 0.86 on; 30% of the photos go on to "
        "second.tflite"
    ) in lines
    assert lines[-2:] == [
        "first.tflite: without calibration: x",
        "second.tflite: 8 bits lose 0.2 points",
    ]
