"""Painters of what lies behind the flowers, or fills a frame without any.

A painter returns float32 RGB ``[height, width, 3]`` around 0..1; `unit` is the
length in pixels that stands for the frame's shorter side.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pi_classifier.cameras.painting import Colour, Float, jitter, mix, noise, smoothstep

Rng = np.random.Generator
Ground = Callable[[Rng, int, int, float], Float]


def _flat(height: int, width: int, colour: Colour) -> Float:
    return np.ascontiguousarray(np.broadcast_to(np.float32(colour), (height, width, 3)))


def _bytes(colour: Colour) -> tuple[int, int, int]:
    r, g, b = (round(255 * min(1.0, max(0.0, value))) for value in colour)
    return (r, g, b)


def _picture(base: Float) -> Image.Image:
    return Image.fromarray((np.clip(base, 0, 1) * 255).astype(np.uint8), "RGB")


def _floats(picture: Image.Image) -> Float:
    return np.asarray(picture, np.float32) / np.float32(255)


def _down(height: int, width: int) -> Float:
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    return np.asarray(np.broadcast_to(ramp, (height, width)), np.float32)


def grass(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Blades of grass seen from above or from the side."""
    dark, light = jitter(rng, (0.12, 0.22, 0.06), 0.2), jitter(rng, (0.44, 0.58, 0.20), 0.15)
    if rng.random() < 0.15:
        light = jitter(rng, (0.66, 0.62, 0.34), 0.1)
    base = mix(dark, light, np.clip(0.35 + 0.15 * noise(rng, height, width, unit / 5, 3), 0, 1))
    picture = _picture(base)
    draw = ImageDraw.Draw(picture)
    blade = unit * float(rng.uniform(0.10, 0.35))
    count = int(rng.integers(350, 800))
    lean = float(rng.normal(0, 0.4))
    spread = float(rng.uniform(0.2, 0.9))
    order = np.sort(rng.uniform(-0.05, 1.25, count)) * height
    for y in order:
        x = float(rng.uniform(-0.1, 1.1)) * width
        angle = float(rng.normal(lean, spread))
        size = blade * float(rng.uniform(0.6, 1.3))
        half = unit * float(rng.uniform(0.003, 0.008))
        tip = (x + size * math.sin(angle), y - size * math.cos(angle))
        mid = (x + size * 0.55 * math.sin(angle * 0.7), y - size * 0.55 * math.cos(angle * 0.7))
        share = float(rng.uniform(0, 1))
        tone = tuple(d + (e - d) * share for d, e in zip(dark, light, strict=True))
        draw.polygon(
            [(x - half, y), (mid[0] - half, mid[1]), tip, (mid[0] + half, mid[1]), (x + half, y)],
            fill=_bytes((tone[0], tone[1], tone[2])),
        )
    return _floats(picture)


