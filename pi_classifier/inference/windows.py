"""Where in a frame the windows lie that a model looks at one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pi_classifier.errors import ConfigError
from pi_classifier.preprocessing.preprocessor import Preprocessor
from pi_classifier.types import Box

Pixels = NDArray[np.uint8]
Size = tuple[int, int]

# A window enlarged more than so much has nothing in it that the model could see.
_MOST_ENLARGED = 2.0
_MOST_WINDOWS = 1000


class Grid:
    """A frame shrunk so that the windows of one size are as large as the model's pictures.

    `frame` is the frame's (height, width), `window` that of the model's pictures; a window is
    as high as `part` of the frame's shorter side.
    """

    def __init__(self, frame: Size, window: Size, part: float) -> None:
        scale = window[0] / (part * min(frame))
        self.size = _scaled(frame[0], scale, window[0]), _scaled(frame[1], scale, window[1])
        self.enlarges = scale
        self.window = window
        self._shrink = Preprocessor(self.size, "stretch")
        self._pixels = np.empty((*self.size, 3), np.uint8)

    def shrunk(self, pixels: Pixels) -> Pixels:
        """The whole frame at this grid's size; valid until the next call."""
        return self._shrink(pixels, self._pixels)

    def corners(self, overlap: float) -> Iterator[tuple[int, int]]:
        """Top and left, in pixels of this grid, of windows that overlap by that part at least."""
        rows, columns = (
            _starts(length, window, overlap)
            for length, window in zip(self.size, self.window, strict=True)
        )
        return ((top, left) for top in rows for left in columns)

    def box(self, top: int, left: int) -> Box:
        """A window as fractions of the frame."""
        height, width = self.size
        return left / width, top / height, self.window[1] / width, self.window[0] / height


@dataclass(frozen=True, slots=True)
class Window:
    """One window: the number of its grid, its corner there in pixels, and its box."""

    grid: int
    top: int
    left: int
    box: Box

    def seen_in(self, shrunk: Pixels, size: Size) -> Pixels:
        """A view of the window in its grid's picture."""
        return shrunk[self.top : self.top + size[0], self.left : self.left + size[1]]

    def cut_from(self, pixels: Pixels) -> Pixels:
        """The window's part of the frame itself, at its own resolution."""
        height, width = pixels.shape[:2]
        left, top, wide, tall = self.box
        first, start = round(top * height), round(left * width)
        # The same size wherever it lies, so that nothing is planned anew.
        rows = slice(first, first + max(1, math.floor(tall * height)))
        columns = slice(start, start + max(1, math.floor(wide * width)))
        return np.ascontiguousarray(pixels[rows, columns])


def lay_out(
    frame: Size, window: Size, parts: Sequence[float], overlap: float
) -> tuple[list[Grid], list[Window]]:
    """The grids and windows for frames of one size. Raises ConfigError for too small ones."""
    grids = [Grid(frame, window, part) for part in parts]
    shown = ", ".join(f"{part:g}" for part in parts)
    enlarged = max(grids, key=lambda grid: grid.enlarges)
    if enlarged.enlarges > _MOST_ENLARGED:
        raise ConfigError(
            f"tiles.sizes = [{shown}]: the smallest windows have {round(min(parts) * min(frame))} "
            f"pixels of a frame of {frame[1]} by {frame[0]}, too few for a model that looks at "
            f"{window[1]} by {window[0]}; set camera.width and camera.height higher, or larger "
            "windows"
        )
    windows = [
        Window(number, top, left, grid.box(top, left))
        for number, grid in enumerate(grids)
        for top, left in grid.corners(overlap)
    ]
    if len(windows) > _MOST_WINDOWS:
        raise ConfigError(
            f"tiles.sizes = [{shown}], tiles.overlap = {overlap:g}: that is {len(windows)} "
            f"windows for each frame; choose larger ones or less overlap, {_MOST_WINDOWS} at most"
        )
    return grids, windows


def _scaled(length: int, scale: float, least: int) -> int:
    return max(round(length * scale), least)


def _starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows begin so that they cover the length evenly, the last one ending with it."""
    steps = math.ceil((length - window) / (window * (1 - overlap)) - 1e-9)
    return [round(step * (length - window) / steps) for step in range(steps + 1)] if steps else [0]
