"""What is asked of the camera: streams, sensor mode, part of the view, controls."""

from __future__ import annotations

import pytest

from pi_classifier.cameras.raspberry_pi.stream_plan import (
    StreamPlan,
    crop_for,
    full_view,
    make_plan,
    wanted_controls,
)
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import ConfigError

MODEL = (224, 224)
ADVERTISED = {
    "ExposureTime": (1, 1_000_000, 20_000),
    "AnalogueGain": (1.0, 16.0, 1.0),
    "AwbMode": (0, 7, 0),
    "Saturation": (0.0, 32.0, 1.0),
}
LENS = {"AfMode": (0, 2, 0), "LensPosition": (0.0, 32.0, 1.0)}


def plan(
    model_size: tuple[int, int] | None = MODEL, *, rgb_lores: bool = False, **changes: object
) -> StreamPlan:
    settings = CameraSettings(**changes)  # type: ignore[arg-type]
    return make_plan(settings, model_size, "imx708", (4608, 2592), rgb_lores=rgb_lores)


def test_variants_of_a_sensor_are_that_sensor() -> None:
    for model in ("imx708", "imx708_wide_noir", "IMX708_noir"):
        assert full_view(model, (4608, 2592)).size == (2304, 1296)


def test_an_unknown_sensor_is_asked_for_half_its_pixels() -> None:
    mode = full_view("ov64x40", (9248, 6944))
    assert (mode.size, mode.bit_depth, mode.known) == ((4624, 3472), None, False)


def test_a_region_keeps_the_aspect_of_the_frames() -> None:
    assert crop_for((0, 0, 1, 1), (0, 0, 4000, 3000), (224, 224)) == (500, 0, 3000, 3000)
    assert crop_for((0.5, 0, 0.5, 1), (8, 8, 4000, 3000), (224, 224)) == (2008, 508, 2000, 2000)
    assert crop_for((0.25, 0.25, 0.5, 0.5), (0, 0, 4000, 3000), (640, 480)) == (
        1000,
        750,
        2000,
        1500,
    )


def test_one_stream_of_the_models_size_from_the_full_field_of_view() -> None:
    only = plan()
    assert (only.main, only.lores) == ({"size": (224, 224), "format": "BGR888"}, None)
    assert (only.frames, only.shape) == ("main", MODEL)
    assert only.sensor == {"output_size": (2304, 1296), "bit_depth": 10}


def test_without_a_model_frames_are_pictures_of_the_configured_size() -> None:
    only = plan(None, width=320, height=240)
    assert (only.main["size"], only.lores, only.shape) == ((320, 240), None, (240, 320))


@pytest.mark.parametrize(("rgb_lores", "pixels"), [(False, "YUV420"), (True, "BGR888")])
def test_with_a_picture_frames_come_from_a_second_stream_of_its_shape(
    rgb_lores: bool, pixels: str
) -> None:
    both = plan(picture=True, rgb_lores=rgb_lores)
    assert both.main["size"] == (640, 480)
    assert both.lores == {"size": (300, 224), "format": pixels}  # 298.7, and even
    assert both.frames == "lores"


@pytest.mark.parametrize(
    ("rotation", "size", "flips", "turns"),
    [
        (0, (640, 480), (False, False), 0),
        (90, (480, 640), (False, False), 1),
        (180, (640, 480), (True, True), 0),
        (270, (480, 640), (False, False), 3),
    ],
)
def test_half_turns_are_flips_and_quarter_turns_swap_the_sides(
    rotation: int, size: tuple[int, int], flips: tuple[bool, bool], turns: int
) -> None:
    turned = plan(None, rotation=rotation)
    assert (turned.main["size"], turned.shape) == (size, (480, 640))
    assert ((turned.hflip, turned.vflip), turned.quarter_turns) == (flips, turns)


def test_flips_and_a_half_turn_cancel_out() -> None:
    turned = plan(rotation=180, hflip=True, vflip=True)
    assert (turned.hflip, turned.vflip) == (False, False)


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="imx708 has 4608 by 2592 pixels; ask for no more"):
        plan(None, width=4610)
    with pytest.raises(ConfigError, match="64 by 48: is smaller than the 224 by 224"):
        plan(picture=True, width=64, height=48)


def controls(
    advertised: dict[str, tuple[float, float, float]], **changes: object
) -> dict[str, object]:
    settings = CameraSettings(**changes)  # type: ignore[arg-type]
    return dict(wanted_controls(settings, advertised))


def test_controls_are_those_of_the_settings() -> None:
    assert controls(ADVERTISED) == {}
    assert controls(ADVERTISED | LENS) == {"AfMode": 2}
    assert controls(
        ADVERTISED | LENS,
        exposure_us=5000,
        gain=2.5,
        white_balance="daylight",
        focus="0.5",
        controls={"Saturation": "0"},
    ) == {
        "ExposureTime": 5000,
        "AnalogueGain": 2.5,
        "AwbMode": 5,
        "AfMode": 0,
        "LensPosition": 0.5,
        "Saturation": 0,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"controls": {"Saturatoin": "1"}}, "no control Saturatoin.*Did you mean 'Saturation'"),
        ({"controls": {"Saturation": "33"}}, "Saturation = 33: .*from 0 to 32"),
        ({"controls": {"Saturation": "1,x"}}, "expected a number"),
        ({"gain": 99.0}, "camera.gain = 99: .*from 1 to 16"),
        ({"exposure_us": 100_001}, "longer than a frame.*takes 100000; lower camera.fps"),
        ({"focus": "far"}, 'expected "auto" or a distance'),
        ({"focus": "1"}, "no control LensPosition"),
    ],
)
def test_controls_that_the_camera_does_not_have_are_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        controls(ADVERTISED, **changes)
