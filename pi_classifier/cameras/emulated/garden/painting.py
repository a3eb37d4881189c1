"""Brushes of the scene renderer: a canvas, rays, petals, leaves and stems.

Everything is float32 in 0..1 and antialiased analytically: each shape's edge is a
signed distance divided by the size of one pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pi_classifier.cameras.emulated.garden.pixels import Color, Float, mix, smoothstep


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A part of a canvas: where it lies, and pixel coordinates from its anchor."""

    rows: slice
    columns: slice
    x: Float
    y: Float


class Canvas:
    """A float32 picture with premultiplied alpha, painted from back to front."""

    def __init__(self, height: int, width: int) -> None:
        self.rgb = np.zeros((height, width, 3), np.float32)
        self.alpha = np.zeros((height, width), np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.alpha.shape
        return height, width

    def window(
        self, anchor: tuple[float, float], reach: float | tuple[float, float, float, float]
    ) -> Window | None:
        """Return the part within reach of the anchor, or None when out of sight.

        `reach` is in pixels: one for all sides, or left, top, right and bottom.
        """
        height, width = self.shape
        x, y = anchor
        left, top, right, bottom = reach if isinstance(reach, tuple) else (reach,) * 4
        x0, x1 = max(0, int(x - left)), min(width, int(x + right) + 2)
        y0, y1 = max(0, int(y - top)), min(height, int(y + bottom) + 2)
        if x0 >= x1 or y0 >= y1:
            return None
        across = np.arange(x0, x1, dtype=np.float32) + np.float32(0.5 - x)
        down = np.arange(y0, y1, dtype=np.float32) + np.float32(0.5 - y)
        grid_x, grid_y = np.meshgrid(across, down)
        return Window(slice(y0, y1), slice(x0, x1), grid_x, grid_y)

    def over(self, window: Window, color: Float, alpha: Float) -> None:
        """Lay `color` ``[h, w, 3]`` over what is painted, where `alpha` ``[h, w]`` says so."""
        keep = 1 - alpha
        rgb = self.rgb[window.rows, window.columns]
        rgb *= keep[..., None]
        rgb += color * alpha[..., None]
        below = self.alpha[window.rows, window.columns]
        below *= keep
        below += alpha

    def darken(self, window: Window, amount: Float) -> None:
        """Cast a shadow on what is painted so far."""
        self.rgb[window.rows, window.columns] *= (1 - amount)[..., None]


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a flower head lies: center and radius in pixels, tilt away from the viewer.

    `squash` is the foreshortening (1 = seen from the front) along the direction
    `lean`, and `turn` rotates the head in its own plane; angles in radians.
    """

    x: float
    y: float
    radius: float
    squash: float = 1.0
    lean: float = 0.0
    turn: float = 0.0
    light: float = -2.2

    @property
    def pixel(self) -> float:
        """Size of one pixel in head units; a little more, as edges one pixel wide look jagged."""
        return 1.3 / (self.radius * (0.5 + 0.5 * self.squash))

    def moved(self, along: float, scale: float = 1.0) -> Pose:
        """Return the pose lifted out of its plane by `along` radii and scaled."""
        # squash is the cosine of the tilt; what rises from the plane shifts by its sine
        lift = along * self.radius * np.sqrt(max(0.0, 1 - self.squash**2))
        return Pose(
            float(self.x + np.sin(self.lean) * lift),
            float(self.y - np.cos(self.lean) * lift),
            self.radius * scale,
            self.squash,
            self.lean,
            self.turn,
            self.light,
        )

    def window(self, canvas: Canvas, reach: float = 1.2) -> tuple[Window, Float, Float] | None:
        """Return the canvas around the head and its coordinates in head units."""
        window = canvas.window((self.x, self.y), self.radius * reach)
        if window is None:
            return None
        c, s = np.float32(np.cos(self.lean)), np.float32(np.sin(self.lean))
        x = (window.x * c + window.y * s) / np.float32(self.radius)
        y = (window.y * c - window.x * s) / np.float32(self.radius * self.squash)
        return window, x, y


def edge(distance: Float, pixel: float) -> Float:
    """Coverage of a shape from its signed distance (positive inside)."""
    return np.asarray(np.clip(distance / np.float32(pixel) + 0.5, 0, 1), np.float32)


@dataclass(frozen=True, slots=True)
class Rays:
    """One whorl of ray petals. Lengths and widths are in head radii."""

    count: int
    length: float
    width: float
    inner: Color
    outer: Color
    start: float = 0.0
    tip: float = 6.0  # large: blunt, around 1: pointed
    shoulder: float = 0.5
    variation: float = 0.08
    depth: float = 0.25
    shadow: float = 0.35


def _nearest_ray(angle: Float, count: int) -> tuple[NDArray[np.int32], Float]:
    """Return the number of each pixel's ray, and its angle from that ray's middle."""
    turned = angle * np.float32(count / (2 * np.pi))
    index = np.floor(turned).astype(np.int32)
    return index % count, (turned - index - 0.5) * np.float32(2 * np.pi / count)


def paint_rays(canvas: Canvas, pose: Pose, rays: Rays, rng: np.random.Generator) -> None:
    """Paint a whorl in polar coordinates: each pixel belongs to the nearest ray.

    No loop over petals: a pixel's angle gives the number of its ray, that number the ray's
    own lots, and the angle left over the place across the ray (`u` along it, 0 at the heart
    and 1 at the tip, `v` across it in head radii).
    """
    placed = pose.window(canvas, 1.1 * rays.length * (1 + 3 * rays.variation))
    n = rays.count
    # drawn before the check, so that what is out of sight changes no later lot
    spread = rng.normal(0, 1, (5, n)).astype(np.float32)
    if placed is None:
        return
    window, x, y = placed
    radius = np.hypot(x, y)
    angle = np.arctan2(y, x)
    index, offset = _nearest_ray(angle - np.float32(pose.turn), n)
    offset += (spread[0] * np.float32(0.25 * np.pi / n))[index]
    length = (rays.length * (1 + rays.variation * spread[1])).astype(np.float32)[index]
    width = (rays.width * (1 + rays.variation * spread[2])).astype(np.float32)[index]
    u = np.clip(radius * np.cos(offset) / length, 0, 1.2)
    v = radius * np.sin(offset)
    inside = np.clip(u, 1e-3, 1)
    # the outline: widening as a power up to the shoulder, closing as a superellipse at the tip
    half = width * inside**rays.shoulder * np.sqrt(np.clip(1 - inside**rays.tip, 0, 1))
    across = np.minimum(np.abs(v) / np.maximum(half, 1e-3), 1.1)
    alpha = edge(half - np.abs(v), pose.pixel) * edge((1 - u) * length, pose.pixel)
    if rays.start > 0:
        alpha *= edge(radius - rays.start, pose.pixel)
    # brightness: the ray's own, darker at the rim and the heart, the light's side, fine veins
    tone = (1 + 0.06 * spread[3])[index]
    tone *= 1 - rays.depth * across**2 - rays.shadow * (1 - smoothstep(0.15, 0.75, u))
    tone *= 1 + 0.1 * np.cos(angle + np.float32(pose.lean - pose.light))
    tone *= 1 + 0.05 * np.cos(v / np.maximum(width, 1e-3) * 9)
    color = mix(rays.inner, rays.outer, u) * tone[..., None]
    # a soft shadow a little wider than the rays parts this whorl from the one below
    shade = edge(half * 1.3 + 0.02 - np.abs(v), 0.06) * edge((1.04 - u) * length, 0.08)
    canvas.darken(window, 0.3 * shade)
    canvas.over(window, color, alpha)


@dataclass(frozen=True, slots=True)
class Blade:
    """One petal or leaf: from its base along `angle` (0 = up), sizes in pixels."""

    x: float
    y: float
    angle: float
    length: float
    width: float
    base: Color
    tip: Color
    bend: float = 0.0  # sideways shift of the tip, in lengths
    point: float = 0.8  # small: blunt tip, large: long point
    shoulder: float = 0.55
    vein: float = 0.08
    depth: float = 0.3
    teeth: float = 0.0
    side: float = 0.0  # light falling from one side, -1..1
    rim: float = 0.0


def paint_blade(canvas: Canvas, blade: Blade) -> None:
    """Paint one petal or leaf, with a soft shadow on what lies below."""
    # only the box around base and tip is computed: painting costs by the pixel
    reach = blade.length * (1.1 + abs(blade.bend))
    c, s = float(np.cos(blade.angle)), float(np.sin(blade.angle))
    tip_x = blade.length * (s + blade.bend * c)
    tip_y = blade.length * (-c + blade.bend * s)
    pad = blade.width * 1.3 + blade.length * 0.12 + 2
    sides = (max(0.0, -tip_x), max(0.0, -tip_y), max(0.0, tip_x), max(0.0, tip_y))
    left, top, right, bottom = (min(reach, side + pad) for side in sides)
    window = canvas.window((blade.x, blade.y), (left, top, right, bottom))
    if window is None:
        return
    # u along the blade, 0 at its base and 1 at its tip; v across it in pixels, from its
    # middle line, which bends as a parabola
    u = (window.x * np.float32(s) - window.y * np.float32(c)) / np.float32(blade.length)
    inside = np.clip(u, 1e-3, 1)
    v = window.x * np.float32(c) + window.y * np.float32(s)
    v -= np.float32(blade.bend * blade.length) * inside**2
    # the outline u^shoulder (1 - u)^point, scaled so that its widest place has the width
    peak = blade.shoulder / (blade.shoulder + blade.point)
    norm = peak**blade.shoulder * (1 - peak) ** blade.point
    half = blade.width / norm * inside**blade.shoulder * (1 - inside) ** blade.point
    if blade.teeth:
        half = half * (1 - blade.teeth * ((inside * 7) % 1.0))
    side = v / np.maximum(half, 0.5)
    across = np.minimum(np.abs(side), 1.5)
    ends = np.minimum(u, 1 - u) * np.float32(blade.length)
    alpha = edge(half - np.abs(v), 1.3) * edge(ends, 1.3)
    tone = 1 - blade.depth * across**2 + 0.18 * blade.side * np.clip(side, -1, 1)
    tone -= blade.vein * np.exp(-((v / (0.06 * blade.width + 0.5)) ** 2))
    tone *= 1 + 0.04 * np.cos(side * 14 + u * 3)
    tone += blade.rim * smoothstep(0.75, 1.0, across)
    color = mix(blade.base, blade.tip, smoothstep(0.0, 0.7, inside)) * tone[..., None]
    soft = max(3.0, blade.width * 0.35)
    canvas.darken(window, 0.35 * edge(half - np.abs(v), soft) * edge(ends, soft))
    canvas.over(window, color, alpha)


@dataclass(frozen=True, slots=True)
class Stem:
    """A stem between two points; `bow` bends it sideways, all in pixels."""

    start: tuple[float, float]
    end: tuple[float, float]
    width: float
    color: Color
    bow: float = 0.0


def paint_stem(canvas: Canvas, stem: Stem) -> None:
    """Paint a stem, rounded by its shading."""
    top, bottom = sorted((stem.start, stem.end), key=lambda point: point[1])
    rise = bottom[1] - top[1]
    if rise < 2:
        return
    reach = abs(stem.bow) + stem.width + abs(bottom[0] - top[0]) + 2
    window = canvas.window(top, (reach, 0, reach, rise))
    if window is None:
        return
    t = np.clip(window.y / np.float32(rise), 0, 1)
    middle = (bottom[0] - top[0]) * t + stem.bow * 4 * t * (1 - t)  # a parabola, bow high
    side = (window.x - middle) / np.float32(stem.width)
    alpha = edge((1 - np.abs(side)) * stem.width, 1.2) * edge(window.y + 1, 1.2)
    tone = 1 - 0.35 * side**2 + 0.2 * np.clip(-side, -1, 1)
    canvas.over(window, np.asarray(stem.color, np.float32) * tone[..., None], alpha)
