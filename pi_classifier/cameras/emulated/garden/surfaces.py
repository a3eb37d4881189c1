"""Painters of built ground and of things that are no flower."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pi_classifier.cameras.emulated.garden.greens import (
    Rng,
    clasping_leaves,
    rosette,
    straight_stem,
    tulip_leaves,
)
from pi_classifier.cameras.emulated.garden.grounds import foliage, grass, gravel, soil
from pi_classifier.cameras.emulated.garden.light import blurred
from pi_classifier.cameras.emulated.garden.painting import Canvas, Pose
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


def wall(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint bricks, planks or plaster."""
    kind = int(rng.integers(3))
    tones: list[Color] = [(0.56, 0.30, 0.22), (0.62, 0.58, 0.52), (0.50, 0.38, 0.26)]
    base = jitter(rng, tones[kind] if rng.random() < 0.7 else (0.75, 0.74, 0.70), 0.15)
    grain = 1 + 0.05 * noise(rng, height, width, unit / 40, 3)
    out = full(height, width, base) * grain[..., None]
    if kind == 1:
        stains = 1 + 0.06 * noise(rng, height, width, unit / 3, 3)
        return np.asarray(out * stains[..., None], np.float32)
    tall = unit * float(rng.uniform(0.06, 0.16))
    long = tall * 2.6 if kind == 0 else unit * 4
    angle = math.pi / 2 if kind == 2 and rng.random() < 0.6 else float(rng.normal(0, 0.03))
    ys, xs = places(height, width)
    # u along a course of bricks and v across the courses, both in bricks
    u = (xs * math.cos(angle) + ys * math.sin(angle) + 0.3 * unit) / np.float32(long)
    v = (ys * math.cos(angle) - xs * math.sin(angle) + 9 * unit) / np.float32(tall)
    row = np.floor(v).astype(np.int32)
    u = u + 0.5 * (row % 2)  # every other course is laid half a brick further
    column = np.floor(u).astype(np.int32)
    # each brick its own tone: its row and column hashed into a table of lots
    tone = rng.normal(1, 0.10, 4096).astype(np.float32)[(row * 67 + column * 31) % 4096]
    # pixels to the nearest joint: a brick's end, or the course above or below
    gap = np.minimum(0.5 - np.abs(u - column - 0.5), 1) * long
    joint = np.minimum(gap, (0.5 - np.abs(v - row - 0.5)) * tall)
    mortar = 1 - smoothstep(0.004 * unit, 0.010 * unit, joint)
    out = out * tone[..., None]
    return mix(out, jitter(rng, (0.66, 0.63, 0.58) if kind == 0 else (0.16, 0.13, 0.1)), mortar)


def path(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint slabs or asphalt, sometimes with a grass verge."""
    base = jitter(rng, (0.50, 0.49, 0.47), 0.2)
    speckle = 0.10 * noise(rng, height, width, max(1.2, unit / 150), 2)
    out = full(height, width, base) * (1 + speckle)[..., None]
    ys, xs = places(height, width)
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


def plain(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint one flat color, from black to burnt out, or a soft gradient of two."""
    level = float(rng.uniform(0, 1.05))
    first: Color = (level, level, level)
    if rng.random() < 0.5:
        first = (float(rng.random()), float(rng.random()), float(rng.random()))
    second = jitter(rng, first, 0.15)
    ys, xs = (place / np.float32(unit) for place in places(height, width))
    angle = float(rng.uniform(0, 6.28))
    ramp = np.clip(xs * math.cos(angle) + ys * math.sin(angle), 0, 1)
    return mix(first, second, ramp)


def shadows(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint light falling through branches onto some other ground."""
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
    return base * (dim + (1 - dim) * pixels_of(soft))[..., None]


def blobs(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint balls, boxes, sticks and stains of any color: things that are no flower."""
    choices = (soil, grass, path, wall, foliage, plain, gravel)
    base = choices[int(rng.integers(len(choices)))](rng, height, width, unit)
    picture = picture_of(base)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1, 8))):
        color = (float(rng.random()), float(rng.random()), float(rng.random()))
        x, y = float(rng.uniform(0, 1)) * width, float(rng.uniform(0, 1)) * height
        w, h = unit * float(rng.uniform(0.03, 0.3)), unit * float(rng.uniform(0.03, 0.3))
        kind = int(rng.integers(4))
        for step in range(6):  # nested shapes make a soft highlight
            shrink, gain = 1 - step * 0.14, 0.75 + step * 0.06
            tone = fill((color[0] * gain, color[1] * gain, color[2] * gain))
            box = [x - w * shrink, y - h * shrink, x + w * shrink, y + h * shrink]
            if kind == 0:
                draw.ellipse(box, fill=tone)
            elif kind == 1:
                radius = min(w, h) * shrink
                draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=tone)
            elif kind == 2:
                draw.rectangle(box, fill=tone)
                break
            else:
                thick = max(2, int(unit * 0.03 * shrink))
                draw.line([(x - w, y - h), (x + w, y + h)], fill=tone, width=thick)
    return blurred(pixels_of(picture), unit * float(rng.uniform(0.002, 0.02)))


def shoots(rng: Rng, height: int, width: int, unit: float) -> Float:
    """Paint plants with leaves and stems only."""
    choices = (soil, grass, foliage)
    base = choices[int(rng.integers(len(choices)))](rng, height, width, unit)
    canvas = Canvas(height, width)
    for _ in range(int(rng.integers(1, 5))):
        x, y = float(rng.uniform(0.1, 0.9)) * width, float(rng.uniform(0.2, 0.8)) * height
        pose = Pose(x, y, unit * float(rng.uniform(0.12, 0.4)))
        foot = (x + float(rng.normal(0, 0.1)) * unit, min(height * 1.02, y + 2.2 * pose.radius))
        kind = int(rng.integers(3))
        if kind == 0:
            tulip_leaves(canvas, pose.radius, foot, rng)
        elif kind == 1:
            rosette(canvas, pose, foot, rng)
        else:
            straight_stem(canvas, pose, foot, rng, width=0.05)
            clasping_leaves(canvas, pose, foot, rng, float(rng.uniform(0.15, 0.4)))
    return base * (1 - canvas.alpha[..., None]) + canvas.rgb
