"""Painters of natural ground: what lies behind the flowers, or fills a frame alone.

A painter returns float32 RGB ``[height, width, 3]`` around 0..1; `unit` is the
length in pixels that stands for the frame's shorter side.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from pi_classifier.cameras.emulated.garden.greens import Rng
from pi_classifier.cameras.emulated.garden.light import blurred
from pi_classifier.cameras.emulated.garden.pixels import (
    Color,
    Float,
    fill,
    full,
    jitter,
    mix,
    noise,
    picture_of,
    pixels_of,
    places,
    smoothstep,
)

Ground = Callable[[Rng, int, int, float], Float]


def grass(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint blades of grass seen from above or from the side."""
    dark, light = jitter(rng, (0.12, 0.22, 0.06), 0.2), jitter(rng, (0.44, 0.58, 0.20), 0.15)
    if rng.random() < 0.15:
        light = jitter(rng, (0.66, 0.62, 0.34), 0.1)
    base = mix(dark, light, np.clip(0.35 + 0.15 * noise(rng, height, width, unit / 5, 3), 0, 1))
    picture = picture_of(base)
    draw = ImageDraw.Draw(picture)
    blade = unit * float(rng.uniform(0.10, 0.35))
    count = int(rng.integers(350, 800))
    lean = float(rng.normal(0, 0.4))
    spread = float(rng.uniform(0.2, 0.9))
    roots = np.sort(rng.uniform(-0.05, 1.25, count)) * height  # the nearest, lowest one last
    for y in roots:
        x = float(rng.uniform(-0.1, 1.1)) * width
        angle = float(rng.normal(lean, spread))
        size = blade * float(rng.uniform(0.6, 1.3))
        half = unit * float(rng.uniform(0.003, 0.008))
        tip = (x + size * math.sin(angle), y - size * math.cos(angle))
        mid = (x + size * 0.55 * math.sin(angle * 0.7), y - size * 0.55 * math.cos(angle * 0.7))
        share = float(rng.uniform(0, 1))
        tone = mix(dark, light, share)
        draw.polygon(
            [(x - half, y), (mid[0] - half, mid[1]), tip, (mid[0] + half, mid[1]), (x + half, y)],
            fill=fill(tone),
        )
    return pixels_of(picture)


