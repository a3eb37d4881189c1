"""Stems and leaves: the green parts that flowers share."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pi_classifier.cameras.emulated.garden.painting import (
    Blade,
    Canvas,
    Pose,
    Stem,
    paint_blade,
    paint_stem,
)
from pi_classifier.cameras.emulated.garden.pixels import Color, jitter

Rng = np.random.Generator
Point = tuple[float, float]
Painter = Callable[[Canvas, Pose, Point, Rng], None]
"""Paints one plant: head's pose, point where the stem leaves the ground, and its lots."""

GREEN: Color = (0.28, 0.46, 0.16)
BLUE_GREEN: Color = (0.33, 0.50, 0.33)


def straight_stem(
    canvas: Canvas, pose: Pose, foot: Point, rng: Rng, *, width: float, color: Color = GREEN
) -> None:
    """Paint the stem from head to foot; `width` in head radii."""
    bow = pose.radius * float(rng.normal(0, 0.12))
    paint_stem(canvas, Stem((pose.x, pose.y), foot, pose.radius * width, jitter(rng, color), bow))


def clasping_leaves(canvas: Canvas, pose: Pose, foot: Point, rng: Rng, broad: float) -> None:
    """Paint leaves along the stem."""
    for _ in range(int(rng.integers(1, 4))):
        t = rng.uniform(0.35, 1.0)
        side = rng.choice([-1, 1])
        size = pose.radius * rng.uniform(0.7, 1.2)
        x = pose.x + (foot[0] - pose.x) * t
        y = pose.y + (foot[1] - pose.y) * t
        base, tip = jitter(rng, GREEN, 0.12), jitter(rng, (0.36, 0.55, 0.20), 0.12)
        paint_blade(
            canvas,
            Blade(
                float(x), float(y), float(side * rng.uniform(0.7, 1.5)), float(size),
                float(size * broad), base, tip, float(-side * rng.uniform(0, 0.3)),
                vein=-0.15, side=float(side * 0.5),
            ),
        )  # fmt: skip


def rosette(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
    """Paint the jagged leaves around a dandelion's foot."""
    for _ in range(int(rng.integers(3, 7))):
        size = float(pose.radius * rng.uniform(1.0, 1.9))
        paint_blade(
            canvas,
            Blade(
                foot[0], foot[1], float(rng.uniform(-1.7, 1.7)), size, size * 0.15,
                jitter(rng, GREEN, 0.12), jitter(rng, (0.34, 0.56, 0.18), 0.12),
                float(rng.normal(0, 0.2)), 0.35, 0.9, vein=-0.25, teeth=0.5,
            ),
        )  # fmt: skip


def rose_leaves(canvas: Canvas, pose: Pose, rng: Rng) -> None:
    """Paint toothed leaves and sepals around a rose, before its petals."""
    for _ in range(int(rng.integers(3, 8))):
        angle = float(rng.uniform(0, 6.28))
        size = float(pose.radius * rng.uniform(0.55, 0.95))
        start = float(rng.uniform(0.5, 0.95)) * pose.radius
        dark = jitter(rng, (0.13, 0.27, 0.10), 0.15)
        light = jitter(rng, (0.24, 0.42, 0.17), 0.15)
        paint_blade(
            canvas,
            Blade(
                pose.x + start * math.sin(angle), pose.y - start * math.cos(angle), angle, size,
                size * 0.28, dark, light, float(rng.normal(0, 0.12)), 0.75, 0.55,
                vein=-0.25, teeth=0.10, side=float(rng.uniform(-1, 1)),
            ),
        )  # fmt: skip
    for k in range(5):  # sepals behind the petals
        angle = 2 * math.pi * k / 5 + float(rng.uniform(0, 0.6))
        length = pose.radius * float(rng.uniform(0.85, 1.12))
        paint_blade(
            canvas,
            Blade(pose.x, pose.y, angle, length, length * 0.12, GREEN, GREEN),
        )


def tulip_leaves(canvas: Canvas, size: float, foot: Point, rng: Rng) -> None:
    """Paint two or three broad leaves rising from the foot."""
    for side in (-1, 1, float(rng.choice([-1, 1])))[: int(rng.integers(2, 4))]:
        length = float(size * rng.uniform(1.8, 3.2))
        paint_blade(
            canvas,
            Blade(
                foot[0] + side * size * 0.05, foot[1],
                side * float(rng.uniform(0.12, 0.5)), length,
                size * float(rng.uniform(0.22, 0.36)), jitter(rng, BLUE_GREEN, 0.1),
                jitter(rng, (0.40, 0.60, 0.36), 0.1), side * float(rng.uniform(-0.1, 0.25)),
                0.75, 0.35, vein=0.06, side=float(side * 0.7),
            ),
        )  # fmt: skip
