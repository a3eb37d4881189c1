"""How alike two photos are, from small gray pictures of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# The side of the small gray picture that two photos are compared by.
GRAY_SIDE = 32


def gray_thumbnail(gray: Image.Image) -> NDArray[np.uint8]:
    """The small gray picture of a gray one, uint8 ``[32, 32]``: each pixel the mean of a part."""
    return np.asarray(gray.resize((GRAY_SIDE, GRAY_SIDE), Image.Resampling.BOX))


def difference_hash(gray: Image.Image) -> int:
    """64 bits that say where in a gray picture, cut into 9 by 8 parts, it gets brighter.

    Each bit compares a part with its left neighbor, so that brightness and contrast of the
    whole photo, and its size, do not matter.
    """
    parts = np.asarray(gray.resize((9, 8), Image.Resampling.BOX)).astype(np.int16)
    return int.from_bytes(np.packbits(parts[:, 1:] > parts[:, :-1]).tobytes(), "big")


def correlation(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """How alike two small pictures are, whatever their brightness and contrast; 1 is equal."""
    x = a.astype(np.float64).ravel() - a.mean()
    y = b.astype(np.float64).ravel() - b.mean()
    return float(x @ y / np.sqrt((x @ x) * (y @ y) + 1e-9))
