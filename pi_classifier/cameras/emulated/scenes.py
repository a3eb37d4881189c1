"""Garden scenes drawn from a seed: five flowers and ground without any.

The project's own renderer: numpy and Pillow, no photo. A `Scene` holds what was
drawn by lot; `render` paints it at any size and moment. What does not move is
painted once per size and kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from pi_classifier.cameras.emulated.garden import BEHIND_FLOWERS, GROUNDS, PAINTERS
from pi_classifier.cameras.emulated.garden.light import (
    Light,
    blurred,
    draw_light,
    lamp_of,
    photographed,
)
from pi_classifier.cameras.emulated.garden.painting import Canvas, Pose
from pi_classifier.cameras.emulated.garden.pixels import Float, picture_of, pixels_of, quantized

LABELS = ("background", "daisy", "dandelion", "roses", "sunflowers", "tulips")

BACKGROUND = LABELS[0]
MEADOW_REACH = 5.0


@dataclass(frozen=True, slots=True)
class Plant:
    """One plant; positions from the frame's center and radius in the scene's units."""

    x: float
    y: float
    radius: float
    squash: float
    lean: float
    foot_x: float
    seed: int


@dataclass(frozen=True, slots=True)
class Motion:
    """Sway in the wind and drift of the camera: amplitudes, and periods in seconds."""

    sway: float
    sway_period_s: float
    drift: float
    drift_period_s: float
    phase: float


@dataclass(frozen=True, slots=True, eq=False)
class _Layers:
    """The painted parts of a scene at one size."""

    ground: Image.Image
    margin: int
    plants: Image.Image | None
    corner: tuple[int, int]
    grain: NDArray[np.int8]


_GRAIN_SPARE = 48
_PAINTED_SIDE = 240  # larger frames are enlarged from this: painting costs by the pixel
_FAR_AWAY = frozenset({"sky", "foliage", "night"})  # no shadow falls on these


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One scene: a label and everything drawn by lot for it.

    The frame's shorter side spans `reach` units of length: 1 is a close look at the flowers,
    `MEADOW_REACH` a wide view with one small flower in it.
    """

    label: str
    ground: str
    ground_seed: int
    plants: tuple[Plant, ...]
    light: Light
    motion: Motion
    reach: float = 1.0
    _painted: dict[tuple[int, int], _Layers] = field(default_factory=dict, repr=False)

    @classmethod
    def draw(cls, label: str, rng: np.random.Generator, reach: float = 1.0) -> Scene:
        """Draw the scene's parameters; raises ValueError for a label not in `LABELS`."""
        if label not in LABELS:
            raise ValueError(f"no scene for label {label!r}; known: {', '.join(LABELS)}")
        if label == BACKGROUND:
            names = tuple(GROUNDS)
            ground = names[int(rng.integers(len(names)))]
            plants: tuple[Plant, ...] = ()
        else:
            names, shares = zip(*BEHIND_FLOWERS, strict=True)
            ground = str(rng.choice(names, p=np.asarray(shares) / sum(shares)))
            plants = _draw_plants(rng) if reach == 1.0 else (_draw_small_plant(rng, reach),)
        light = draw_light(rng, flower=bool(plants))
        return cls(label, ground, _seed(rng), plants, light, _draw_motion(rng), reach)

    def render(
        self, height: int, width: int, time_s: float, rng_or_seed: np.random.Generator | int
    ) -> NDArray[np.uint8]:
        """Paint the scene at `time_s`: RGB uint8 ``[height, width, 3]``, C-contiguous.

        `rng_or_seed` decides the sensor noise alone, so equal arguments give equal
        bytes.
        """
        if height < 1 or width < 1:
            raise ValueError(f"scene size {width}x{height}: both sides must be at least 1")
        layers = self._painted.get((height, width))
        if layers is None:
            self._painted.clear()  # one size at a time: a camera never changes its own
            layers = self._painted[height, width] = _paint(self, height, width)
        unit = min(height, width) / self.reach
        motion = self.motion
        # drift is a loop that does not close, as no hand and no wind repeats itself
        turn = 2 * math.pi * time_s / motion.drift_period_s + motion.phase
        swing = math.sin(2 * math.pi * time_s / motion.sway_period_s + motion.phase)
        shake_x = round(motion.drift * unit * math.sin(turn))
        shake_y = round(motion.drift * unit * math.cos(turn * 0.83))
        left, top = layers.margin + shake_x, layers.margin + shake_y
        picture = layers.ground.crop((left, top, left + width, top + height))
        if layers.plants is not None:
            _lay_plants(picture, layers, motion.sway * swing, (shake_x, shake_y))
        return _with_grain(picture, layers.grain, np.random.default_rng(rng_or_seed))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**62))


