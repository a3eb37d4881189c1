"""Real servers of live video, each a camera on the network that a test plays with."""

from __future__ import annotations

from collections.abc import Callable

from pi_classifier.cameras.video.live import LiveCamera
from pi_classifier.types import Frame

Open = Callable[..., LiveCamera]
"""Opens the camera at an address, with changed settings by name; a fixture closes it."""


def gray(frame: Frame) -> int:
    """The number of a server's picture, as its gray tells."""
    return int(frame.pixels[20, 30, 0])
