"""Painters of the flowers made of big petals: rose and tulip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pi_classifier.cameras.emulated.garden.greens import (
    Point,
    Rng,
    rose_leaves,
    straight_stem,
    tulip_leaves,
)
from pi_classifier.cameras.emulated.garden.painting import Blade, Canvas, Pose, edge, paint_blade
from pi_classifier.cameras.emulated.garden.pixels import Color, jitter, mix, smoothstep

ROSES: tuple[tuple[Color, Color], ...] = (  # deep in the folds, on the petals' rims
    ((0.38, 0.01, 0.05), (0.86, 0.06, 0.12)),
    ((0.30, 0.00, 0.03), (0.68, 0.03, 0.09)),
    ((0.74, 0.22, 0.38), (0.98, 0.64, 0.74)),
    ((0.70, 0.10, 0.34), (0.95, 0.36, 0.58)),
    ((0.80, 0.72, 0.56), (0.99, 0.97, 0.92)),
    ((0.86, 0.56, 0.08), (0.99, 0.87, 0.36)),
    ((0.88, 0.42, 0.24), (0.99, 0.78, 0.60)),
)
TULIPS: tuple[tuple[Color, Color], ...] = (  # at the petal's base, at its tip
    ((0.75, 0.10, 0.04), (0.90, 0.09, 0.08)),
    ((0.62, 0.02, 0.06), (0.78, 0.04, 0.08)),
    ((0.93, 0.72, 0.10), (0.99, 0.86, 0.14)),
    ((0.96, 0.80, 0.80), (0.95, 0.46, 0.62)),
    ((0.85, 0.40, 0.62), (0.90, 0.30, 0.56)),
    ((0.42, 0.10, 0.42), (0.56, 0.18, 0.54)),
    ((0.90, 0.92, 0.78), (0.98, 0.97, 0.93)),
    ((0.97, 0.74, 0.12), (0.93, 0.28, 0.06)),
)


def rose(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
    """Paint layered round petals from the outside in, around a spiral heart."""
    straight_stem(canvas, pose, foot, rng, width=0.055, color=(0.26, 0.38, 0.16))
    rose_leaves(canvas, pose, rng)
    deep, light = ROSES[int(rng.integers(len(ROSES)))]
    deep, light = jitter(rng, deep, 0.05), jitter(rng, light, 0.04)
    openness = float(rng.uniform(0.75, 1.0))
    whorls = ((6, 0.52, 0.50), (6, 0.42, 0.45), (5, 0.33, 0.39), (5, 0.23, 0.33), (4, 0.14, 0.27))
    lift = 0.0
    for number, (count, offset, size) in enumerate(whorls):
        start = float(rng.uniform(0, 6.28))
        for k in range(count):
            angle = start + 2 * math.pi * k / count + float(rng.normal(0, 0.15))
            petal = _RosePetal(
                angle=angle, offset=offset * openness * float(rng.normal(1, 0.05)),
                size=size * float(rng.normal(1, 0.07)), deep=deep, light=light,
                gloom=0.05 * number,
            )  # fmt: skip
            _paint_rose_petal(canvas, pose.moved(lift), petal, rng)
        lift += 0.10
    _rose_heart(canvas, pose.moved(lift, 0.30), (deep, light), rng)


@dataclass(frozen=True, slots=True)
class _RosePetal:
    """A round petal; offset from the heart and size in head radii, `gloom` darkens it."""

    angle: float
    offset: float
    size: float
    deep: Color
    light: Color
    gloom: float


def _paint_rose_petal(canvas: Canvas, pose: Pose, petal: _RosePetal, rng: Rng) -> None:
    """Paint one petal as a wavy disc, with a rolled rim on its outer side."""
    angle, offset, size = petal.angle, petal.offset, petal.size
    c, s = math.cos(angle), math.sin(angle)
    reach = (size * 1.25) * pose.radius
    lean_c, lean_s = math.cos(pose.lean), math.sin(pose.lean)
    shift_x, shift_y = offset * c * pose.radius, offset * s * pose.radius * pose.squash
    spot_x = pose.x + shift_x * lean_c - shift_y * lean_s
    spot_y = pose.y + shift_x * lean_s + shift_y * lean_c
    window = canvas.window((spot_x, spot_y), reach)
    if window is None:
        return
    x = (window.x * lean_c + window.y * lean_s) / np.float32(pose.radius * size)
    y = (window.y * lean_c - window.x * lean_s) / np.float32(pose.radius * size * pose.squash)
    # the petal's own axes: away from the heart, and across
    out, across = x * np.float32(c) + y * np.float32(s), y * np.float32(c) - x * np.float32(s)
    around = np.arctan2(across, out)
    wave = 1 + 0.05 * np.cos(around * 3 + float(rng.uniform(0, 6)))
    wave += 0.03 * np.cos(around * 5 + float(rng.uniform(0, 6)))
    distance = np.hypot(out * 1.08, across * 0.92) / wave
    pixel = pose.pixel / size
    canvas.darken(window, 0.42 * edge(1.06 - distance, 0.22))
    # the rim rolls outward: it catches the light, where a flat rim is in shadow
    roll = smoothstep(0.80, 0.97, distance) * smoothstep(-0.2, 0.5, out)
    share = np.clip(0.5 + 0.42 * out - 0.12 * across**2 + 0.45 * roll, 0, 1)
    tone = 1 - petal.gloom * 0.7 - 0.30 * smoothstep(0.90, 1.02, distance) * (1 - roll)
    tone = tone * (1 + 0.14 * math.cos(angle + pose.lean - pose.light))
    tone = tone * (1 + 0.025 * np.cos(around * 24))
    color = np.clip(mix(petal.deep, petal.light, share) * tone[..., None], 0, 1)
    canvas.over(window, color, edge(1 - distance, pixel))


def _rose_heart(canvas: Canvas, pose: Pose, colors: tuple[Color, Color], rng: Rng) -> None:
    """Paint the heart: one spiral of folds, left- or right-handed, tighter inwards."""
    placed = pose.window(canvas)
    if placed is None:
        return
    window, x, y = placed
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    hand = float(rng.choice([-1, 1]))
    turns = radius**0.8 * 3.2 + hand * angle / np.float32(2 * np.pi)
    turns += 0.16 * np.cos(angle * 3 + float(rng.uniform(0, 6)))
    # where within its fold a pixel lies: deep and dark at 0, light at the fold's rim at 1
    phase = turns + float(rng.uniform(0, 1))
    phase = phase - np.floor(phase)
    share = smoothstep(0.02, 0.95, phase) * (1 - smoothstep(0.95, 1.0, phase) * 0.8)
    color = mix(colors[0], colors[1], share) * (0.78 + 0.20 * share)[..., None]
    canvas.darken(window, 0.5 * edge(1.1 - radius, 0.3))
    canvas.over(window, color, edge(1 - radius, pose.pixel * 2))


def tulip(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
    """Paint a cup of petals on a stem between broad leaves; the pose's center is the cup's."""
    base, tip = TULIPS[int(rng.integers(len(TULIPS)))]
    base, tip = jitter(rng, base, 0.04), jitter(rng, tip, 0.04)
    size = pose.radius
    bottom = (pose.x, pose.y + size * 0.85)
    stem = Pose(bottom[0], bottom[1], size)
    straight_stem(canvas, stem, foot, rng, width=0.075, color=(0.42, 0.58, 0.30))
    tulip_leaves(canvas, size, foot, rng)
    flare = float(rng.uniform(0.06, 0.34))
    tilt = float(rng.normal(0, 0.08))
    height = size * 1.75
    cup = size * float(rng.uniform(0.44, 0.54))
    petals = (  # angle, bend, height, width, darkness
        (-flare * 0.7, 0.05, 0.97, 0.85, 0.62), (flare * 0.7, -0.05, 0.97, 0.85, 0.62),
        (0.0, 0.0, 1.0, 0.85, 0.70),
        (-flare - 0.16, 0.14 - flare * 0.3, 0.96, 0.86, 0.90),
        (flare + 0.16, flare * 0.3 - 0.14, 0.96, 0.86, 0.90),
        (float(rng.normal(0, 0.08)), 0.0, 0.90, 1.06, 1.0),
    )  # fmt: skip
    for angle, bend, tall, wide, dark in petals:
        shade = dark * float(rng.normal(1, 0.03))
        low, high = _scaled(base, shade * 0.9), _scaled(tip, shade)
        paint_blade(
            canvas,
            Blade(
                bottom[0], bottom[1], angle + tilt, height * tall, cup * wide, low, high, bend,
                float(rng.uniform(0.42, 0.6)), 0.48, vein=0.10, depth=0.22,
                side=-0.6, rim=float(rng.uniform(0.0, 0.22)),
            ),
        )  # fmt: skip


def _scaled(color: Color, factor: float) -> Color:
    return (
        min(1.0, color[0] * factor), min(1.0, color[1] * factor), min(1.0, color[2] * factor)
    )  # fmt: skip
