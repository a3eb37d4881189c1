"""Painters of the five flowers: each paints one plant into a canvas.

A painter takes the canvas, the head's pose, the point where the stem leaves the
ground, and the plant's own random generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pi_classifier.cameras.painting import (
    Blade,
    Canvas,
    Colour,
    Float,
    Pose,
    Rays,
    edge,
    jitter,
    mix,
    paint_blade,
    paint_rays,
    paint_stem,
    smoothstep,
)

Rng = np.random.Generator
Point = tuple[float, float]
Painter = Callable[[Canvas, Pose, Point, Rng], None]

GREEN: Colour = (0.28, 0.46, 0.16)
BLUE_GREEN: Colour = (0.33, 0.50, 0.33)

ROSES: tuple[tuple[Colour, Colour], ...] = (  # deep in the folds, on the petals' rims
    ((0.38, 0.01, 0.05), (0.86, 0.06, 0.12)),
    ((0.30, 0.00, 0.03), (0.68, 0.03, 0.09)),
    ((0.74, 0.22, 0.38), (0.98, 0.64, 0.74)),
    ((0.70, 0.10, 0.34), (0.95, 0.36, 0.58)),
    ((0.80, 0.72, 0.56), (0.99, 0.97, 0.92)),
    ((0.86, 0.56, 0.08), (0.99, 0.87, 0.36)),
    ((0.88, 0.42, 0.24), (0.99, 0.78, 0.60)),
)
TULIPS: tuple[tuple[Colour, Colour], ...] = (  # at the petal's base, at its tip
    ((0.75, 0.10, 0.04), (0.90, 0.09, 0.08)),
    ((0.62, 0.02, 0.06), (0.78, 0.04, 0.08)),
    ((0.93, 0.72, 0.10), (0.99, 0.86, 0.14)),
    ((0.96, 0.80, 0.80), (0.95, 0.46, 0.62)),
    ((0.85, 0.40, 0.62), (0.90, 0.30, 0.56)),
    ((0.42, 0.10, 0.42), (0.56, 0.18, 0.54)),
    ((0.90, 0.92, 0.78), (0.98, 0.97, 0.93)),
    ((0.97, 0.74, 0.12), (0.93, 0.28, 0.06)),
)


def _stem(
    canvas: Canvas, pose: Pose, foot: Point, rng: Rng, *, width: float, colour: Colour = GREEN
) -> None:
    bow = pose.radius * float(rng.normal(0, 0.12))
    paint_stem(canvas, (pose.x, pose.y), foot, pose.radius * width, jitter(rng, colour), bow)


def _florets(radius: Float, angle: Float, spirals: int, pixel: float) -> Float:
    """Bumps of a disc's florets: two families of Fermat spirals crossing, -1..1."""
    path = np.sqrt(np.maximum(radius, 0)) * np.float32(2.2 * math.pi)
    fade = math.exp(-((pixel * spirals / 4.0) ** 2))
    one = np.cos(spirals * angle + path * np.float32(spirals / 5))
    other = np.cos(round(spirals * 1.618) * angle - path * np.float32(spirals / 8))
    return np.asarray(one * other * np.float32(fade), np.float32)


def _disc(
    canvas: Canvas, pose: Pose, rng: Rng, colours: tuple[Colour, Colour], spirals: int, bump: float
) -> None:
    """Paint a domed flower disc filling the pose: colours at the centre and at the rim."""
    placed = pose.window(canvas)
    if placed is None:
        return
    window, x, y = placed
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    wobble = 1 + 0.03 * np.cos(angle * 5 + float(rng.uniform(0, 6)))
    canvas.darken(window, 0.45 * edge(1.12 - radius / wobble, 0.25))
    tone = 1.05 - 0.35 * radius**2
    tone += 0.22 * (x * math.cos(pose.light - pose.lean) + y * math.sin(pose.light - pose.lean))
    tone += bump * _florets(radius, angle, spirals, pose.pixel)
    colour = mix(colours[0], colours[1], smoothstep(0.15, 0.75, radius)) * tone[..., None]
    canvas.over(window, np.clip(colour, 0, 1), edge(wobble - radius, pose.pixel))


def _clasping_leaves(canvas: Canvas, pose: Pose, foot: Point, rng: Rng, broad: float) -> None:
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


