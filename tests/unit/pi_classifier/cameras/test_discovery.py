"""What is said of the cameras that are here; webcams come from the test."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from pi_classifier.cameras import CameraSettings, list_cameras
from pi_classifier.cameras.discovery import DiscoveredCamera, discover_cameras, match_source
from pi_classifier.cameras.raspberry_pi.picamera2_api import PiCameraInfo
from pi_classifier.cameras.video.v4l2 import Webcam, WebcamMode
from pi_classifier.errors import CameraUnavailable

SETTINGS = CameraSettings()
PI = [PiCameraInfo(0, "imx219", "/base/a"), PiCameraInfo(1, "imx708", "/base/b")]
C270 = Webcam("C270", Path("/dev/video0"), Path("/dev/v4l/by-id/usb-C270-video-index0"))
MODES = [
    WebcamMode("YUYV", 640, 480, 30),
    WebcamMode("MJPG", 1280, 720, 30),
    WebcamMode("MJPG", 640, 480, 30),
    WebcamMode("MJPG", 320, 240, 30),
]


def webcam(
    modes: list[WebcamMode] | OSError, settings: CameraSettings = SETTINGS
) -> DiscoveredCamera:
    def read_modes(device: Path) -> list[WebcamMode]:
        assert device == C270.device
        if isinstance(modes, OSError):
            raise modes
        return modes

    cameras = discover_cameras(settings, plugged_in=[C270], read_modes=read_modes, connected=list)
    return next(camera for camera in cameras if camera.name == "webcam")


def test_a_webcams_modes_and_the_one_used_and_why() -> None:
    camera = webcam(MODES)
    assert camera.available
    assert camera.select == "webcam:/dev/v4l/by-id/usb-C270-video-index0"
    assert camera.description == "webcam C270 (/dev/video0)"
    assert camera.modes[0] == "640x480 YUYV at 30 frames/s"
    assert camera.use.startswith("640x480 MJPG at 30 frames/s: the smallest that covers 640x480;")
    assert "tenth of the USB bandwidth" in camera.use


def test_why_another_mode_is_used() -> None:
    small = webcam(MODES[3:])
    assert "320x240 MJPG" in small.use
    assert "the largest, as none covers 640x480" in small.use
    narrow = webcam([WebcamMode("MJPG", 320, 480, 30)])
    assert "the largest, as none covers 640x480" in narrow.use
    assert webcam(MODES[:1]).use.endswith("it gives no JPEG")
    assert "does not list its modes" in webcam([]).use


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "may not be opened; "),
        (errno.EBUSY, "is used by another program; end that first"),
        (errno.EIO, r"cannot be opened \(Input/output error\)"),
    ],
)
def test_why_a_webcam_cannot_be_used(number: int, message: str) -> None:
    camera = webcam(OSError(number, os.strerror(number)))
    assert not camera.available
    assert re.search(message, camera.problem)


def test_pi_cameras_and_their_full_view() -> None:
    one, other = discover_cameras(SETTINGS, plugged_in=[], connected=lambda: PI)[:2]
    assert (one.select, one.description) == ("pi:0", "Raspberry Pi camera imx219")
    assert one.use.startswith("the sensor's 1640x1232, its full field of view")
    assert one.modes == ("1640x1232",)
    assert (other.select, other.available) == ("pi:1", True)


def test_a_computer_without_picamera2_says_so() -> None:
    def missing() -> list[PiCameraInfo]:
        raise CameraUnavailable("picamera2 is not installed")

    (pi,) = [
        camera
        for camera in discover_cameras(SETTINGS, plugged_in=[], connected=missing)
        if camera.name == "pi"
    ]
    assert (pi.select, pi.problem) == ("pi", "picamera2 is not installed")


def test_without_any_camera_it_says_what_to_check() -> None:
    listed = discover_cameras(SETTINGS, plugged_in=[], connected=list)
    cameras = {camera.select: camera for camera in listed}
    assert "ls /dev/v4l/by-id" in cameras["webcam"].problem
    assert "no camera" in cameras["pi"].problem
    assert cameras["emulated"].available
    assert cameras["replay:FOLDER"].available
    assert {kind.select for kind in list_cameras()} <= cameras.keys()


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
def test_the_camera_that_a_source_names(source: str, select: str | None) -> None:
    cameras = discover_cameras(
        SETTINGS, plugged_in=[C270], read_modes=lambda device: MODES, connected=lambda: PI
    )
    camera = match_source(source, cameras)
    assert (camera.select if camera else None) == select