def _draw_plants(rng: np.random.Generator) -> tuple[Plant, ...]:
    count = int(rng.choice([1, 2, 3, 4, 6, 9], p=[0.55, 0.12, 0.12, 0.09, 0.07, 0.05]))
    if count == 1:
        radius, spread = float(rng.uniform(0.27, 0.50)), 0.07
    else:
        radius, spread = float(rng.uniform(0.52, 0.68)) / (1 + math.sqrt(count)), 0.34
    shared = _seed(rng)
    plants: list[Plant] = []
    for _ in range(count):
        size = radius * float(rng.uniform(0.85, 1.12))
        x, y = _free_spot(rng, plants, size, spread)
        side_on = rng.random() < 0.25
        squash = float(rng.uniform(0.5, 0.75) if side_on else rng.uniform(0.75, 1.0))
        foot = x + float(rng.normal(0, 0.12))
        seed = shared if rng.random() < 0.5 else _seed(rng)
        plants.append(Plant(x, y, size, squash, float(rng.normal(0, 0.35)), foot, seed))
    return tuple(sorted(plants, key=lambda plant: plant.y))


def _draw_small_plant(rng: np.random.Generator, reach: float) -> Plant:
    """One plant anywhere in the frame's middle square; its head is 1/8 of the frame's height."""
    radius = reach / 16
    x, y = (float(place) for place in rng.uniform(-0.42 * reach, 0.42 * reach, 2))
    squash, lean = float(rng.uniform(0.75, 1.0)), float(rng.normal(0, 0.35))
    return Plant(x, y, radius, squash, lean, x + float(rng.normal(0, 0.12)), _seed(rng))


def _free_spot(
    rng: np.random.Generator, plants: list[Plant], size: float, spread: float
) -> tuple[float, float]:
    """Pick the spot, of twelve, that overlaps the plants so far least."""

    def crowding(spot: tuple[float, float]) -> float:
        gaps = [math.dist(spot, (p.x, p.y)) - 0.9 * (size + p.radius) for p in plants]
        return -min([0.0, *gaps])

    spots = [(float(x), float(y)) for x, y in rng.uniform(-spread, spread, (12, 2))]
    return min(spots, key=crowding)


def _draw_motion(rng: np.random.Generator) -> Motion:
    return Motion(
        sway=float(rng.uniform(0.004, 0.03)),
        sway_period_s=float(rng.uniform(1.2, 3.0)),
        drift=float(rng.uniform(0.0, 0.008)),
        drift_period_s=float(rng.uniform(2.0, 5.0)),
        phase=float(rng.uniform(0, 6.28)),
    )


def _paint(scene: Scene, height: int, width: int) -> _Layers:
    """Paint ground, plants and grain; the slow part, done once per size."""
    shrink = min(1.0, _PAINTED_SIDE * scene.reach / min(height, width))
    tall, wide = max(1, round(height * shrink)), max(1, round(width * shrink))
    unit, light, motion = min(tall, wide) / scene.reach, scene.light, scene.motion
    # wide enough that neither drift nor sway shows where the layers end
    margin = math.ceil(motion.drift * unit + motion.sway * tall) + 2
    rng = np.random.default_rng(scene.ground_seed)
    full_height, full_width = tall + 2 * margin, wide + 2 * margin
    ground = blurred(
        GROUNDS[scene.ground](rng, full_height, full_width, unit), light.ground_blur * unit
    )
    lamp = lamp_of(light, full_height, full_width)
    canvas = Canvas(full_height, full_width)
    for plant in scene.plants:
        _paint_plant(canvas, scene, plant, unit)
    if scene.plants and scene.ground not in _FAR_AWAY:
        _cast_shadow(ground, canvas, unit, light)
    plants, corner = (
        _plant_layer(canvas, light, lamp, scene.reach) if scene.plants else (None, (0, 0))
    )
    lit = picture_of(blurred(photographed(ground, light, lamp), light.focus_blur * unit))
    grain = _grain(rng, height, width, light.noise)
    if shrink == 1.0:
        return _Layers(lit, margin, plants, corner, grain)
    enlarge = height / tall, width / wide
    return _Layers(
        _enlarged(lit, enlarge),
        math.floor(margin * min(enlarge)),
        _enlarged(plants, enlarge) if plants else None,
        (round(corner[0] * enlarge[1]), round(corner[1] * enlarge[0])),
        grain,
    )


