"""The other commands on the real picamera2: what is there, a picture, a recording, a preview."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from PIL import Image

from pi_classifier.cameras import CameraSettings, open_camera
from pi_classifier.service.camera_trial import try_camera
from tests.emulated_picamera2 import PATHS
from tests.picamera2.chart import MODEL, plug

REPOSITORY = Path(__file__).parents[2]
GARDEN = {"platform": "vc4", "pace": "virtual", "world": "garden", "seed": 1}


def program(
    folder: Path, *arguments: object, hardware: dict[str, object] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pi_classifier", *(str(argument) for argument in arguments)],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": os.pathsep.join((str(REPOSITORY), *PATHS)),
            "EMULATED_LIBCAMERA": json.dumps(GARDEN if hardware is None else hardware),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_what_is_there_and_what_would_be_used(tmp_path: Path) -> None:
    done = program(tmp_path, "cameras")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pi:0             Raspberry Pi camera imx708")
    assert "would use the sensor's 2304x1296, its full field of view" in done.stdout
    assert "\nchosen: pi (" in done.stdout
    cameras = [
        json.loads(line) for line in program(tmp_path, "cameras", "--json").stdout.splitlines()
    ]
    assert [camera["select"] for camera in cameras if camera["chosen"]] == ["pi:0"]


def test_without_a_camera_it_says_what_to_check(tmp_path: Path) -> None:
    done = program(tmp_path, "cameras", hardware={"sensors": []})
    assert done.returncode == 0
    assert "a Raspberry Pi camera: not available" in done.stdout
    assert "no camera is found" in done.stdout
    assert "It cannot be used now: see above." in done.stdout


def test_a_snapshot_has_the_configured_size(tmp_path: Path) -> None:
    done = program(tmp_path, "cameras", "--snapshot", "seen.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("seen.png: 640x480; flowers-")
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.size == (640, 480)


def test_a_recording_plays_to_the_same_decisions_each_time(tmp_path: Path) -> None:
    done = program(tmp_path, "record", "garden", "--camera", "pi", "--frames", 40)
    assert done.returncode == 0, done.stderr
    assert "recorded 40 frames" in done.stderr
    run = ("run", "--camera", "replay:garden", "--fast", "--json", "--no-speech")
    first = program(tmp_path, *run)
    assert first.returncode == 0, first.stderr
    assert '"label": "' in first.stdout
    assert decided(first.stdout) == decided(program(tmp_path, *run).stdout)


def decided(output: str) -> list[dict[str, object]]:
    """What was decided, without when it was and how long it took."""
    lines = [json.loads(line) for line in output.splitlines()]
    return [{k: v for k, v in line.items() if k not in ("time", "latency_ms")} for line in lines]


def test_a_preview(tmp_path: Path) -> None:
    done = program(tmp_path, "preview", "--camera", "pi", "--frames", 20, "--png", "seen.png")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.width == 640


def test_a_trial_takes_the_camera_from_nobody() -> None:
    """`config --check` beside the running service: both in this program, and in another."""
    sensor = plug()
    with closing(open_camera(CameraSettings(source="pi"), MODEL)) as camera:
        stream = camera.frames()
        before = next(stream).sequence
        said = try_camera(CameraSettings(source="pi"), MODEL)
        assert said == "camera: pi, not opened, as this program itself uses it now"
        assert next(stream).sequence > before
    sensor.faults.acquire_errno = errno.EBUSY
    assert "perhaps the service uses it" in try_camera(CameraSettings(source="pi"), MODEL)
    sensor.faults.acquire_errno = 0
    assert try_camera(CameraSettings(source="pi"), MODEL).endswith("which can be opened")
    assert sensor.held_by is None
