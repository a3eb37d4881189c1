"""The fast way of averaging gives, bit for bit, what summing window by window gives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pi_classifier.preprocessing.area_average import AreaAverage, Box, Pixels, Windows, windows
from pi_classifier.preprocessing.preprocessor import crop_box


def weights(laid: Windows, source: int) -> NDArray[np.int64]:
    """How many half pixels of each source pixel every window has, ``[windows, source]``."""
    halves = np.zeros((len(laid.first), 2 * source), np.int64)
    for row, first, odd in zip(halves, laid.first, laid.odd, strict=True):
        begin = 2 * int(first) + int(odd)
        row[begin : begin + laid.halves] = 1
    counts: NDArray[np.int64] = halves.reshape(len(laid.first), source, 2).sum(axis=2)
    return counts


def averaged(pixels: Pixels, target: tuple[int, int], box: Box) -> NDArray[np.int64]:
    """Every window's mean, rounded to the nearest, half up."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    rows = weights(windows(top, (bottom - top) / target[0], height, target[0]), height)
    columns = weights(windows(left, (right - left) / target[1], width, target[1]), width)
    # Exact in floats, which multiply matrices faster than integers do.
    lines = rows.astype(float) @ pixels.reshape(height, -1).astype(float)
    sums = columns.astype(float) @ lines.reshape(target[0], width, 3)
    addends = int(rows[0].sum() * columns[0].sum())
    rounded: NDArray[np.int64] = (2 * sums.astype(np.int64) + addends) // (2 * addends)
    return rounded


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((480, 640), (224, 224)),  # half pixels, in many blocks, the sides cut off
        ((480, 640), (160, 160)),  # whole pixels
        ((480, 640), (200, 96)),  # half pixels down, whole ones across
        ((97, 131), (24, 33)),  # sides that share no divisor
        ((61, 61), (29, 30)),  # windows of an odd number of half pixels
        ((250, 260), (31, 16)),  # nearly as many addends as fit
        ((5, 1200), (2, 500)),  # lines longer than a block is high
    ],
)
@pytest.mark.parametrize("crop", [True, False])
def test_pixels_are_those_of_summing_window_by_window(
    source: tuple[int, int], target: tuple[int, int], crop: bool
) -> None:
    box = crop_box(source, target) if crop else (0.0, 0.0, float(source[1]), float(source[0]))
    shrink = AreaAverage(source, target, box)
    for seed in (1, 2):  # the second finds what the first left in its memory
        pixels = np.random.default_rng(seed).integers(0, 256, (*source, 3), dtype=np.uint8)
        small = shrink(pixels, np.empty((*target, 3), np.uint8))
        assert (small == averaged(pixels, target, box)).all()


def test_a_white_picture_overflows_nothing() -> None:
    white = np.full((256, 256, 3), 255, np.uint8)
    for side in (16, 17, 30, 31, 100):
        box = (0.0, 0.0, 256.0, 256.0)
        small = AreaAverage((256, 256), (side, side), box)(white, np.empty((side, side, 3), "u1"))
        assert (small == 255).all(), side
