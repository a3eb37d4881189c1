"""What is said of the cameras that are here; webcams come from the test."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from pi_classifier.cameras import CameraSettings
from pi_classifier.cameras.found import FoundCamera, found_cameras, meant
from pi_classifier.cameras.v4l2 import Mode, Webcam

SETTINGS = CameraSettings()
C270 = Webcam("C270", Path("/dev/video0"), Path("/dev/v4l/by-id/usb-C270-video-index0"))
MODES = [
    Mode("YUYV", 640, 480, 30),
    Mode("MJPG", 1280, 720, 30),
    Mode("MJPG", 640, 480, 30),
    Mode("MJPG", 320, 240, 30),
]


def webcam(modes: list[Mode] | OSError, settings: CameraSettings = SETTINGS) -> FoundCamera:
    def ask(device: Path) -> list[Mode]:
        assert device == C270.device
        if isinstance(modes, OSError):
            raise modes
        return modes

    found = found_cameras(settings, there=[C270], ask=ask)
    (one,) = [each for each in found if each.name == "webcam"]
    return one


def test_a_webcams_modes_and_the_one_used_and_why() -> None:
    found = webcam(MODES)
    assert found.available
    assert found.select == "webcam:/dev/v4l/by-id/usb-C270-video-index0"
    assert found.description == "webcam C270 (/dev/video0)"
    assert found.modes[0] == "640x480 YUYV at 30 frames/s"
    assert found.use.startswith("640x480 MJPG at 30 frames/s: the smallest that covers 640x480;")
    assert "tenth of the USB bandwidth" in found.use


def test_why_another_mode_is_used() -> None:
    small = webcam(MODES[3:])
    assert "320x240 MJPG" in small.use
    assert "the largest, as none covers 640x480" in small.use
    narrow = webcam([Mode("MJPG", 320, 480, 30)])
    assert "the largest, as none covers 640x480" in narrow.use
    assert webcam(MODES[:1]).use.endswith("it gives no JPEG")
    assert "does not tell" in webcam([]).use


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "may not be opened; "),
        (errno.EBUSY, "is used by another program; end that first"),
        (errno.EIO, r"cannot be opened \(Input/output error\)"),
    ],
)
def test_a_webcam_that_cannot_be_asked(number: int, message: str) -> None:
    found = webcam(OSError(number, os.strerror(number)))
    assert not found.available
    assert re.search(message, found.problem)


def test_without_any_camera_it_says_what_to_check() -> None:
    found = {each.select: each for each in found_cameras(SETTINGS, there=[])}
    assert "ls /dev/v4l/by-id" in found["webcam"].problem
    assert "picamera2" in found["pi"].problem or "camera" in found["pi"].problem
    assert found["emulated"].available
    assert found["replay:FOLDER"].available


@pytest.mark.parametrize(
    ("source", "select"),
    [
        ("emulated", "emulated"),
        ("webcam", "webcam:/dev/v4l/by-id/usb-C270-video-index0"),
        (
            "webcam:/dev/v4l/by-id/usb-C270-video-index0",
            "webcam:/dev/v4l/by-id/usb-C270-video-index0",
        ),
        ("/dev/v4l/by-id/usb-C270-video-index0", "webcam:/dev/v4l/by-id/usb-C270-video-index0"),
        ("replay:/nowhere", "replay:FOLDER"),
        (f"replay:{__file__}", "replay:FILE"),
        ("rtsps://me:you@host/x", "rtsp://HOST/PATH"),
        ("http://host/x", "http://HOST/PATH"),
        ("webcam:0", "webcam:/dev/v4l/by-id/usb-C270-video-index0"),
        ("/dev/video0", "webcam:/dev/v4l/by-id/usb-C270-video-index0"),
        ("webcam:7", None),
        ("pi:imx708", None),
        ("nonsense", None),
    ],
)
def test_which_one_is_meant(source: str, select: str | None) -> None:
    found = found_cameras(SETTINGS, there=[C270], ask=lambda device: MODES)
    one = meant(source, found)
    assert (one.select if one else None) == select