def soil(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint bare earth with crumbs."""
    base = jitter(rng, (0.36, 0.26, 0.18), 0.2)
    fine = noise(rng, height, width, unit / 60, 3)
    coarse = noise(rng, height, width, unit / 6, 3)
    tone = 1 + 0.16 * fine + 0.14 * coarse
    return full(height, width, base) * tone[..., None]


def _cells(rng: Rng, height: int, width: int, unit: float, palette: list[Color]) -> Float:
    """Paint overlapping rounded stones in the palette's colors."""
    picture = Image.new("RGB", (width, height), fill(jitter(rng, (0.20, 0.18, 0.16), 0.2)))
    draw = ImageDraw.Draw(picture)
    size = unit * float(rng.uniform(0.012, 0.05))
    count = min(1600, int(2.2 * width * height / (size * size * 3)))
    for _ in range(count):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        w, h = size * float(rng.uniform(0.5, 1.3)), size * float(rng.uniform(0.4, 0.9))
        color = jitter(rng, palette[int(rng.integers(len(palette)))], 0.14)
        draw.ellipse([x - w, y - h + 1, x + w, y + h + 2], fill=fill((0.12, 0.11, 0.10)))
        draw.ellipse([x - w, y - h, x + w, y + h], fill=fill(color))
    shade = 1 + 0.1 * noise(rng, height, width, unit / 50, 2)
    return pixels_of(picture) * shade[..., None]


def gravel(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint pebbles."""
    warm, cold = (0.58, 0.52, 0.44), (0.52, 0.53, 0.55)
    return _cells(rng, height, width, unit, [warm, cold, (0.72, 0.70, 0.66), (0.36, 0.34, 0.32)])


def leaves(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint a litter of leaves, green or autumn."""
    green = rng.random() < 0.5
    palette: list[Color] = (
        [(0.18, 0.34, 0.12), (0.28, 0.45, 0.16), (0.12, 0.25, 0.10)]
        if green
        else [(0.45, 0.27, 0.10), (0.58, 0.38, 0.14), (0.30, 0.18, 0.10), (0.52, 0.22, 0.08)]
    )
    picture = Image.new("RGB", (width, height), fill(jitter(rng, (0.10, 0.11, 0.06), 0.2)))
    draw = ImageDraw.Draw(picture)
    size = unit * float(rng.uniform(0.06, 0.18))
    for _ in range(int(min(420, 3.0 * width * height / (size * size)))):
        x, y = float(rng.uniform(-0.05, 1.05)) * width, float(rng.uniform(-0.05, 1.05)) * height
        angle, length = float(rng.uniform(0, 6.28)), size * float(rng.uniform(0.6, 1.2))
        wide = length * float(rng.uniform(0.2, 0.36))
        c, s = math.cos(angle), math.sin(angle)
        u = np.linspace(0, 1, 9)  # the outline: out along one side and back along the other
        v = wide * np.sin(math.pi * u**0.8)
        along = np.concatenate([u, u[::-1]]) * length
        across = np.concatenate([v, -v[::-1]])
        outline = [
            (x + a * c - b * s, y + a * s + b * c) for a, b in zip(along, across, strict=True)
        ]
        color = jitter(rng, palette[int(rng.integers(len(palette)))], 0.16)
        draw.polygon(outline, fill=fill(color))
        vein = fill((color[0] * 1.25, color[1] * 1.25, color[2] * 1.2))
        draw.line([(x, y), (x + length * c, y + length * s)], fill=vein)
    return pixels_of(picture) * (1 + 0.06 * noise(rng, height, width, unit / 40, 2))[..., None]


def foliage(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint greenery far out of focus, with bright spots between the leaves."""
    dark, light = jitter(rng, (0.07, 0.14, 0.05), 0.3), jitter(rng, (0.40, 0.54, 0.22), 0.2)
    share = np.clip(0.42 + 0.24 * noise(rng, height, width, unit / 4, 3), 0, 1)
    base = mix(dark, light, share)
    picture = picture_of(base)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(0, 26))):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        r = unit * float(rng.uniform(0.01, 0.06))
        tone = mix(dark, jitter(rng, (0.85, 0.90, 0.62), 0.1), float(rng.uniform(0.4, 0.9)))
        draw.ellipse([x - r, y - r, x + r, y + r], fill=fill(tone))
    return blurred(pixels_of(picture), unit * float(rng.uniform(0.01, 0.03)))


def sky(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint a blue, gray or evening sky, with or without clouds."""
    tops: list[tuple[Color, Color]] = [
        ((0.22, 0.44, 0.78), (0.68, 0.82, 0.94)),
        ((0.40, 0.58, 0.82), (0.82, 0.89, 0.95)),
        ((0.62, 0.65, 0.70), (0.84, 0.85, 0.87)),
        ((0.34, 0.38, 0.58), (0.95, 0.68, 0.46)),
    ]
    top, bottom = tops[int(rng.integers(len(tops)))]
    base = mix(
        jitter(rng, top), jitter(rng, bottom), places(height, width)[0] / np.float32(height)
    )
    if rng.random() < 0.6:
        cloud = noise(rng, height, width, unit / 2.5, 5) + float(rng.uniform(-0.6, 0.5))
        share = smoothstep(0.0, 1.4, cloud)
        base = mix(base, (0.95, 0.95, 0.96), share * np.float32(rng.uniform(0.5, 0.95)))
    return base


def bark(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint the trunk of a tree: long ridges."""
    rows = max(3, int(height / (unit / 3)))
    columns = max(6, int(width / (unit / float(rng.uniform(18, 45)))))
    ridge = Image.fromarray(rng.standard_normal((rows, columns), np.float32))
    ridges: Float = np.asarray(ridge.resize((width, height), Image.Resampling.BICUBIC))
    tone = 1 + 0.30 * np.abs(ridges) - 0.25 + 0.10 * noise(rng, height, width, unit / 50, 3)
    base = full(height, width, jitter(rng, (0.40, 0.33, 0.27), 0.2))
    return np.asarray(base * tone[..., None], np.float32)


def water(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint ripples reflecting the sky."""
    ys, xs = (place / np.float32(unit) for place in places(height, width))
    phase = 0.6 * noise(rng, height, width, unit / 5, 3)
    depth = 14 + 40 * (1 - ys / max(1e-3, float(ys[-1, 0])))  # ripples narrower farther away
    wave = np.sin(ys * depth + phase * 2.0) * np.cos(xs * float(rng.uniform(2, 7)) + phase * 2)
    dark, light = jitter(rng, (0.10, 0.20, 0.26), 0.2), jitter(rng, (0.60, 0.70, 0.76), 0.1)
    return mix(dark, light, np.clip(0.35 + 0.28 * wave + 0.08 * phase, 0, 1))


def night(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint almost nothing to see."""
    base = full(height, width, jitter(rng, (0.04, 0.045, 0.055), 0.4))
    glow = smoothstep(0.5, 2.2, noise(rng, height, width, unit / 2))
    return base + np.float32(rng.uniform(0, 0.10)) * glow[..., None]
