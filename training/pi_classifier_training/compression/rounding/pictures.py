"""Pictures to round a network by where no photos are given: what light does, but no subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

# Draws one picture of that side.
Kind = Callable[[int, np.random.Generator], NDArray[np.uint8]]

LEAVES = 300
# Radii as shares of the picture's side: many small leaves, few large ones.
SMALLEST, LARGEST = 0.01, 0.5
# Least and greatest brightness that light lends to the corners of a picture.
SHADE = (0.5, 1.2)
NOISE = 4.0
# By which power of the frequency the amplitudes of clouds fall, their gray levels and contrasts.
CLOUD_FALL, CLOUD_LIGHT, CLOUD_CONTRAST = (0.8, 1.6), (60, 190), (25, 60)
# Pixels to which a ground is blurred; the radius of what stands before it, as share of the side.
BLURRED, SUBJECT = 16, (0.2, 0.45)
# How many cells a picture has, and how much of it is the clouds before them.
CELLS, VEIL = (10, 120), 0.3


def drawn_pictures(count: int, side: int, seed: int) -> NDArray[np.uint8]:
    """Return `count` pictures uint8 ``[count, side, side, 3]``, the same for the same seed.

    In turn leaves that lie over one another, and one shape of such leaves in the middle before
    a blurred ground. Leaves of radii as frequent as their inverse cube have the edges, the
    contrasts and the spectrum of photos (Lee, Mumford and Huang 2001), but fill the picture;
    most photos have a subject before something out of focus.
    """
    return _in_turn((_leaves, partial(_subject, texture=_leaves)), count, side, seed)


def _in_turn(kinds: Sequence[Kind], count: int, side: int, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    pictures = [kinds[i % len(kinds)](side, rng) for i in range(count)]
    return np.stack(pictures) if pictures else np.zeros((0, side, side, 3), np.uint8)


def _leaves(side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    palette = rng.integers(0, 256, (rng.integers(3, 9), 3))
    picture = Image.new("RGB", (side, side), tuple(map(int, palette[0])))
    draw = ImageDraw.Draw(picture)
    # The inverse of the cumulative distribution of a density that falls as radius⁻³.
    spread = rng.random(LEAVES) * (SMALLEST**-2 - LARGEST**-2)
    radii = side * (LARGEST**-2 + spread) ** -0.5
    for radius in radii:
        x, y = rng.random(2) * side
        flat = radius * rng.uniform(0.4, 1)
        color = palette[rng.integers(len(palette))] + rng.normal(0, 24, 3)
        ink = tuple(int(c) for c in np.clip(color, 0, 255))
        draw.ellipse((x - radius, y - flat, x + radius, y + flat), fill=ink)
    corners = Image.fromarray(rng.uniform(*SHADE, (2, 2)).astype(np.float32))
    light = np.asarray(corners.resize((side, side), Image.Resampling.BILINEAR))
    lit = np.asarray(picture, np.float32) * light[:, :, np.newaxis]
    noisy = lit + rng.normal(0, NOISE, lit.shape)
    pixels: NDArray[np.uint8] = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return pixels


def unlike_pictures(count: int, side: int, seed: int) -> NDArray[np.uint8]:
    """Return `count` pictures uint8 ``[count, side, side, 3]``, unlike the drawn ones.

    In turn cells with straight edges under a veil of clouds, and a shape of clouds before a
    blurred ground of them; the spectrum of clouds falls as photos' does (Field 1987). A network
    fitted to drawn pictures is as good as ever on others of their kinds, even where it is
    ruined for photos; on these it is not.
    """
    return _in_turn((partial(_subject, texture=_clouds), _cells), count, side, seed)


def _clouds(side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    frequencies = np.fft.fftfreq(side)
    frequency = np.hypot(frequencies, frequencies[:, np.newaxis])
    frequency[0, 0] = 1
    spectrum = np.fft.fft2(rng.normal(size=(side, side, 3)), axes=(0, 1))
    spectrum /= frequency[:, :, np.newaxis] ** rng.uniform(*CLOUD_FALL)
    clouds = np.fft.ifft2(spectrum, axes=(0, 1)).real
    clouds /= clouds.std(axis=(0, 1))
    # Gray and color at once, so that channels go along with one another as in light.
    mixed = clouds @ (0.3 * np.eye(3) + 0.5 * rng.normal(size=(3, 3)))
    lit = rng.uniform(*CLOUD_LIGHT) + rng.uniform(*CLOUD_CONTRAST) * mixed
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def _cells(side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each pixel has the color of the seed that is nearest to it (a Voronoi diagram)."""
    count = rng.integers(*CELLS)
    seeds, colors = side * rng.random((count, 2)), rng.integers(0, 256, (count, 3))
    y, x = np.mgrid[:side, :side]
    distance = np.hypot(y[..., np.newaxis] - seeds[:, 0], x[..., np.newaxis] - seeds[:, 1])
    cells = colors[distance.argmin(axis=2)]
    veiled = (1 - VEIL) * cells + VEIL * _clouds(side, rng) + rng.normal(0, NOISE, cells.shape)
    pixels: NDArray[np.uint8] = np.clip(np.rint(veiled), 0, 255).astype(np.uint8)
    return pixels


def _subject(side: int, rng: np.random.Generator, texture: Kind) -> NDArray[np.uint8]:
    ground, subject = texture(side, rng), texture(side, rng)
    small = Image.fromarray(ground).resize((BLURRED, BLURRED))
    blurred = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
    y, x = np.mgrid[:side, :side] - side / 2
    lobes, turned = rng.integers(3, 9), rng.uniform(0, 2 * np.pi)
    outline = 1 + 0.3 * np.cos(lobes * np.arctan2(y, x) + turned)
    inside = np.hypot(x, y) < side * rng.uniform(*SUBJECT) * outline
    return np.where(inside[:, :, np.newaxis], subject, blurred)
