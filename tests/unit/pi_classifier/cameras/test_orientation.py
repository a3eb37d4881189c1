"""Mirrored, turned and cut, as each word says; nothing done where nothing is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras.orientation import Orientation
from pi_classifier.cameras.settings import WHOLE, CameraSettings, Region

# Every pixel another; red tells the column, green the row.
ROWS, COLUMNS = np.mgrid[0:6, 0:8].astype(np.uint8)
PICTURE = np.dstack([COLUMNS, ROWS, 100 + ROWS * 8 + COLUMNS])

FRACTIONS = st.sampled_from([0.0, 0.05, 0.25, 1 / 3, 0.5, 0.75, 0.95, 1.0])
SIZES = st.sampled_from([1, 2, 3, 7, 8, 16, 31])


def test_where_nothing_is_asked_the_picture_itself_is_passed_on() -> None:
    assert Orientation.of(CameraSettings())(PICTURE) is PICTURE


@pytest.mark.parametrize(
    ("asked", "corners"),  # column and row of what is at the four corners, clockwise
    [
        (Orientation(hflip=True), [(7, 0), (0, 0), (0, 5), (7, 5)]),
        (Orientation(vflip=True), [(0, 5), (7, 5), (7, 0), (0, 0)]),
        (Orientation(quarter_turns=1), [(0, 5), (0, 0), (7, 0), (7, 5)]),
        (Orientation(quarter_turns=2), [(7, 5), (0, 5), (0, 0), (7, 0)]),
        (Orientation(quarter_turns=3), [(7, 0), (7, 5), (0, 5), (0, 0)]),
        (Orientation(hflip=True, quarter_turns=1), [(7, 5), (7, 0), (0, 0), (0, 5)]),
        (Orientation(region=(0.25, 0.5, 0.5, 0.5)), [(2, 3), (5, 3), (5, 5), (2, 5)]),
        # the upper half of what is seen once it is turned: the left half of the sensor's
        (Orientation(quarter_turns=1, region=(0, 0, 1, 0.5)), [(0, 5), (0, 0), (3, 0), (3, 5)]),
    ],
)
def test_what_comes_to_the_corners(asked: Orientation, corners: list[tuple[int, int]]) -> None:
    seen = asked(PICTURE)
    places = [(0, 0), (0, -1), (-1, -1), (-1, 0)]
    assert [tuple(seen[place][:2].tolist()) for place in places] == corners
    assert seen.flags.c_contiguous
    assert not seen.flags.writeable
    assert not np.shares_memory(seen, PICTURE)


@given(SIZES, SIZES, st.booleans(), st.booleans(), st.integers(0, 3), FRACTIONS, FRACTIONS)
def test_any_picture_keeps_its_pixels(
    height: int, width: int, hflip: bool, vflip: bool, turns: int, left: float, top: float
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    region: Region = (left, top, 1 - left, 1 - top)
    if min(region[2:]) < 0.05:
        region = WHOLE
    whole = Orientation(hflip, vflip, turns)(pixels)
    part = Orientation(hflip, vflip, turns, region)(pixels)
    rows, columns = part.shape[:2]
    assert np.array_equal(part, whole[whole.shape[0] - rows :, whole.shape[1] - columns :])
    assert abs(rows - region[3] * whole.shape[0]) <= 1
    assert abs(columns - region[2] * whole.shape[1]) <= 1


@pytest.mark.parametrize("turns", range(4))
def test_a_region_is_found_before_the_picture_is_turned(turns: int) -> None:
    asked = Orientation(quarter_turns=turns, region=(0.25, 0.0, 0.5, 0.5))
    before = Orientation(region=asked.unturned_region())(PICTURE)
    assert np.array_equal(Orientation(quarter_turns=turns)(before), asked(PICTURE))


@pytest.mark.parametrize(
    ("asked", "whole"),
    [
        (Orientation(), 100),
        (Orientation(region=(0, 0, 0.5, 0.5)), 200),
        (Orientation(region=(0, 0, 0.25, 1)), 300),  # a quarter of 4/3 of the height
        (Orientation(quarter_turns=1, region=(0, 0, 1, 0.25)), 300),
    ],
)
def test_a_whole_picture_is_as_large_as_its_part_needs(asked: Orientation, whole: int) -> None:
    assert asked.whole_side((640, 480), 100) == whole
