"""Which device a source names, and why a webcam is refused."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pi_classifier.cameras.video.pyav import VideoError
from pi_classifier.cameras.video.v4l2 import Webcam
from pi_classifier.cameras.video.webcam import find_device, refusal
from pi_classifier.errors import CameraBusy, CameraUnavailable, ConfigError


def test_names_of_webcams() -> None:
    first = Webcam("C270", Path("/dev/video2"), None)
    assert find_device("", [first, Webcam("other", Path("/dev/video4"), None)]) == first.device
    assert find_device("3") == Path("/dev/video3")
    assert find_device("/dev/v4l/by-id/x") == Path("/dev/v4l/by-id/x")
    with pytest.raises(CameraUnavailable, match="plug one in"):
        find_device("", [])
    with pytest.raises(ConfigError, match="expected a number or a device"):
        find_device("front")


def test_why_it_is_refused(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch(mode=0o600)
    denied = str(refusal(device, VideoError("permission denied", errno.EACCES)))
    assert "may not be opened; " in denied
    assert f"{device}" in denied.partition("; ")[2]
    busy = refusal(device, VideoError("busy", errno.EBUSY))
    assert "used by another program" in str(busy)
    assert isinstance(busy, CameraBusy)
    broken = refusal(device, VideoError("bus error", errno.EPROTO))
    assert "cannot be opened (bus error)" in str(broken)