def soil(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Bare earth with crumbs."""
    base = jitter(rng, (0.36, 0.26, 0.18), 0.2)
    fine = noise(rng, height, width, unit / 60, 3)
    coarse = noise(rng, height, width, unit / 6, 3)
    tone = 1 + 0.16 * fine + 0.14 * coarse
    return _flat(height, width, base) * tone[..., None]


def _cells(rng: Rng, height: int, width: int, unit: float, palette: list[Colour]) -> Float:
    """Overlapping rounded stones in the palette's colours."""
    picture = Image.new("RGB", (width, height), _bytes(jitter(rng, (0.20, 0.18, 0.16), 0.2)))
    draw = ImageDraw.Draw(picture)
    size = unit * float(rng.uniform(0.012, 0.05))
    count = min(1600, int(2.2 * width * height / (size * size * 3)))
    for _ in range(count):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        w, h = size * float(rng.uniform(0.5, 1.3)), size * float(rng.uniform(0.4, 0.9))
        colour = jitter(rng, palette[int(rng.integers(len(palette)))], 0.14)
        draw.ellipse([x - w, y - h + 1, x + w, y + h + 2], fill=_bytes((0.12, 0.11, 0.10)))
        draw.ellipse([x - w, y - h, x + w, y + h], fill=_bytes(colour))
    shade = 1 + 0.1 * noise(rng, height, width, unit / 50, 2)
    return _floats(picture) * shade[..., None]


def gravel(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Pebbles."""
    warm, cold = (0.58, 0.52, 0.44), (0.52, 0.53, 0.55)
    return _cells(rng, height, width, unit, [warm, cold, (0.72, 0.70, 0.66), (0.36, 0.34, 0.32)])


def leaves(rng: Rng, height: int, width: int, unit: float) -> Float:
    """A litter of leaves, green or autumn."""
    green = rng.random() < 0.5
    palette: list[Colour] = (
        [(0.18, 0.34, 0.12), (0.28, 0.45, 0.16), (0.12, 0.25, 0.10)]
        if green
        else [(0.45, 0.27, 0.10), (0.58, 0.38, 0.14), (0.30, 0.18, 0.10), (0.52, 0.22, 0.08)]
    )
    picture = Image.new("RGB", (width, height), _bytes(jitter(rng, (0.10, 0.11, 0.06), 0.2)))
    draw = ImageDraw.Draw(picture)
    size = unit * float(rng.uniform(0.06, 0.18))
    for _ in range(int(min(420, 3.0 * width * height / (size * size)))):
        x, y = float(rng.uniform(-0.05, 1.05)) * width, float(rng.uniform(-0.05, 1.05)) * height
        angle, length = float(rng.uniform(0, 6.28)), size * float(rng.uniform(0.6, 1.2))
        wide = length * float(rng.uniform(0.2, 0.36))
        c, s = math.cos(angle), math.sin(angle)
        u = np.linspace(0, 1, 9)
        v = wide * np.sin(math.pi * u**0.8)
        along = np.concatenate([u, u[::-1]]) * length
        across = np.concatenate([v, -v[::-1]])
        outline = [
            (x + a * c - b * s, y + a * s + b * c) for a, b in zip(along, across, strict=True)
        ]
        colour = jitter(rng, palette[int(rng.integers(len(palette)))], 0.16)
        draw.polygon(outline, fill=_bytes(colour))
        vein = _bytes((colour[0] * 1.25, colour[1] * 1.25, colour[2] * 1.2))
        draw.line([(x, y), (x + length * c, y + length * s)], fill=vein)
    return _floats(picture) * (1 + 0.06 * noise(rng, height, width, unit / 40, 2))[..., None]


def foliage(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Greenery far out of focus, with bright spots between the leaves."""
    dark, light = jitter(rng, (0.07, 0.14, 0.05), 0.3), jitter(rng, (0.40, 0.54, 0.22), 0.2)
    share = np.clip(0.42 + 0.24 * noise(rng, height, width, unit / 4, 3), 0, 1)
    base = mix(dark, light, share)
    picture = _picture(base)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(0, 26))):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        r = unit * float(rng.uniform(0.01, 0.06))
        tone = mix(dark, jitter(rng, (0.85, 0.90, 0.62), 0.1), float(rng.uniform(0.4, 0.9)))
        draw.ellipse([x - r, y - r, x + r, y + r], fill=_bytes((tone[0], tone[1], tone[2])))
    return _floats(picture.filter(ImageFilter.GaussianBlur(unit * float(rng.uniform(0.01, 0.03)))))


