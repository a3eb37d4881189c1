"""From a picture of any size to the pixels a model wants: the project's only resize.

The daemon and the training side both use it, so that a network never meets a
picture that was made smaller in another way than those it learned from.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from pi_classifier.preprocessing.area_average import (
    LARGEST_SCALE,
    SMALLEST_SCALE,
    AreaAverage,
    Box,
    Pixels,
)

Resize = Literal["crop", "stretch"]


class Preprocessor:
    """Crops and resizes RGB pictures to `size` = (height, width).

    `resize="crop"` takes the largest centered part of the picture that has the
    target's aspect ratio; `"stretch"` takes all of it. Either is then made
    smaller (or larger) with every source pixel counted: no aliasing. An instance
    keeps working memory for the last picture size it met, so it serves one thread.
    """

    def __init__(self, size: tuple[int, int], resize: Resize = "crop") -> None:
        if min(size) < 1:
            raise ValueError(f"size {size} must be (height, width), both at least 1")
        if resize not in ("crop", "stretch"):
            raise ValueError(f'resize {resize!r} must be "crop" or "stretch"')
        self.size = size
        self.resize = resize
        self._source: tuple[int, int] | None = None
        self._box: Box | None = None
        self._area: AreaAverage | None = None

    def __call__(self, pixels: Pixels, out: Pixels | None = None) -> Pixels:
        """Return uint8 ``[H, W, 3]`` from uint8 RGB ``[h, w, 3]``.

        A picture that already has the size is returned itself, not a copy.
        Otherwise the result is written to `out` (C-contiguous) where one is given.
        """
        source = pixels.shape[:2]
        if source == self.size:
            return pixels
        if out is None:
            out = np.empty((*self.size, 3), np.uint8)
        if source != self._source:
            self._plan(source)
        if self._area is not None:
            return self._area(np.ascontiguousarray(pixels), out)
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        # "Bilinear" of Pillow is a triangle as wide as the scale asks: antialiased.
        small = picture.resize(self.size[::-1], Image.Resampling.BILINEAR, box=self._box)
        np.copyto(out, np.asarray(small))
        return out

    def _plan(self, source: tuple[int, int]) -> None:
        """Prepare for pictures of `source` size; a camera's frames all have one size."""
        whole: Box = (0.0, 0.0, float(source[1]), float(source[0]))
        box = crop_box(source, self.size) if self.resize == "crop" else whole
        scales = ((box[3] - box[1]) / self.size[0], (box[2] - box[0]) / self.size[1])
        fits = min(scales) >= SMALLEST_SCALE and max(scales) <= LARGEST_SCALE
        self._area = AreaAverage(source, self.size, box) if fits else None
        self._box = box
        self._source = source


def crop_box(source: tuple[int, int], target: tuple[int, int]) -> Box:
    """Return the centered (left, top, right, bottom) of `source` with `target`'s aspect ratio.

    Sizes are (height, width) in pixels; the box may lie between pixels.
    """
    height, width = source
    scale = min(height / target[0], width / target[1])
    # Multiplying back may exceed the picture by a rounding error, which no resize accepts.
    box_height, box_width = min(height, target[0] * scale), min(width, target[1] * scale)
    left, top = (width - box_width) / 2, (height - box_height) / 2
    return left, top, min(width, left + box_width), min(height, top + box_height)
