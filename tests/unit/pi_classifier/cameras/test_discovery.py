"""What is said of the cameras that are here; webcams come from the test."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from pi_classifier.cameras import CameraSettings, list_cameras
from pi_classifier.cameras.discovery import FoundCamera, found_cameras, meant
from pi_classifier.cameras.raspberry_pi.picamera2_api import PiCameraInfo
from pi_classifier.cameras.video.v4l2 import Mode, Webcam
from pi_classifier.errors import CameraUnavailable

SETTINGS = CameraSettings()
PI = [PiCameraInfo(0, "imx219", "/base/a"), PiCameraInfo(1, "imx708", "/base/b")]
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

    found = found_cameras(settings, there=[C270], ask=ask, connected=list)
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


def test_pi_cameras_and_their_full_view() -> None:
    one, other = found_cameras(SETTINGS, there=[], connected=lambda: PI)[:2]
    assert (one.select, one.description) == ("pi:0", "Raspberry Pi camera imx219")
    assert one.use.startswith("the sensor's 1640x1232, its full field of view")
    assert one.modes == ("1640x1232",)
    assert (other.select, other.available) == ("pi:1", True)


def test_a_computer_without_picamera2_says_so() -> None:
    def missing() -> list[PiCameraInfo]:
        raise CameraUnavailable("picamera2 is not installed")

    (pi,) = [e for e in found_cameras(SETTINGS, there=[], connected=missing) if e.name == "pi"]
    assert (pi.select, pi.problem) == ("pi", "picamera2 is not installed")


def test_without_any_camera_it_says_what_to_check() -> None:
    nothing = found_cameras(SETTINGS, there=[], connected=list)
    found = {each.select: each for each in nothing}
    assert "ls /dev/v4l/by-id" in found["webcam"].problem
    assert "no camera" in found["pi"].problem
    assert found["emulated"].available
    assert found["replay:FOLDER"].available
    assert {each.select for each in list_cameras()} <= found.keys()


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
        ("pi", "pi:0"),
        ("pi:1", "pi:1"),
        ("pi:imx708", "pi:1"),
        ("pi:imx477", None),
        ("nonsense", None),
    ],
)
def test_which_one_is_meant(source: str, select: str | None) -> None:
    found = found_cameras(SETTINGS, there=[C270], ask=lambda device: MODES, connected=lambda: PI)
    one = meant(source, found)
    assert (one.select if one else None) == select
