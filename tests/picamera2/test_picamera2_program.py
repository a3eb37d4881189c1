"""The whole path: the real program on the real picamera2, from the sensor to the label."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.emulated_picamera2 import PATHS

REPOSITORY = Path(__file__).parents[2]
FLOWERS = {"daisy", "dandelion", "roses", "sunflowers", "tulips"}


def run(
    folder: Path, hardware: Mapping[str, object], *arguments: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY), *PATHS)),
        "EMULATED_LIBCAMERA": json.dumps(hardware),
    }
    return subprocess.run(
        [sys.executable, "-m", "pi_classifier", "run", "--camera", "pi", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("platform", ["vc4", "pisp"])
def test_flowers_are_announced(tmp_path: Path, platform: str) -> None:
    hardware = {"platform": platform, "pace": "virtual", "world": "garden", "seed": 1}
    done = run(tmp_path, hardware, "--no-speech", "--frames", "200", "--summary")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    labels = done.stdout.split()
    assert len(labels) >= 3
    assert set(labels) <= FLOWERS
    # the size the model looks at
    assert "frames of 224x224 in BGR888, from the sensor's 2304x1296" in done.stderr
    assert "200 frames" in done.stderr


def test_a_pi_without_a_camera_says_so_and_ends_for_another_try(tmp_path: Path) -> None:
    done = run(tmp_path, {"sensors": []}, "--no-speech", "--set", "camera.recovery_s=0")
    assert done.returncode == 75
    assert "no camera is found" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_camera_in_use_says_so(tmp_path: Path) -> None:
    hardware = {"faults": {"acquire_errno": errno.EBUSY}, "world": "chart"}
    done = run(tmp_path, hardware, "--no-speech", "--set", "camera.recovery_s=0")
    assert done.returncode == 75
    assert "busy, in use by another program" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
