"""The picture as it is to be seen: mirrored, turned, cut; for cameras whose hardware cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pi_classifier.cameras.settings import WHOLE, CameraSettings, Region
from pi_classifier.preprocessing.area_average import Pixels

# A whole RGB pixel: NumPy moves these two to three times as fast as bytes in threes.
_PIXEL = np.dtype((np.void, 3))


@dataclass(frozen=True, slots=True)
class Orientation:
    """What is done to each picture, in this order.

    `hflip` mirrors left to right, `vflip` top to bottom; then it is turned clockwise by
    `quarter_turns`; of what is seen then, only `region` is kept: left, top, width and height
    as fractions.
    """

    hflip: bool = False
    vflip: bool = False
    quarter_turns: int = 0
    region: Region = WHOLE

    @classmethod
    def of(cls, settings: CameraSettings) -> Orientation:
        """Return what the settings ask for."""
        return cls(settings.hflip, settings.vflip, settings.rotation // 90, settings.roi)

    def __call__(self, pixels: Pixels) -> Pixels:
        """Return the picture as it is to be seen, from RGB uint8 ``[height, width, 3]``.

        The result is C-contiguous and read-only: one copy of what is kept, or the picture
        itself where nothing is done to it.
        """
        if self == UNCHANGED:
            return pixels
        whole = np.ascontiguousarray(pixels).view(_PIXEL)[..., 0]
        mirrored = whole[:: -1 if self.vflip else 1, :: -1 if self.hflip else 1]
        turned = np.rot90(mirrored, -self.quarter_turns)
        left, top, wide, high = self.region
        rows, columns = _part(top, high, turned.shape[0]), _part(left, wide, turned.shape[1])
        kept = turned[rows, columns].copy()
        seen: Pixels = kept.view(np.uint8).reshape(*kept.shape, 3)
        seen.flags.writeable = False
        return seen

    def whole_side(self, size: tuple[int, int], side: int) -> int:
        """How long a whole picture's shorter side must be for what is kept to have `side`.

        `size` is the picture's (width, height) in pixels.
        """
        width, height = size[::-1] if self.quarter_turns % 2 else size
        kept = min(width * self.region[2], height * self.region[3])
        return math.ceil(min(size) * side / kept)

    def side_of_any(self, side: int) -> int:
        """As `whole_side`, enough for a picture of any size."""
        return round(side / min(self.region[2:]))

    def unturned_region(self) -> Region:
        """The region in a picture that is mirrored and not yet turned."""
        left, top, width, height = self.region
        right, bottom = 1 - left - width, 1 - top - height
        return (
            (left, top, width, height),
            (top, right, height, width),
            (right, bottom, width, height),
            (bottom, left, height, width),
        )[self.quarter_turns]


UNCHANGED = Orientation()


def _part(start: float, length: float, pixels: int) -> slice:
    """Those of so many pixels that a part of the whole is; at least one."""
    first = min(round(start * pixels), pixels - 1)
    return slice(first, max(first + 1, round((start + length) * pixels)))
