"""How a scene is lit and photographed: color cast, vignette, gamma, blur."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import ImageFilter

from pi_classifier.cameras.emulated.garden.pixels import Float, picture_of, pixels_of


@dataclass(frozen=True, slots=True)
class Light:
    """How the scene is lit and photographed; lengths in units of the shorter side."""

    gain: tuple[float, float, float]
    gamma: float
    vignette: float
    slope: float
    direction: float
    focus_blur: float
    ground_blur: float
    noise: float  # standard deviation in gray levels


def draw_light(rng: np.random.Generator, *, flower: bool) -> Light:
    """Draw a light by lot; scenes with a flower keep nearer to a good exposure."""
    exposure = float(np.exp(rng.normal(0.0, 0.16 if flower else 0.25)))
    warmth, tint = float(rng.normal(0, 0.06)), float(rng.normal(0, 0.03))
    out_of_focus = rng.random() < 0.3
    far = flower or rng.random() < 0.5
    return Light(
        gain=(exposure * (1 + warmth), exposure * (1 + tint), exposure * (1 - warmth)),
        gamma=float(rng.uniform(0.85, 1.25)),
        vignette=float(rng.uniform(0.0, 0.45)),
        slope=float(rng.uniform(0.0, 0.3)),
        direction=float(rng.uniform(-2.8, -0.3)),
        focus_blur=float(rng.uniform(0.002, 0.010)) if out_of_focus else 0.0008,
        ground_blur=float(rng.choice([0.0, 0.004, 0.012, 0.025])) if far else 0.0,
        noise=float(rng.uniform(1.0, 3.0) if rng.random() < 0.75 else rng.uniform(3.0, 10.0)),
    )


def lamp_of(light: Light, height: int, width: int) -> Float:
    """Return the brightness over the frame: light from one side, and the lens' vignette."""
    ys = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    xs = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    side = xs * math.cos(light.direction) + ys * math.sin(light.direction)
    return np.asarray(
        (1 + light.slope * 0.5 * side) * (1 - light.vignette * 0.5 * (xs**2 + ys**2)), np.float32
    )


def photographed(rgb: Float, light: Light, lamp: Float) -> Float:
    """Return what the camera makes of the colors under the light."""
    lit = rgb * lamp[..., None] * np.asarray(light.gain, np.float32)
    return np.asarray(np.clip(lit, 0, 1) ** np.float32(light.gamma), np.float32)


def blurred(rgb: Float, radius: float) -> Float:
    """Return RGB or RGBA pixels out of focus; `radius` in pixels."""
    if radius < 0.3:
        return rgb
    return pixels_of(picture_of(rgb).filter(ImageFilter.GaussianBlur(radius)))
