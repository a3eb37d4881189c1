"""Painters of the flowers with rays: daisy, dandelion and sunflower."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pi_classifier.cameras.emulated.garden.greens import (
    Point,
    Rng,
    clasping_leaves,
    rosette,
    straight_stem,
)
from pi_classifier.cameras.emulated.garden.painting import Canvas, Pose, Rays, edge, paint_rays
from pi_classifier.cameras.emulated.garden.pixels import (
    Color,
    Float,
    flat,
    jitter,
    mix,
    smoothstep,
)


def _florets(radius: Float, angle: Float, spirals: int, pixel: float) -> Float:
    """Bumps of a disc's florets, -1..1: two families of spirals, crossing.

    Their counts are as 1 to the golden ratio, as in real heads. Bumps that come near the
    size of a pixel fade, or they would flicker as the plant sways.
    """
    path = np.sqrt(np.maximum(radius, 0)) * np.float32(2.2 * math.pi)
    fade = math.exp(-((pixel * spirals / 4.0) ** 2))
    one = np.cos(spirals * angle + path * np.float32(spirals / 5))
    other = np.cos(round(spirals * 1.618) * angle - path * np.float32(spirals / 8))
    return np.asarray(one * other * np.float32(fade), np.float32)


@dataclass(frozen=True, slots=True)
class _Disc:
    center: Color
    rim: Color
    spirals: int
    bump: float


def _paint_disc(canvas: Canvas, pose: Pose, disc: _Disc, rng: Rng) -> None:
    """Paint a domed flower disc that fills the pose."""
    placed = pose.window(canvas)
    if placed is None:
        return
    window, x, y = placed
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    wobble = 1 + 0.03 * np.cos(angle * 5 + float(rng.uniform(0, 6)))
    canvas.darken(window, 0.45 * edge(1.12 - radius / wobble, 0.25))
    tone = 1.05 - 0.35 * radius**2
    tone += 0.22 * (x * math.cos(pose.light - pose.lean) + y * math.sin(pose.light - pose.lean))
    tone += disc.bump * _florets(radius, angle, disc.spirals, pose.pixel)
    color = mix(disc.center, disc.rim, smoothstep(0.15, 0.75, radius)) * tone[..., None]
    canvas.over(window, np.clip(color, 0, 1), edge(wobble - radius, pose.pixel))


def _turn(pose: Pose, turn: float) -> Pose:
    return Pose(pose.x, pose.y, pose.radius, pose.squash, pose.lean, float(turn), pose.light)


def daisy(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
    """Paint white ray petals around a yellow disc."""
    straight_stem(canvas, pose, foot, rng, width=0.045)
    count = int(rng.integers(15, 30))
    white = jitter(rng, (0.95, 0.95, 0.96), 0.02)
    base = jitter(rng, (0.82, 0.83, 0.84), 0.03)
    if rng.random() < 0.12:
        base, white = (0.90, 0.74, 0.82), (0.97, 0.90, 0.94)
    disc = float(rng.uniform(0.24, 0.36))
    width = float(rng.uniform(2.3, 3.2)) / count
    for layer in range(2):
        rays = Rays(
            count=count, length=1 - 0.07 * layer, width=width, inner=base, outer=white,
            tip=float(rng.uniform(4, 10)), shoulder=0.45, variation=float(rng.uniform(0.03, 0.1)),
            depth=0.13, shadow=0.22 - 0.1 * layer,
        )  # fmt: skip
        turned = pose.moved(0.03 * layer)
        paint_rays(canvas, _turn(turned, rng.uniform(0, 6)), rays, rng)
    yellow = jitter(rng, (0.98, 0.80, 0.10), 0.04)
    rim = jitter(rng, (0.93, 0.62, 0.03), 0.04)
    _paint_disc(canvas, pose.moved(0.08, disc), _Disc(yellow, rim, 21, 0.14), rng)


def dandelion(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
    """Paint a many-rayed yellow head, or the white seed clock."""
    stem: Color = (0.52, 0.52, 0.24) if rng.random() < 0.6 else (0.55, 0.38, 0.28)
    straight_stem(canvas, pose, foot, rng, width=0.06, color=stem)
    if rng.random() < 0.6:
        rosette(canvas, pose, foot, rng)
    if rng.random() < 0.33:
        _clock(canvas, pose, rng)
        return
    inner = jitter(rng, (0.93, 0.66, 0.01), 0.03)
    outer = jitter(rng, (0.99, 0.88, 0.10), 0.03)
    layers = int(rng.integers(6, 9))
    for layer in range(layers):
        share = layer / layers
        count = round(46 - 22 * share)
        rays = Rays(
            count=count, length=1.0 - 0.86 * share, width=(0.062 - 0.02 * share), inner=inner,
            outer=outer, tip=14, shoulder=0.12, variation=0.13, depth=0.3, shadow=0.3,
        )  # fmt: skip
        paint_rays(canvas, _turn(pose.moved(0.10 * share), rng.uniform(0, 6)), rays, rng)


def _clock(canvas: Canvas, pose: Pose, rng: Rng) -> None:
    """Paint the seed clock: a see-through sphere of white parachutes."""
    placed = pose.window(canvas)
    if placed is None:
        return
    window, x, y = placed
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    gray = jitter(rng, (0.88, 0.89, 0.90), 0.03)
    haze = edge(1 - radius, 0.12) * (0.30 + 0.35 * smoothstep(0.35, 0.95, radius))
    canvas.over(window, flat(gray, x), haze.astype(np.float32))
    # no stalk is drawn: two cosines of different counts interfere as crossing stalks do
    spokes = np.clip(np.cos(angle * 37) * np.cos(angle * 23 + radius * 3), 0, 1) ** 2
    dark = mix((0.45, 0.38, 0.28), gray, smoothstep(0.2, 0.8, radius))
    canvas.over(window, dark, edge(0.8 - radius, 0.1) * spokes * 0.5)
    seeds = _Disc((0.42, 0.34, 0.22), (0.30, 0.24, 0.14), 13, 0.3)
    _paint_disc(canvas, pose.moved(0.0, 0.13), seeds, rng)
    # seeds at equal distances on a sphere: turns by the golden angle, heights in equal steps
    count = 130
    height = 1 - 2 * (np.arange(count) + 0.5) / count
    around = np.arange(count) * math.pi * (3 - math.sqrt(5)) + rng.uniform(0, 6)
    ring = np.sqrt(1 - height**2)
    for k in np.argsort(height):  # those at the back first
        spot_x, spot_y = ring[k] * math.cos(around[k]), ring[k] * math.sin(around[k])
        strength = 0.35 + 0.5 * max(0.0, float(ring[k]) - 0.2)
        _parachute(canvas, pose, (float(spot_x), float(spot_y)), strength, rng)


def _parachute(canvas: Canvas, pose: Pose, spot: Point, strength: float, rng: Rng) -> None:
    size = pose.radius * 0.2
    x = pose.x + spot[0] * pose.radius * 0.86
    y = pose.y + spot[1] * pose.radius * 0.86
    window = canvas.window((x, y), size)
    if window is None:
        return
    radius = np.hypot(window.x, window.y) / np.float32(size)
    angle = np.arctan2(window.y, window.x)
    arms = np.clip(np.cos(angle * 7 + float(rng.uniform(0, 6))) * 0.5 + 0.5, 0, 1) ** 3
    alpha = edge(1 - radius, 0.15) * (0.25 + 0.75 * arms) * strength * smoothstep(0, 0.3, radius)
    canvas.over(window, flat((0.97, 0.97, 0.98), radius), alpha.astype(np.float32))


def sunflower(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
    """Paint big yellow-orange rays around a large dark brown disc."""
    straight_stem(canvas, pose, foot, rng, width=0.085, color=(0.36, 0.50, 0.18))
    clasping_leaves(canvas, pose, foot, rng, 0.36)
    count = int(rng.integers(17, 24))
    inner = jitter(rng, (0.90, 0.50, 0.02), 0.05)
    outer = jitter(rng, (0.99, 0.80, 0.06), 0.03)
    disc = float(rng.uniform(0.40, 0.54))
    for layer in range(3):
        rays = Rays(
            count=count - layer, length=1 - 0.06 * layer, width=4.2 / count, inner=inner,
            outer=outer, tip=float(rng.uniform(1.3, 2.2)), shoulder=0.9, variation=0.08,
            depth=0.22, shadow=0.12,
        )  # fmt: skip
        paint_rays(canvas, _turn(pose.moved(0.03 * layer), rng.uniform(0, 6)), rays, rng)
    center = pose.moved(0.08, disc)
    dark = jitter(rng, (0.20, 0.10, 0.04), 0.1)
    ring = jitter(rng, (0.42, 0.24, 0.06), 0.1)
    _paint_disc(canvas, center, _Disc(dark, ring, 34, 0.30), rng)
    heart = jitter(rng, (0.34, 0.28, 0.08), 0.1) if rng.random() < 0.6 else (0.13, 0.06, 0.03)
    _paint_disc(canvas, pose.moved(0.08, disc * 0.45), _Disc(heart, dark, 21, 0.30), rng)
