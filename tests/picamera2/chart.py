"""An emulated sensor before a chart, and which part of the chart a frame shows."""

from __future__ import annotations

from contextlib import closing
from itertools import islice

import pytest

from pi_classifier.cameras.raspberry_pi.camera import PiCamera
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.types import Frame
from tests.emulated_picamera2 import HARDWARE, EmulatedSensor, Pace, Platform

MODEL = (224, 224)


def plug(
    model: str = "imx708", platform: Platform = "vc4", pace: Pace = "virtual"
) -> EmulatedSensor:
    (sensor,) = HARDWARE.plug(model, platform=platform, pace=pace)
    return sensor


def frames_of(
    settings: CameraSettings, model_size: tuple[int, int] | None, count: int
) -> list[Frame]:
    with closing(PiCamera(settings, model_size=model_size)) as camera:
        return list(islice(camera.frames(), count))


def corners(frame: Frame) -> list[tuple[int, int]]:
    """Red (left to right) and green (top to bottom) of the four corners, row by row."""
    pixels = frame.pixels
    return [
        (int(pixels[y, x, 0]), int(pixels[y, x, 1]))
        for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1))
    ]


def chart(box: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    """The chart's values at the corners of a part: left, top, right, bottom."""
    left, top, right, bottom = (255 * value for value in box)
    return [(left, top), (right, top), (left, bottom), (right, bottom)]


def assert_shows(frame: Frame, box: tuple[float, float, float, float], within: float = 3) -> None:
    for seen, expected in zip(corners(frame), chart(box), strict=True):
        assert seen == pytest.approx(expected, abs=within)


# The middle square of a 16:9 sensor.
SQUARE = (0.5 - 9 / 32, 0.0, 0.5 + 9 / 32, 1.0)
