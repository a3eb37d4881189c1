"""Colors, noise and conversions of the scene renderer.

Pixels are float32 ``[height, width, 3]`` in 0..1, masks and fields ``[height, width]``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float = NDArray[np.floating[Any]]  # float32 throughout
Color = tuple[float, float, float]


def mix(first: Color | Float, second: Color | Float, share: Float | float) -> Float:
    """Blend two colors; `share` of shape ``[h, w]`` gives ``[h, w, 3]``."""
    weight = np.asarray(share, np.float32)[..., None]
    a = np.asarray(first, np.float32)
    return np.asarray(a + (np.asarray(second, np.float32) - a) * weight, np.float32)


def jitter(rng: np.random.Generator, color: Color, spread: float = 0.05) -> Color:
    """Return `color` with its brightness and each channel moved a little."""
    moved = np.asarray(color) * (1 + rng.normal(0, spread)) + rng.normal(
        0, min(0.03, spread * 0.3), 3
    )
    r, g, b = np.clip(moved, 0, 1)
    return (float(r), float(g), float(b))


def flat(color: Color, like: Float) -> Float:
    """Return one color for each pixel of `like`; a read-only view."""
    return np.broadcast_to(np.asarray(color, np.float32), (*like.shape, 3))


def smoothstep(low: float, high: float, value: Float) -> Float:
    """Cubic step from 0 at `low` to 1 at `high`: an edge without a crease at either end."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def noise(
    rng: np.random.Generator, height: int, width: int, cell: float, octaves: int = 1
) -> Float:
    """Value noise ``[height, width]`` around 0 with a spread of about 1; `cell` in pixels.

    Random values on a coarse grid, enlarged smoothly; each further octave is 2.2 times as
    fine (no whole number, or the grids would line up) and 0.6 times as strong.
    """
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for _ in range(octaves):
        rows = max(2, round(height / cell) + 1)
        columns = max(2, round(width / cell) + 1)
        if cell <= 1.0:  # finer than a pixel: nothing to enlarge, and no octave after it
            total += weight * rng.standard_normal((height, width), np.float32)
            break
        grid = Image.fromarray(rng.standard_normal((rows, columns), np.float32))
        total += weight * np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))
        weight *= 0.6
        cell /= 2.2
    return total


def full(height: int, width: int, color: Color) -> Float:
    """Return ``[height, width, 3]`` of one color, to be painted over."""
    return np.full((height, width, 3), np.asarray(color, np.float32))


def fill(color: Color | Float) -> tuple[int, int, int]:
    """Return the color as Pillow takes it."""
    r, g, b = (round(255 * min(1.0, max(0.0, float(value)))) for value in color)
    return (r, g, b)


def quantized(pixels: Float) -> NDArray[np.uint8]:
    """Return the pixels as bytes."""
    return np.asarray(np.clip(pixels * 255 + 0.5, 0, 255), np.uint8)


def picture_of(pixels: Float) -> Image.Image:
    """Return the pixels as a Pillow picture, RGB or RGBA by their depth."""
    return Image.fromarray(quantized(pixels))


def pixels_of(picture: Image.Image) -> Float:
    """Return a Pillow picture as float32 pixels."""
    return np.asarray(picture, np.float32) / np.float32(255)


def places(height: int, width: int) -> tuple[Float, Float]:
    """Return each pixel's row and column, ``[height, width]``."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    return rows, columns
