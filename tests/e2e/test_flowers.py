"""The shipped models in the whole program: the emulated garden, announced as it is shown."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pi_classifier.cameras.emulated.camera import _schedule
from pi_classifier.cameras.emulated.scenes import BACKGROUND, LABELS, Scene

Program = Callable[..., "subprocess.CompletedProcess[str]"]

SEEDS = (1, 2, 3, 4, 5)
FRAMES = 300
FPS = 10


def decisions(program: Program, *more: object) -> list[dict[str, Any]]:
    done = program(
        *("run", "--camera", "emulated", "--fast", "--json", "--no-speech", *more), timeout_s=120
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def scenes(seed: int) -> Iterator[tuple[str, range]]:
    """What the camera shows: label and frames of each scene that is shown to its end."""
    for shot in takewhile(lambda shot: shot.end <= FRAMES, _schedule(seed, FPS)):
        yield shot.scene.label, range(shot.start, shot.end)


def test_one_object_per_decision_and_the_same_seed_gives_the_same_bytes(
    program: Program,
) -> None:
    arguments = ("run", "--camera", "emulated", "--frames", 200, "--json", "--fast")
    first = program(*arguments, "--no-speech", "--seed", 7)
    again = program(*arguments, "--no-speech", "--seed", 7)
    other = program(*arguments, "--no-speech", "--seed", 8)
    assert first.returncode == 0
    assert first.stdout == again.stdout
    assert first.stdout != other.stdout
    found = [json.loads(line) for line in first.stdout.splitlines()]
    assert len(found) >= 8
    for each in found:
        assert set(each) >= {"label", "score", "sequence", "timestamp_ns", "stage"}
        assert each["timestamp_ns"] == each["sequence"] * 1_000_000_000 // FPS
        assert each["label"] is None or each["label"] in LABELS[1:]
        assert each["stage"] in {0, 1}


def test_every_scene_is_announced_once_and_rightly(program: Program) -> None:
    shown = right = false = 0
    for seed in SEEDS:
        announced = [
            each
            for each in decisions(program, "--seed", seed, "--frames", FRAMES)
            if each["label"] is not None
        ]
        for label, frames in scenes(seed):
            here = [each["label"] for each in announced if each["sequence"] in frames]
            if label == BACKGROUND:
                # the last flower's label may still be on its way for the frames patience takes
                false += len(here)
            else:
                shown += 1
                right += here == [label]
    assert shown >= 30
    assert false == 0, "something was announced on empty ground"
    assert right / shown >= 0.95, f"{right} of {shown} scenes announced once and rightly"


def test_the_shipped_models_are_listed(program: Program) -> None:
    done = program("models")
    assert done.returncode == 0
    assert "a cascade of 2" in done.stdout
    stages = json.loads(program("models", "--json", "flowers").stdout)["stages"]
    assert [set(each["labels"]) for each in stages] == [set(LABELS)] * 2
    assert all(each["silent_labels"] == [BACKGROUND] for each in stages)
    assert all(each["self_test"] for each in stages)
    assert stages[0]["accept"] is not None


@pytest.mark.parametrize("label", LABELS[1:])
def test_a_drawn_flower_is_classified(program: Program, tmp_path: Path, label: str) -> None:
    images = []
    for number in range(5):
        scene = Scene.draw(label, np.random.default_rng(1000 + number))
        images.append(tmp_path / f"{number}.png")
        Image.fromarray(scene.render(240, 320, 0.0, number)).save(images[-1])
    done = program("classify", "--json", "--model", "flowers", *images)
    tops = [json.loads(line)["categories"][0]["label"] for line in done.stdout.splitlines()]
    assert tops.count(label) >= 4, tops


def test_the_first_stage_answers_most_frames(program: Program) -> None:
    done = program(
        *("run", "--camera", "emulated", "--fast", "--no-speech"),
        *("--frames", FRAMES, "--summary"),
    )
    share = re.search(r"^(\d+)% answered by the first stage", done.stderr, re.MULTILINE)
    assert share is not None, done.stderr
    assert int(share[1]) >= 50
