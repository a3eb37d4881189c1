"""What the tests of network cameras share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pi_classifier.cameras import CameraSettings
from pi_classifier.cameras.video.live import LiveCamera
from pi_classifier.cameras.video.network import open_network_camera
from tests.servers import Open


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens network cameras with changed settings; they are closed when the test ends."""
    cameras: list[LiveCamera] = []

    def open_one(url: str, **changes: object) -> LiveCamera:
        settings = CameraSettings(source=url, **({"fps": 50.0} | changes))  # type: ignore[arg-type]
        cameras.append(open_network_camera(url, settings, side=48))
        return cameras[-1]

    yield open_one
    for camera in cameras:
        camera.close()