def sky(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Blue, grey or evening sky, with or without clouds."""
    tops: list[tuple[Colour, Colour]] = [
        ((0.22, 0.44, 0.78), (0.68, 0.82, 0.94)),
        ((0.40, 0.58, 0.82), (0.82, 0.89, 0.95)),
        ((0.62, 0.65, 0.70), (0.84, 0.85, 0.87)),
        ((0.34, 0.38, 0.58), (0.95, 0.68, 0.46)),
    ]
    top, bottom = tops[int(rng.integers(len(tops)))]
    base = mix(jitter(rng, top), jitter(rng, bottom), _down(height, width))
    if rng.random() < 0.6:
        cloud = noise(rng, height, width, unit / 2.5, 5) + float(rng.uniform(-0.6, 0.5))
        share = smoothstep(0.0, 1.4, cloud)
        base = mix(base, (0.95, 0.95, 0.96), share * np.float32(rng.uniform(0.5, 0.95)))
    return base


def wall(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Bricks, planks or plaster."""
    kind = int(rng.integers(3))
    tones: list[Colour] = [(0.56, 0.30, 0.22), (0.62, 0.58, 0.52), (0.50, 0.38, 0.26)]
    base = jitter(rng, tones[kind] if rng.random() < 0.7 else (0.75, 0.74, 0.70), 0.15)
    out = (
        _flat(height, width, base)
        * (1 + 0.05 * noise(rng, height, width, unit / 40, 3))[..., None]
    )
    if kind == 1:
        return out * (1 + 0.06 * noise(rng, height, width, unit / 3, 3))[..., None]
    tall = unit * float(rng.uniform(0.06, 0.16))
    long = tall * 2.6 if kind == 0 else unit * 4
    angle = math.pi / 2 if kind == 2 and rng.random() < 0.6 else float(rng.normal(0, 0.03))
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    u = (xs * math.cos(angle) + ys * math.sin(angle) + 0.3 * unit) / np.float32(long)
    v = (ys * math.cos(angle) - xs * math.sin(angle) + 9 * unit) / np.float32(tall)
    row = np.floor(v).astype(np.int32)
    u = u + 0.5 * (row % 2)
    column = np.floor(u).astype(np.int32)
    tone = rng.normal(1, 0.10, 4096).astype(np.float32)[(row * 67 + column * 31) % 4096]
    gap = np.minimum(0.5 - np.abs(u - column - 0.5), 1) * long
    joint = np.minimum(gap, (0.5 - np.abs(v - row - 0.5)) * tall)
    mortar = 1 - smoothstep(0.004 * unit, 0.010 * unit, joint)
    out = out * tone[..., None]
    return mix(out, jitter(rng, (0.66, 0.63, 0.58) if kind == 0 else (0.16, 0.13, 0.1)), mortar)


def path(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paving: slabs or asphalt, sometimes with a grass verge."""
    base = jitter(rng, (0.50, 0.49, 0.47), 0.2)
    speckle = 0.10 * noise(rng, height, width, max(1.2, unit / 150), 2)
    out = _flat(height, width, base) * (1 + speckle)[..., None]
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    if rng.random() < 0.6:
        size = unit * float(rng.uniform(0.25, 0.6))
        angle = float(rng.uniform(-0.6, 0.6))
        u = (xs * math.cos(angle) + ys * math.sin(angle)) / size + 20
        v = (ys * math.cos(angle) - xs * math.sin(angle)) / size + 20
        near = np.minimum(np.abs(u - np.rint(u)), np.abs(v - np.rint(v))) * size
        out = out * (1 - 0.5 * (1 - smoothstep(0.006 * unit, 0.014 * unit, near)))[..., None]
    if rng.random() < 0.4:
        verge = xs / width + 0.4 * (ys / height - 0.5) + 0.02 * noise(rng, height, width, unit / 8)
        cut = float(rng.choice([0.2, 0.8]))
        share = smoothstep(cut - 0.03, cut + 0.03, verge)
        out = mix(out, grass(rng, height, width, unit), share if cut > 0.5 else 1 - share)
    return out


def bark(rng: Rng, height: int, width: int, unit: float) -> Float:
    """The trunk of a tree: long ridges."""
    rows = max(3, int(height / (unit / 3)))
    columns = max(6, int(width / (unit / float(rng.uniform(18, 45)))))
    ridge = Image.fromarray(rng.standard_normal((rows, columns), np.float32))
    ridges = np.asarray(ridge.resize((width, height), Image.Resampling.BICUBIC))
    tone = 1 + 0.30 * np.abs(ridges) - 0.25 + 0.10 * noise(rng, height, width, unit / 50, 3)
    return _flat(height, width, jitter(rng, (0.40, 0.33, 0.27), 0.2)) * tone[..., None]


def water(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Ripples reflecting the sky."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(unit)
    phase = 0.6 * noise(rng, height, width, unit / 5, 3)
    depth = 14 + 40 * (1 - ys / max(1e-3, float(ys[-1, 0])))
    wave = np.sin(ys * depth + phase * 2.0) * np.cos(xs * float(rng.uniform(2, 7)) + phase * 2)
    dark, light = jitter(rng, (0.10, 0.20, 0.26), 0.2), jitter(rng, (0.60, 0.70, 0.76), 0.1)
    return mix(dark, light, np.clip(0.35 + 0.28 * wave + 0.08 * phase, 0, 1))


def night(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Almost nothing to see."""
    base = _flat(height, width, jitter(rng, (0.04, 0.045, 0.055), 0.4))
    glow = smoothstep(0.5, 2.2, noise(rng, height, width, unit / 2))
    return base + np.float32(rng.uniform(0, 0.10)) * glow[..., None]


def plain(rng: Rng, height: int, width: int, unit: float) -> Float:
    """One flat colour, from black to burnt out, or a soft gradient of two."""
    level = float(rng.uniform(0, 1.05))
    first: Colour = (level, level, level)
    if rng.random() < 0.5:
        first = (float(rng.random()), float(rng.random()), float(rng.random()))
    second = jitter(rng, first, 0.15)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(unit)
    angle = float(rng.uniform(0, 6.28))
    ramp = np.clip(xs * math.cos(angle) + ys * math.sin(angle), 0, 1)
    return mix(first, second, ramp)


def shadows(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Light falling through branches onto some other ground."""
    plain_grounds = (soil, path, wall, grass)
    base = plain_grounds[int(rng.integers(len(plain_grounds)))](rng, height, width, unit)
    mask = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(mask)
    for _ in range(int(rng.integers(3, 16))):
        x, y = float(rng.uniform(-0.2, 1.2)) * width, float(rng.uniform(-0.2, 1.2)) * height
        angle, length = float(rng.uniform(0, 6.28)), unit * float(rng.uniform(0.3, 1.4))
        end = (x + length * math.cos(angle), y + length * math.sin(angle))
        draw.line([(x, y), end], fill=0, width=max(1, int(unit * rng.uniform(0.01, 0.10))))
    soft = mask.filter(ImageFilter.GaussianBlur(unit * float(rng.uniform(0.003, 0.03))))
    dim = np.float32(rng.uniform(0.3, 0.7))
    return base * (dim + (1 - dim) * _grey(soft))[..., None]


def _grey(mask: Image.Image) -> Float:
    return np.asarray(mask, np.float32) / np.float32(255)


def blobs(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Balls, boxes, sticks and stains of any colour: things that are no flower."""
    choices = (soil, grass, path, wall, foliage, plain, gravel)
    base = choices[int(rng.integers(len(choices)))](rng, height, width, unit)
    picture = _picture(base)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1, 8))):
        colour = (float(rng.random()), float(rng.random()), float(rng.random()))
        x, y = float(rng.uniform(0, 1)) * width, float(rng.uniform(0, 1)) * height
        w, h = unit * float(rng.uniform(0.03, 0.3)), unit * float(rng.uniform(0.03, 0.3))
        kind = int(rng.integers(4))
        for step in range(6):  # nested shapes make a soft highlight
            shrink, gain = 1 - step * 0.14, 0.75 + step * 0.06
            fill = _bytes((colour[0] * gain, colour[1] * gain, colour[2] * gain))
            box = [x - w * shrink, y - h * shrink, x + w * shrink, y + h * shrink]
            if kind == 0:
                draw.ellipse(box, fill=fill)
            elif kind == 1:
                radius = min(w, h) * shrink
                draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill)
            elif kind == 2:
                draw.rectangle(box, fill=fill)
                break
            else:
                thick = max(2, int(unit * 0.03 * shrink))
                draw.line([(x - w, y - h), (x + w, y + h)], fill=fill, width=thick)
    return _floats(
        picture.filter(ImageFilter.GaussianBlur(unit * float(rng.uniform(0.002, 0.02))))
    )


GROUNDS: dict[str, Ground] = {
    painter.__name__: painter
    for painter in (
        grass, soil, gravel, leaves, foliage, sky, wall, path, bark, water, night, plain, shadows,
        blobs,
    )
}  # fmt: skip
"""Every ground by name; all of them are drawn for frames without a flower."""

BEHIND_FLOWERS: tuple[tuple[str, float], ...] = (
    ("grass", 0.24), ("foliage", 0.30), ("leaves", 0.10), ("soil", 0.09), ("gravel", 0.03),
    ("sky", 0.09), ("wall", 0.04), ("path", 0.03), ("night", 0.05), ("plain", 0.03),
)  # fmt: skip
"""Grounds behind flowers, with the share each gets."""
