"""Views to draw, without a camera."""

from __future__ import annotations

import numpy as np

from pi_classifier.preview.latest_view import View
from pi_classifier.types import Category, Detection, Frame, Prediction


def view(
    number: int = 0,
    labels: tuple[str, ...] = ("daisy", "rose"),
    decided: str | None = "daisy",
    size: tuple[int, int] = (48, 64),
    detections: tuple[Detection, ...] = (),
) -> View:
    """A green frame of `size` (height, width), with a prediction if there are `labels`."""
    pixels = np.full((*size, 3), (0, 128, 0), np.uint8)
    scores = [0.75, 0.2, 0.05]
    categories = tuple(Category(i, label, scores[i]) for i, label in enumerate(labels))
    prediction = Prediction(categories, "m", 0, 1, detections=detections) if labels else None
    return View(Frame(pixels, number, number * 100_000_000), prediction, decided)
