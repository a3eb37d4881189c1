"""What the Pi's camera delivers: the right part of the world, in the right colors and order."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np
import pytest

from pi_classifier.cameras.raspberry_pi.camera import PiCamera
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import CameraTimeout, ConfigError
from tests.emulated_picamera2 import HARDWARE, Platform
from tests.picamera2.chart import MODEL, SQUARE, assert_shows, chart, corners, frames_of, plug

PLATFORMS: tuple[Platform, ...] = ("vc4", "pisp")


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> Platform:
    chosen: Platform = request.param
    return chosen


def test_a_model_sees_the_middle_square_in_right_colors(platform: Platform) -> None:
    plug(platform=platform)
    frames = frames_of(CameraSettings(), MODEL, 3)
    for frame in frames:
        assert frame.pixels.shape == (224, 224, 3)
        assert_shows(frame, SQUARE)
    blues = [int(frame.pixels[0, 0, 2]) for frame in frames]
    assert blues == [frame.pixels[100, 100, 2] for frame in frames]
    assert blues == sorted(set(blues))


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("imx219", (1640, 1232)),
        ("imx708", (2304, 1296)),
        ("imx477", (2028, 1520)),
        ("imx296", (1456, 1088)),
        ("ov5647", (1296, 972)),
        ("imx500", (2028, 1520)),
        ("ov64x40", (4624, 3472)),
    ],
)
def test_every_sensor_shows_its_full_height(model: str, size: tuple[int, int]) -> None:
    sensor = plug(model)
    (frame,) = frames_of(CameraSettings(), MODEL, 1)
    assert sensor.settings["mode"].size == size  # type: ignore[attr-defined]
    wide, tall = sensor.model.pixel_array
    assert_shows(frame, (0.5 - tall / wide / 2, 0.0, 0.5 + tall / wide / 2, 1.0))


def test_left_to_itself_picamera2_would_show_a_part() -> None:
    """Why there is a table of readouts at all."""
    from picamera2 import Picamera2

    sensor = plug("imx219")
    with Picamera2(0) as device:
        device.configure(device.create_video_configuration(main={"size": (224, 224)}, raw=None))
        assert sensor.settings["mode"].crop[0] == 1000  # type: ignore[attr-defined]


def test_a_sensor_of_no_table_is_named_as_such(caplog: pytest.LogCaptureFixture) -> None:
    plug("ov64x40")
    with caplog.at_level(logging.INFO, "pi_classifier"):
        frames_of(CameraSettings(), MODEL, 1)
    assert "(ov64x40): frames of 224x224 in BGR888" in caplog.text
    assert "unknown sensor" in caplog.text


@pytest.mark.parametrize(
    ("changes", "flips", "box"),
    [
        ({"hflip": True}, (True, False), (SQUARE[2], 0.0, SQUARE[0], 1.0)),
        ({"vflip": True}, (False, True), (SQUARE[0], 1.0, SQUARE[2], 0.0)),
        ({"rotation": 180}, (True, True), (SQUARE[2], 1.0, SQUARE[0], 0.0)),
        ({"rotation": 180, "hflip": True, "vflip": True}, (False, False), SQUARE),
    ],
)
def test_flips_are_the_sensors(
    changes: dict[str, Any], flips: tuple[bool, bool], box: Any, platform: Platform
) -> None:
    sensor = plug(platform=platform)
    (frame,) = frames_of(CameraSettings(**changes), MODEL, 1)
    assert_shows(frame, box)
    assert sensor.settings["flips"] == flips


def test_quarter_turns_are_clockwise() -> None:
    plug()
    left, top, right, bottom = SQUARE
    upright = chart((left, top, right, bottom))
    (quarter,) = frames_of(CameraSettings(rotation=90), MODEL, 1)
    (three,) = frames_of(CameraSettings(rotation=270), MODEL, 1)
    # clockwise: the lower left corner comes to the upper left
    assert corners(quarter) == pytest.approx(
        np.array([upright[2], upright[0], upright[3], upright[1]]), abs=3
    )
    assert corners(three) == pytest.approx(
        np.array([upright[1], upright[3], upright[0], upright[2]]), abs=3
    )
    assert quarter.pixels.flags.c_contiguous


def test_a_turned_picture_is_as_high_and_wide_as_configured() -> None:
    plug()
    settings = CameraSettings(rotation=90, width=240, height=320)
    (frame,) = frames_of(settings, None, 1)
    assert frame.pixels.shape == (320, 240, 3)


@pytest.mark.parametrize("size", [(98, 66), (300, 200), (640, 480), (224, 224)])
def test_padding_between_rows_never_shows(size: tuple[int, int], platform: Platform) -> None:
    plug("imx296", platform)
    width, height = size
    (frame,) = frames_of(CameraSettings(width=width, height=height), None, 1)
    assert frame.pixels.shape == (height, width, 3)
    assert len(np.unique(frame.pixels[..., 2])) == 1  # blue is the same all over, padding is not
    reds = frame.pixels[:, :, 0].astype(int)
    assert (np.diff(reds, axis=1) >= 0).all()


def test_odd_model_sizes_are_cut_not_scaled() -> None:
    plug("imx296")
    (frame,) = frames_of(CameraSettings(), (299, 299), 1)
    assert frame.pixels.shape == (299, 299, 3)


def test_a_size_too_small_for_the_isp_becomes_the_smallest_whole_view() -> None:
    plug("imx477", "pisp")
    (frame,) = frames_of(CameraSettings(), (16, 16), 1)
    assert frame.pixels.shape == (46, 62, 3)  # 1/64 of the sensor
    assert_shows(frame, (0, 0, 1, 1), within=8)


@pytest.mark.parametrize("model_size", [(224, 224), (192, 256)])
def test_with_a_picture_the_model_sees_the_same_as_without(
    model_size: tuple[int, int], platform: Platform
) -> None:
    plug("imx477", platform)
    settings = CameraSettings(width=640, height=480)
    (alone,) = frames_of(settings, model_size, 1)
    (beside,) = frames_of(CameraSettings(width=640, height=480, picture=True), model_size, 1)
    assert alone.pixels.shape == beside.pixels.shape
    difference = np.abs(alone.pixels[..., :2].astype(int) - beside.pixels[..., :2].astype(int))
    assert difference.max() <= 4  # the second stream is YCbCr up to the Pi 4


def test_the_picture_is_there_for_another_thread() -> None:
    plug("imx477")
    with closing(PiCamera(CameraSettings(picture=True), model_size=(96, 96))) as camera:
        reader = threading.Thread(target=lambda: list(camera.frames()))
        reader.start()
        picture = camera.picture()
        camera.stop()
        reader.join(5)
        assert picture.shape == (480, 640, 3)
        assert not picture.flags.writeable
        with pytest.raises(CameraTimeout, match="no picture within"):
            camera.picture(timeout_s=0.01)


def test_a_picture_smaller_than_the_frames_is_refused() -> None:
    plug()
    with pytest.raises(ConfigError, match=r"picture of 64 by 48.*224 by 224.*width"):
        PiCamera(CameraSettings(picture=True, width=64, height=48), model_size=MODEL)


def test_more_pixels_than_the_sensor_has_are_refused() -> None:
    plug("imx296")
    with pytest.raises(ConfigError, match="imx296 has 1456 by 1088 pixels; ask for no more"):
        PiCamera(CameraSettings(width=1920, height=1080))
    assert HARDWARE.sensors[0].held_by is None


def test_exposure_settles_fast_and_frames_then_come_slowly() -> None:
    sensor = plug()
    with closing(PiCamera(CameraSettings(fps=2.0), model_size=MODEL)) as camera:
        stream = camera.frames()
        assert sensor.settings["FrameDurationLimits"] == (33333, 33333)
        opened_ns = sensor.now_ns
        first = next(stream)
        assert first.timestamp_ns - opened_ns < 500_000_000
        others = list(islice(stream, 3))
    assert sensor.settings["FrameDurationLimits"] == (500_000, 500_000)
    times = [frame.timestamp_ns for frame in (first, *others)]
    assert np.diff(times).min() >= 250_000_000  # those that came too soon are left out
    assert [frame.sequence for frame in others] == [1, 2, 3]  # and leave no gap


def test_nothing_to_settle_with_exposure_and_gain_given() -> None:
    plug()
    (frame,) = frames_of(CameraSettings(exposure_us=5000, gain=1.0), MODEL, 1)
    assert frame.pixels[0, 0, 2] == 0  # the sensor's very first frame


def test_more_frames_than_the_sensor_gives_are_told(caplog: pytest.LogCaptureFixture) -> None:
    plug()
    frames = frames_of(CameraSettings(fps=100.0), MODEL, 3)
    assert "gives 56 frames per second with its full view, not the 100" in caplog.text
    assert frames[2].timestamp_ns - frames[1].timestamp_ns == 17_847_000


def test_lost_frames_leave_a_gap() -> None:
    sensor = plug()
    with closing(PiCamera(CameraSettings(fps=30.0), model_size=MODEL)) as camera:
        stream = camera.frames()
        before = [next(stream).sequence for _ in range(3)]
        sensor.faults.drop = 4
        after = [next(stream).sequence for _ in range(4)]
    # one frame may have been on its way already
    gaps = np.diff([*before, *after]).tolist()
    assert sorted(gaps) == [1, 1, 1, 1, 1, 5]


@pytest.mark.parametrize("fault", ["errors", "startup"])
def test_damaged_and_startup_frames_are_not_shown(fault: str) -> None:
    sensor = plug()
    with closing(PiCamera(CameraSettings(fps=30.0), model_size=MODEL)) as camera:
        stream = camera.frames()
        next(stream)
        setattr(sensor.faults, fault, 3)
        numbers = [next(stream).sequence for _ in range(5)]
    assert numbers[-1] == 8
    assert len(set(np.diff([0, *numbers]).tolist())) == 2


def test_a_slow_consumer_gets_fresh_frames_and_the_lost_are_counted() -> None:
    plug(pace="real")
    with closing(PiCamera(CameraSettings(fps=50.0), model_size=MODEL)) as camera:
        stream = camera.frames()
        next(stream)
        ages_ns, numbers = [], []
        for _ in range(4):
            time.sleep(0.2)  # ten frames' time
            frame = next(stream)
            ages_ns.append(time.monotonic_ns() - frame.timestamp_ns)
            numbers.append(frame.sequence)
    assert min(ages_ns) < 60_000_000
    assert min(np.diff(numbers)) >= 5


@pytest.mark.parametrize(
    "absent",
    [("Lux", "AeLocked", "FrameWallClock"), ("FrameDuration",), ("FrameDurationLimits",)],
)
def test_what_the_camera_does_not_tell_is_done_without(absent: tuple[str, ...]) -> None:
    sensor = plug()
    sensor.faults.absent = frozenset(absent)
    with closing(PiCamera(CameraSettings(fps=30.0), model_size=MODEL)) as camera:
        frames = list(islice(camera.frames(), 5))
        assert ("lux" in camera.conditions) == ("Lux" not in absent)
    assert [frame.sequence for frame in frames] == [0, 1, 2, 3, 4]


def test_conditions_of_the_last_frame() -> None:
    plug()
    with closing(PiCamera(CameraSettings(), model_size=MODEL)) as camera:
        assert camera.conditions == {}
        next(camera.frames())
        assert camera.conditions == {
            "lux": 123.0,
            "exposure_us": 20_000,
            "gain": 1.0,
            "colour_temperature_k": 4000,
            "focus_dioptres": 1.0,
            "sensor_temperature_c": 41.0,
        }
