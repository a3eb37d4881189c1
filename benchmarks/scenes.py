"""Frames of the emulated garden, drawn beforehand so that drawing is not measured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from pi_classifier.cameras import CameraSettings, open_camera
from pi_classifier.types import Frame

Pixels = NDArray[np.uint8]

WIDTH, HEIGHT = 640, 480
# At ten frames a second a flower is seen for about two seconds, empty ground for one.
_EVERY = 8
_FRAME_NS = 100_000_000


def garden(count: int) -> list[Pixels]:
    """Draw `count` frames, flowers and empty ground in the emulated camera's proportion."""
    settings = CameraSettings(source="emulated", width=WIDTH, height=HEIGHT, realtime=False)
    camera = open_camera(settings)
    # Offset, so that even a single frame shows a flower.
    chosen = islice(camera.frames(), 2 * _EVERY, (count + 2) * _EVERY, _EVERY)
    pictures = [frame.pixels for frame in chosen]
    camera.close()
    return pictures


class PreparedCamera:
    """Delivers prepared pictures at once, and notes how long each one kept the reader.

    `times_ns` holds one value a frame: from the moment the camera makes the frame to
    the moment the next one is asked for.
    """

    def __init__(self, pictures: Sequence[Pixels]) -> None:
        self._pictures = pictures
        self._sequence = 0
        self.times_ns: list[int] = []

    def frames(self) -> Iterator[Frame]:
        """Yield every picture once; sequence and time go on from the call before."""
        self.times_ns = []
        for pixels in self._pictures:
            start_ns = time.perf_counter_ns()
            yield Frame(pixels, self._sequence, self._sequence * _FRAME_NS)
            self.times_ns.append(time.perf_counter_ns() - start_ns)
            self._sequence += 1

    def stop(self) -> None:
        """Do nothing: the pictures end by themselves."""

    def close(self) -> None:
        """Do nothing: there is no device."""
