"""Choosing a camera by name."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pi_classifier.cameras import CameraSettings, is_live, list_cameras, open_camera
from pi_classifier.cameras.playback import PlayedCamera
from pi_classifier.errors import CameraUnavailable, ConfigError


def test_no_camera_is_chosen_silently() -> None:
    with pytest.raises(CameraUnavailable, match=r"emulated.*replay:FOLDER"):
        open_camera(CameraSettings())


def test_the_emulated_camera_gets_its_settings() -> None:
    settings = CameraSettings(
        source="emulated", width=32, height=16, fps=5.0, realtime=False, faults=("drop@1",)
    )
    camera = open_camera(settings)
    assert isinstance(camera, PlayedCamera)
    frames = list(islice(camera.frames(), 2))
    assert [frame.sequence for frame in frames] == [0, 2]
    assert frames[1].timestamp_ns == 400_000_000
    assert frames[0].pixels.shape == (16, 32, 3)


def test_the_replay_camera_gets_its_folder_and_settings(tmp_path: Path) -> None:
    folder = tmp_path / "with:colon"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    camera = open_camera(
        CameraSettings(source=f"replay:{folder}", fps=4.0, hold_s=0.5, realtime=False)
    )
    assert isinstance(camera, PlayedCamera)
    assert [frame.timestamp_ns for frame in camera.frames()] == [0, 250_000_000]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "emulatd",
            "Did you mean 'emulated'.*pi, imx500:FILE, emulated, emulated:meadow, replay:FOLDER",
        ),
        ("camera", "'camera': no such camera.*webcam, rtsp://HOST/PATH, http://HOST/PATH"),
        ("rtps://me:secret@host/", r"rtps://\*\*\*@host/.*Did you mean 'rtsp"),
        ("webcam:front", "expected a number or a device"),
        ("rtsp://", "no host in it"),
        ("http://[::1/stream", "no host in it"),
        ("", "no such camera"),
        ("replay", "no folder named"),
        ("replay:", "no folder named"),
        ("emulated:garden", "has no view 'garden'; write emulated, or emulated:meadow"),
    ],
)
def test_unknown_cameras_are_named(source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_camera(CameraSettings(source=source))


def test_the_meadow_is_the_garden_from_farther_away() -> None:
    settings = CameraSettings(source="emulated:meadow", width=64, height=48, realtime=False)
    near = replace(settings, source="emulated")
    wide, close = (list(islice(open_camera(one).frames(), 30)) for one in (settings, near))
    assert [frame.truth for frame in wide[:8]] == [frame.truth for frame in close[:8]]
    assert not any(
        np.array_equal(one.pixels, other.pixels) for one, other in zip(wide, close, strict=True)
    )


def test_faults_are_for_the_emulated_camera_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only the emulated camera"):
        open_camera(CameraSettings(source=f"replay:{tmp_path}", faults=("drop@1",)))


def test_every_listed_camera_is_known_and_says_whether_it_can_be_used() -> None:
    cameras = {camera.select: camera for camera in list_cameras()}
    assert {"pi", "emulated", "replay:FOLDER", "replay:FILE", "webcam"} <= cameras.keys()
    assert {"rtsp://HOST/PATH", "http://HOST/PATH"} <= cameras.keys()
    assert cameras["emulated"].available
    assert cameras["replay:FOLDER"].available
    assert open_camera(CameraSettings(source=cameras["emulated"].select)) is not None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"focus": "2"}, "remove camera.focus"),
        ({"gain": 2.0, "controls": {"Brightness": "0.1"}}, "camera.gain and camera.controls"),
    ],
)
@pytest.mark.parametrize("source", ["webcam", "emulated", "rtsp://127.0.0.1:9/x"])
def test_what_only_the_pis_cameras_do_is_refused(
    source: str, changes: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigError, match=f"only the Raspberry Pi's own cameras.*{named}"):
        open_camera(CameraSettings(source=source, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "source", ["pi", "pi:1", "webcam", "/dev/video0", "rtsp://a/b", "https://a/b"]
)
def test_cameras_that_look_at_the_world_are_live(source: str) -> None:
    assert is_live(CameraSettings(source=source))


@pytest.mark.parametrize(
    "source", ["emulated", "replay:photos", "replay:a.mp4", "imx500:a.rpk", "?"]
)
def test_what_was_drawn_recorded_or_classified_already_is_not(source: str) -> None:
    assert not is_live(CameraSettings(source=source))
