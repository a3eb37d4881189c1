"""What is in front of the lens."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from emulation.isp import Pixels

Part = tuple[float, float, float, float]
"""Left, top, width and height as fractions of all the sensor sees."""


class World(Protocol):
    """Something to look at."""

    def picture(self, number: int, time_s: float, part: Part, size: tuple[int, int]) -> Pixels:
        """Return `part` of what is to be seen as RGB ``[h, w, 3]``; `size` is width, height."""
        ...


class Chart:
    """Red grows to the right, green downwards, from 0 to 255 over the whole sensor.

    Blue is the number of the frame, modulo 256.
    """

    def __init__(self) -> None:
        self._key: tuple[Part, tuple[int, int]] | None = None
        self._base = np.empty((0, 0, 3), np.uint8)

    def picture(self, number: int, time_s: float, part: Part, size: tuple[int, int]) -> Pixels:
        """Return the chart."""
        del time_s
        if self._key != (part, size):
            self._key = part, size
            left, top, wide, tall = part
            width, height = size
            self._base = np.empty((height, width, 3), np.uint8)
            across = left + wide * (np.arange(width) + 0.5) / width
            down = top + tall * (np.arange(height) + 0.5) / height
            self._base[..., 0] = np.rint(255 * across)
            self._base[..., 1] = np.rint(255 * down)[:, None]
        self._base[..., 2] = number % 256
        return self._base


class GardenWorld:
    """The garden that the program's own emulated camera looks at, by the same seed."""

    def __init__(self, seed: int = 0, fps: float = 10.0) -> None:
        from pi_classifier.cameras.emulated.camera import Garden
        from pi_classifier.cameras.settings import CameraSettings

        self._fps = fps
        self._garden = Garden(CameraSettings(source="emulated", seed=seed, fps=fps))

    def picture(self, number: int, time_s: float, part: Part, size: tuple[int, int]) -> Pixels:
        """Return the garden; a scene is always as high as the sensor."""
        scene = self._garden.scene(int(time_s * self._fps))
        left, top, wide, tall = part
        width, height = size
        whole_width, whole_height = round(width / wide), round(height / tall)
        picture = scene.render(whole_height, whole_width, time_s, number)
        x, y = round(left * whole_width), round(top * whole_height)
        return np.ascontiguousarray(picture[y : y + height, x : x + width])


def world_named(name: str, seed: int = 0) -> World:
    """Return the world of that name: "chart" or "garden"."""
    return GardenWorld(seed) if name == "garden" else Chart()