def _enlarged(picture: Image.Image, factor: tuple[float, float]) -> Image.Image:
    size = math.ceil(picture.width * factor[1]), math.ceil(picture.height * factor[0])
    return picture.resize(size, Image.Resampling.BICUBIC)


def _paint_plant(canvas: Canvas, scene: Scene, plant: Plant, unit: float) -> None:
    height, width = canvas.shape
    pose = Pose(
        x=width / 2 + plant.x * unit,
        y=height / 2 + plant.y * unit,
        radius=plant.radius * unit,
        squash=plant.squash,
        lean=plant.lean,
        light=scene.light.direction,
    )
    below = pose.y + 1.6 * pose.radius
    ground = max(height * 1.02, below) if scene.reach == 1.0 else below + pose.radius
    foot = (width / 2 + plant.foot_x * unit, ground)
    PAINTERS[scene.label](canvas, pose, foot, np.random.default_rng(plant.seed))


def _cast_shadow(ground: Float, canvas: Canvas, unit: float, light: Light) -> None:
    """Darken the ground below the plants, softly and away from the light."""
    mask = Image.fromarray(quantized(canvas.alpha))
    soft = mask.filter(ImageFilter.GaussianBlur(0.03 * unit))
    shift_x = -round(0.05 * unit * math.cos(light.direction))
    shift_y = -round(0.05 * unit * math.sin(light.direction))
    sheet = Image.new("L", mask.size)
    sheet.paste(soft, (shift_x, shift_y))
    ground *= (1 - 0.45 * pixels_of(sheet))[..., None]


def _plant_layer(
    canvas: Canvas, light: Light, lamp: Float, reach: float
) -> tuple[Image.Image | None, tuple[int, int]]:
    """Return the plants as an RGBA picture cut to what is painted, and its corner."""
    blur = light.focus_blur * min(canvas.shape) / reach
    box = Image.fromarray(quantized(canvas.alpha)).getbbox()
    if box is None:
        return None, (0, 0)
    spare = math.ceil(3 * blur)  # room for the blurred outline
    rows = slice(max(0, box[1] - spare), box[3] + spare)
    columns = slice(max(0, box[0] - spare), box[2] + spare)
    alpha = canvas.alpha[rows, columns, None]
    straight = canvas.rgb[rows, columns] / np.maximum(alpha, 1e-3)
    rgb = photographed(straight, light, lamp[rows, columns])
    # blurred while premultiplied, or dark fringes appear
    pixels = blurred(np.concatenate([rgb * alpha, alpha], axis=2), blur)
    pixels[..., :3] /= np.maximum(pixels[..., 3:], 1e-3)
    return picture_of(pixels), (columns.start, rows.start)


def _lay_plants(
    picture: Image.Image, layers: _Layers, shear: float, shake: tuple[int, int]
) -> None:
    """Lean the plants by `shear` around their foot and lay them on the ground.

    `shear` is how far the top moves for each pixel of height; `shake` (x, y) the camera's
    drift in pixels.
    """
    plants = layers.plants
    if plants is None:
        return
    height = plants.height
    spare = math.ceil(abs(shear) * height) + 1
    # Pillow wants, for each pixel of the result, where it comes from: x + shear * (y - height),
    # so that the last row, the foot, stays
    leaned = plants.transform(
        (plants.width + 2 * spare, height),
        Image.Transform.AFFINE,
        (1.0, shear, -spare - shear * height, 0.0, 1.0, 0.0),
        Image.Resampling.BILINEAR,
    )
    x, y = layers.corner
    spot = (x - spare - layers.margin - shake[0], y - layers.margin - shake[1])
    picture.paste(leaned, spot, leaned)


def _grain(rng: np.random.Generator, height: int, width: int, sigma: float) -> NDArray[np.int8]:
    """Return the sensor's noise, in gray levels, for a little more than a frame."""
    raw = rng.standard_normal((height + _GRAIN_SPARE, width + _GRAIN_SPARE, 3), np.float32)
    raw *= np.float32(sigma)
    np.rint(raw, out=raw)
    return np.asarray(np.clip(raw, -127, 127, out=raw), np.int8)


def _with_grain(
    picture: Image.Image, grain: NDArray[np.int8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Add a part of the grain chosen by lot: an addition, where fresh noise took 13 ms."""
    y, x = (int(value) for value in rng.integers(0, _GRAIN_SPARE, 2))
    part = grain[y : y + picture.height, x : x + picture.width]
    summed = np.add(part, np.asarray(picture), dtype=np.int16)
    return np.asarray(np.clip(summed, 0, 255, out=summed), np.uint8)
