"""Small pictures of photos, their hashes, and how alike they are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.data.similarity import correlation, difference_hash, gray_thumbnail
from PIL import Image


def test_a_thumbnail_holds_the_mean_of_each_part() -> None:
    pixels = np.full((64, 64), 10, np.uint8)
    pixels[:2, :2] = [[0, 20], [40, 60]]
    small = gray_thumbnail(Image.fromarray(pixels))
    assert small.shape == (32, 32)
    assert small[0, 0] == 30
    assert (np.delete(small.ravel(), 0) == 10).all()


def test_a_hash_has_a_bit_for_each_part_brighter_than_its_left_one() -> None:
    """9 parts in a row, 8 comparisons: the first row rises at its second part alone."""
    pixels = np.zeros((8, 9), np.uint8)
    pixels[0, 1:] = 200
    assert difference_hash(Image.fromarray(pixels)) == 1 << 63


@given(st.integers(1, 3), st.integers(0, 50))
def test_brightness_and_contrast_do_not_matter(factor: int, offset: int) -> None:
    dark = np.random.default_rng(1).integers(0, 60, (8, 9), np.uint8)
    light = (factor * dark + offset).astype(np.uint8)
    assert difference_hash(Image.fromarray(light)) == difference_hash(Image.fromarray(dark))
    assert abs(correlation(light, dark) - 1) < 1e-6


def test_the_negative_is_as_unlike_as_can_be() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (32, 32), np.uint8)
    assert abs(correlation(255 - picture, picture) + 1) < 1e-6
