"""What no camera delivers is refused; passwords are never shown."""

from __future__ import annotations

import pytest

from pi_classifier.cameras.settings import CameraSettings, masked
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
    ("text", "shown"),
    [
        ("rtsp://me:secret@host:554/x?a=b", "rtsp://me:***@host:554/x?a=b"),
        ("rtsp://me:se:c@ret@host/x", "rtsp://me:***@host/x"),
        ("RTSPS://:secret@host", "RTSPS://:***@host"),
        ("rtsp://me@host/x", "rtsp://me@host/x"),
        ("http://host:80/me:you@there", "http://host:80/me:you@there"),
        ("waits for http://a:b@c and rtsp://d:e@f", "waits for http://a:***@c and rtsp://d:***@f"),
        ("replay:/home/me:x@y", "replay:/home/me:x@y"),
        ("emulated", "emulated"),
    ],
)
def test_passwords_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert CameraSettings(source=f" {text}").shown_source == shown
