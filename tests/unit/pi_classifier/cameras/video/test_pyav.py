"""The size that frames are scaled to; all else of PyAV needs real videos: tests/integration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras.video.pyav import covering


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((640, 480), 480, (640, 480)),
        ((641, 481), 480, (640, 480)),
        ((1920, 1080), 224, (398, 224)),
        ((480, 640), 224, (224, 298)),
        ((31, 45), 31, (31, 45)),
    ],
)
def test_sizes(size: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    assert covering(size, side) == expected


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(16, 1000))
def test_the_shorter_side_is_what_was_asked_for_and_nothing_is_enlarged(
    width: int, height: int, half: int
) -> None:
    scaled = covering((width, height), 2 * half)
    if min(width, height) <= 2 * half:
        assert scaled == (width, height)
        return
    assert min(scaled) == 2 * half
    # even, and so up to a pixel off the shape
    assert scaled[0] % 2 == scaled[1] % 2 == 0
    longer = 2 * half * max(width, height) / min(width, height)
    assert abs(max(scaled) - longer) <= 1