def daisy(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
    """White ray petals around a yellow disc."""
    _stem(canvas, pose, foot, rng, width=0.045)
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
    _disc(canvas, pose.moved(0.08, disc), rng, (yellow, rim), 21, 0.14)


def dandelion(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
    """A many-rayed yellow head, or the white seed clock."""
    stem: Colour = (0.52, 0.52, 0.24) if rng.random() < 0.6 else (0.55, 0.38, 0.28)
    _stem(canvas, pose, foot, rng, width=0.06, colour=stem)
    if rng.random() < 0.6:
        _rosette(canvas, pose, foot, rng)
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


def _turn(pose: Pose, turn: float) -> Pose:
    return Pose(pose.x, pose.y, pose.radius, pose.squash, pose.lean, float(turn), pose.light)


def _rosette(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
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


def _clock(canvas: Canvas, pose: Pose, rng: Rng) -> None:
    """Paint the seed clock: a see-through sphere of white parachutes."""
    placed = pose.window(canvas)
    if placed is None:
        return
    window, x, y = placed
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    grey = jitter(rng, (0.88, 0.89, 0.90), 0.03)
    haze = edge(1 - radius, 0.12) * (0.30 + 0.35 * smoothstep(0.35, 0.95, radius))
    canvas.over(window, np.broadcast_to(np.float32(grey), (*x.shape, 3)), haze.astype(np.float32))
    spokes = np.clip(np.cos(angle * 37) * np.cos(angle * 23 + radius * 3), 0, 1) ** 2
    dark = mix((0.45, 0.38, 0.28), grey, smoothstep(0.2, 0.8, radius))
    canvas.over(window, dark, edge(0.8 - radius, 0.1) * spokes * 0.5)
    _disc(canvas, pose.moved(0.0, 0.13), rng, ((0.42, 0.34, 0.22), (0.30, 0.24, 0.14)), 13, 0.3)
    count = 130
    height = 1 - 2 * (np.arange(count) + 0.5) / count
    around = np.arange(count) * math.pi * (3 - math.sqrt(5)) + rng.uniform(0, 6)
    ring = np.sqrt(1 - height**2)
    for k in np.argsort(height):
        spot_x, spot_y = ring[k] * math.cos(around[k]), ring[k] * math.sin(around[k])
        strength = 0.35 + 0.5 * max(0.0, float(ring[k]) - 0.2)
        _parachute(canvas, pose, (float(spot_x), float(spot_y)), strength, rng)


def _parachute(canvas: Canvas, pose: Pose, spot: Point, strength: float, rng: Rng) -> None:
    size = pose.radius * 0.2
    x = pose.x + spot[0] * pose.radius * 0.86
    y = pose.y + spot[1] * pose.radius * 0.86
    window = canvas.window(x, y, size, size, size, size)
    if window is None:
        return
    radius = np.hypot(window.x, window.y) / np.float32(size)
    angle = np.arctan2(window.y, window.x)
    arms = np.clip(np.cos(angle * 7 + float(rng.uniform(0, 6))) * 0.5 + 0.5, 0, 1) ** 3
    alpha = edge(1 - radius, 0.15) * (0.25 + 0.75 * arms) * strength * smoothstep(0, 0.3, radius)
    white = np.broadcast_to(np.float32((0.97, 0.97, 0.98)), (*radius.shape, 3))
    canvas.over(window, white, alpha.astype(np.float32))


def rose(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
    """Layered round petals, painted from the outside in, around a spiral heart."""
    _stem(canvas, pose, foot, rng, width=0.055, colour=(0.26, 0.38, 0.16))
    _rose_leaves(canvas, pose, foot, rng)
    deep, light = ROSES[int(rng.integers(len(ROSES)))]
    deep, light = jitter(rng, deep, 0.05), jitter(rng, light, 0.04)
    openness = float(rng.uniform(0.75, 1.0))
    whorls = ((6, 0.52, 0.50), (6, 0.42, 0.45), (5, 0.33, 0.39), (5, 0.23, 0.33), (4, 0.14, 0.27))
    lift = 0.0
    for number, (count, offset, size) in enumerate(whorls):
        start = float(rng.uniform(0, 6.28))
        for k in range(count):
            angle = start + 2 * math.pi * k / count + float(rng.normal(0, 0.15))
            _rose_petal(
                canvas, pose.moved(lift), angle,
                (offset * openness * float(rng.normal(1, 0.05)), size * float(rng.normal(1, 0.07))),
                (deep, light), 0.05 * number, rng,
            )  # fmt: skip
        lift += 0.10
    _rose_heart(canvas, pose.moved(lift, 0.30), (deep, light), rng)


def _rose_petal(
    canvas: Canvas, pose: Pose, angle: float, shape: Point, colours: tuple[Colour, Colour],
    gloom: float, rng: Rng,
) -> None:  # fmt: skip
    offset, size = shape
    c, s = math.cos(angle), math.sin(angle)
    reach = (size * 1.25) * pose.radius
    lean_c, lean_s = math.cos(pose.lean), math.sin(pose.lean)
    shift_x, shift_y = offset * c * pose.radius, offset * s * pose.radius * pose.squash
    spot_x = pose.x + shift_x * lean_c - shift_y * lean_s
    spot_y = pose.y + shift_x * lean_s + shift_y * lean_c
    window = canvas.window(spot_x, spot_y, reach, reach, reach, reach)
    if window is None:
        return
    x = (window.x * lean_c + window.y * lean_s) / np.float32(pose.radius * size)
    y = (window.y * lean_c - window.x * lean_s) / np.float32(pose.radius * size * pose.squash)
    out, across = x * np.float32(c) + y * np.float32(s), y * np.float32(c) - x * np.float32(s)
    around = np.arctan2(across, out)
    wave = 1 + 0.05 * np.cos(around * 3 + float(rng.uniform(0, 6)))
    wave += 0.03 * np.cos(around * 5 + float(rng.uniform(0, 6)))
    distance = np.hypot(out * 1.08, across * 0.92) / wave
    pixel = pose.pixel / size
    canvas.darken(window, 0.42 * edge(1.06 - distance, 0.22))
    roll = smoothstep(0.80, 0.97, distance) * smoothstep(-0.2, 0.5, out)
    share = np.clip(0.5 + 0.42 * out - 0.12 * across**2 + 0.45 * roll, 0, 1)
    tone = 1 - gloom * 0.7 - 0.30 * smoothstep(0.90, 1.02, distance) * (1 - roll)
    tone = tone * (1 + 0.14 * math.cos(angle + pose.lean - pose.light))
    tone = tone * (1 + 0.025 * np.cos(around * 24))
    colour = np.clip(mix(colours[0], colours[1], share) * tone[..., None], 0, 1)
    canvas.over(window, colour, edge(1 - distance, pixel))


def _rose_heart(canvas: Canvas, pose: Pose, colours: tuple[Colour, Colour], rng: Rng) -> None:
    placed = pose.window(canvas)
    if placed is None:
        return
    window, x, y = placed
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    hand = float(rng.choice([-1, 1]))
    turns = radius**0.8 * 3.2 + hand * angle / np.float32(2 * np.pi)
    turns += 0.16 * np.cos(angle * 3 + float(rng.uniform(0, 6)))
    phase = turns + float(rng.uniform(0, 1))
    phase = phase - np.floor(phase)
    share = smoothstep(0.02, 0.95, phase) * (1 - smoothstep(0.95, 1.0, phase) * 0.8)
    colour = mix(colours[0], colours[1], share) * (0.78 + 0.20 * share)[..., None]
    canvas.darken(window, 0.5 * edge(1.1 - radius, 0.3))
    canvas.over(window, colour, edge(1 - radius, pose.pixel * 2))


def _rose_leaves(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
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


def sunflower(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
    """Big yellow-orange rays around a large dark brown disc."""
    _stem(canvas, pose, foot, rng, width=0.085, colour=(0.36, 0.50, 0.18))
    _clasping_leaves(canvas, pose, foot, rng, 0.36)
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
    centre = pose.moved(0.08, disc)
    dark = jitter(rng, (0.20, 0.10, 0.04), 0.1)
    ring = jitter(rng, (0.42, 0.24, 0.06), 0.1)
    _disc(canvas, centre, rng, (dark, ring), 34, 0.30)
    heart = jitter(rng, (0.34, 0.28, 0.08), 0.1) if rng.random() < 0.6 else (0.13, 0.06, 0.03)
    _disc(canvas, pose.moved(0.08, disc * 0.45), rng, (heart, dark), 21, 0.30)


def tulip(canvas: Canvas, pose: Pose, foot: Point, rng: Rng) -> None:
    """A cup of petals on a stem between broad leaves; the pose's centre is the cup's."""
    base, tip = TULIPS[int(rng.integers(len(TULIPS)))]
    base, tip = jitter(rng, base, 0.04), jitter(rng, tip, 0.04)
    size = pose.radius
    bottom = (pose.x, pose.y + size * 0.85)
    stem = Pose(bottom[0], bottom[1], size)
    _stem(canvas, stem, foot, rng, width=0.075, colour=(0.42, 0.58, 0.30))
    _tulip_leaves(canvas, size, foot, rng)
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


def _scaled(colour: Colour, factor: float) -> Colour:
    return (
        min(1.0, colour[0] * factor), min(1.0, colour[1] * factor), min(1.0, colour[2] * factor)
    )  # fmt: skip


def _tulip_leaves(canvas: Canvas, size: float, foot: Point, rng: Rng) -> None:
    for side in (-1, 1, float(rng.choice([-1, 1])))[: int(rng.integers(2, 4))]:
        length = float(size * rng.uniform(1.8, 3.2))
        paint_blade(
            canvas,
            Blade(
                foot[0] + side * size * 0.05, foot[1], side * float(rng.uniform(0.12, 0.5)), length,
                size * float(rng.uniform(0.22, 0.36)), jitter(rng, BLUE_GREEN, 0.1),
                jitter(rng, (0.40, 0.60, 0.36), 0.1), side * float(rng.uniform(-0.1, 0.25)),
                0.75, 0.35, vein=0.06, side=float(side * 0.7),
            ),
        )  # fmt: skip


PAINTERS: dict[str, Painter] = {
    "daisy": daisy,
    "dandelion": dandelion,
    "roses": rose,
    "sunflowers": sunflower,
    "tulips": tulip,
}
