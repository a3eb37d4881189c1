"""What is set is what the sensor does: region, controls, focus, and which camera."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import Any

import pytest

from pi_classifier.cameras import list_cameras, open_camera
from pi_classifier.cameras.raspberry_pi.camera import PiCamera
from pi_classifier.cameras.raspberry_pi.picamera2_api import connected_cameras
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import CameraUnavailable, ConfigError
from tests.emulated_picamera2 import HARDWARE, Platform
from tests.picamera2.chart import MODEL, SQUARE, assert_shows, frames_of, plug

PLATFORMS: tuple[Platform, ...] = ("vc4", "pisp")


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> Platform:
    chosen: Platform = request.param
    return chosen


def test_a_region_is_cut_to_the_models_shape(platform: Platform) -> None:
    plug("imx477", platform)
    (frame,) = frames_of(CameraSettings(roi=(0.5, 0.5, 0.5, 0.25)), MODEL, 1)
    # 0.25 of 3040 pixels is the side; the middle of the half that was asked for
    side = 0.25 * 3040 / 4056
    assert_shows(frame, (0.75 - side / 2, 0.5, 0.75 + side / 2, 0.75))


def test_controls_by_name() -> None:
    sensor = plug()
    frames_of(
        CameraSettings(
            exposure_us=5000,
            gain=2.5,
            white_balance="daylight",
            focus="0.5",
            controls={"Brightness": "0.25", "AeEnable": "false", "ColourGains": "1.5,2.0"},
        ),
        MODEL,
        2,
    )
    wanted = {
        "ExposureTime": 5000,
        "AnalogueGain": 2.5,
        "AwbMode": 5,
        "AfMode": 0,
        "LensPosition": 0.5,
        "Brightness": 0.25,
        "AeEnable": False,
        "ColourGains": (1.5, 2.0),
    }
    assert {name: sensor.settings[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"controls": {"Brightnes": "1"}}, "no control Brightnes. Did you mean 'Brightness'"),
        ({"controls": {"Brightness": "2"}}, "Brightness = 2: .*from -1 to 1"),
        ({"controls": {"Brightness": "much"}}, "expected a number"),
        ({"gain": 99.0}, r"camera.gain = 99: .*AnalogueGain from 1 to 16"),
        ({"exposure_us": 200_000}, r"takes 100000; lower camera.fps"),
        ({"focus": "far"}, r'expected "auto" or a distance in dioptres'),
        ({"focus": "40"}, r"camera.focus = 40: .*from 0 to 32"),
    ],
)
def test_controls_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    plug()
    with pytest.raises(ConfigError, match=message):
        PiCamera(CameraSettings(**changes), model_size=MODEL)
    assert HARDWARE.sensors[0].held_by is None


def test_a_lens_that_cannot_move_is_left_alone() -> None:
    sensor = plug("imx219")
    frames_of(CameraSettings(), MODEL, 1)
    assert "AfMode" not in sensor.settings
    with pytest.raises(ConfigError, match="no control LensPosition"):
        PiCamera(CameraSettings(focus="1"), model_size=MODEL)


def test_a_lens_that_can_move_follows() -> None:
    sensor = plug("imx708")
    frames_of(CameraSettings(), MODEL, 1)
    assert sensor.settings["AfMode"] == 2


class TestChoice:
    @pytest.fixture(autouse=True)
    def two(self) -> None:
        HARDWARE.plug("imx219", "imx708", "imx708", pace="virtual")

    @pytest.mark.parametrize(
        "choice", ["imx219", "IMX219", "2", "/base/soc/i2c0mux/i2c@1/imx219@10"]
    )
    def test_by_model_number_or_id(self, choice: str) -> None:
        # libcamera's list is sorted by id, backwards
        assert [info.model for info in connected_cameras()] == ["imx708", "imx708", "imx219"]
        camera = open_camera(CameraSettings(source=f"pi:{choice}"), MODEL)
        with closing(camera):
            assert isinstance(camera, PiCamera)
            assert camera.info.model == "imx219"
            assert len(list(islice(camera.frames(), 2))) == 2

    def test_two_at_once(self) -> None:
        with (
            closing(PiCamera(CameraSettings(), "imx219", MODEL)) as one,
            closing(PiCamera(CameraSettings(), "0", MODEL)) as other,
        ):
            assert_shows(next(other.frames()), SQUARE)
            assert next(one.frames()).pixels.shape == (224, 224, 3)

    @pytest.mark.parametrize(
        ("choice", "message"),
        [
            ("imx708", r"several of these; choose by number. Connected: pi:0 \(imx708"),
            ("imx477", r"no such camera. Connected: .*pi:2 \(imx219, /base/soc"),
            ("3", "no such camera"),
        ],
    )
    def test_one_that_is_not_there(self, choice: str, message: str) -> None:
        with pytest.raises(CameraUnavailable, match=message):
            PiCamera(CameraSettings(), choice)

    def test_it_is_listed(self) -> None:
        assert any(kind.name == "pi" and kind.available for kind in list_cameras())
