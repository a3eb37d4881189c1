"""Choosing a camera by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pi_classifier.cameras import CameraSettings, list_cameras, open_camera
from pi_classifier.cameras.emulated import EmulatedCamera
from pi_classifier.cameras.replay import ReplayCamera
from pi_classifier.errors import CameraUnavailable, ConfigError


def test_no_camera_is_chosen_silently() -> None:
    with pytest.raises(CameraUnavailable, match=r"emulated.*replay:FOLDER"):
        open_camera(CameraSettings())


def test_the_emulated_camera_gets_its_settings() -> None:
    camera = open_camera(
        CameraSettings(
            source="emulated", width=32, height=16, fps=5.0, seed=4, frames=3, realtime=False,
            timeout_s=2.0, faults=("drop@1",),
        )
    )  # fmt: skip
    assert isinstance(camera, EmulatedCamera)
    settings = camera.settings
    assert (settings.width, settings.height, settings.fps, settings.seed) == (32, 16, 5.0, 4)
    assert (settings.frames, settings.realtime, settings.timeout_s) == (3, False, 2.0)
    assert [frame.sequence for frame in camera.frames()] == [0, 2]


def test_the_replay_camera_gets_its_settings(tmp_path: Path) -> None:
    folder = tmp_path / "with:colon"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    camera = open_camera(
        CameraSettings(
            source=f"replay:{folder}", fps=4.0, hold_s=0.5, loop=True, frames=9, realtime=False,
            width=320, height=200,
        )
    )  # fmt: skip
    assert isinstance(camera, ReplayCamera)
    settings = camera.settings
    assert (settings.folder, settings.fps, settings.hold_s) == (str(folder), 4.0, 0.5)
    assert (settings.loop, settings.frames, settings.realtime) == (True, 9, False)
    assert settings.min_side == 200


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("emulatd", "Did you mean 'emulated'.*pi, emulated, replay:FOLDER"),
        ("webcam", "'webcam': no such camera"),
        ("", "no such camera"),
        ("replay", "no folder named"),
        ("replay:", "no folder named"),
        ("emulated:garden", "write emulated"),
        ("pi:0", "write pi"),
    ],
)
def test_unknown_cameras_are_named(source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_camera(CameraSettings(source=source))


def test_faults_are_for_the_emulated_camera_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only the emulated camera"):
        open_camera(CameraSettings(source=f"replay:{tmp_path}", faults=("drop@1",)))


@pytest.mark.parametrize(
    "changes", [{"width": 641}, {"height": 0}, {"fps": 0.0}, {"faults": ("drop@x",)}]
)
def test_settings_are_checked_before_any_camera_is_opened(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        CameraSettings(**changes)  # type: ignore[arg-type]


def test_every_listed_camera_is_known_and_says_whether_it_can_be_used() -> None:
    cameras = {camera.name: camera for camera in list_cameras()}
    assert list(cameras) == ["pi", "emulated", "replay"]
    assert [camera.available for camera in cameras.values()] == [False, True, True]
    assert open_camera(CameraSettings(source=cameras["emulated"].select)) is not None
