"""What no camera delivers is refused; passwords are never shown."""

from __future__ import annotations

import pytest

from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import ConfigError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 641}, "width = 641"),
        ({"height": 0}, "height = 0"),
        ({"width": -640}, "width = -640"),
        ({"height": 14}, "from 16 to 8192"),
        ({"width": 8194}, "from 16 to 8192"),
        ({"fps": 0.0}, "fps = 0"),
        ({"fps": 240.5}, "0.1 to 240"),
        ({"fps": float("nan")}, "fps = nan"),
        ({"faults": ("explode@3",)}, "no such fault"),
    ],
)
def test_settings_no_camera_accepts_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CameraSettings(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://me:secret@host:554/x", "rtsp://***@host:554/x"),
        ("me:secret@host", "***@host"),
        ("replay:/home/me:x@y", "replay:/home/me:x@y"),
        ("/dev/v4l/by-id/a@b", "/dev/v4l/by-id/a@b"),
        ("imx500:http://me:x@host/y", "imx500:http://***@host/y"),
        ("emulated", "emulated"),
    ],
)
def test_passwords_are_masked(source: str, shown: str) -> None:
    assert CameraSettings(source=f" {source}").shown_source == shown
