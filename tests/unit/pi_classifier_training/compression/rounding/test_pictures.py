"""Pictures that stand in for photos: the same each time, and as varied as light is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.compression.rounding.pictures import drawn_pictures, unlike_pictures

KINDS = pytest.mark.parametrize("pictures", [drawn_pictures, unlike_pictures])
Draw = Callable[[int, int, int], NDArray[np.uint8]]


@KINDS
def test_a_seed_draws_the_same_again_and_another_draws_others(pictures: Draw) -> None:
    one, again, other = (pictures(2, 32, seed) for seed in (1, 1, 2))
    assert (one == again).all()
    assert np.abs(one.astype(int) - other).mean() > 20
    assert np.abs(one[0].astype(int) - one[1]).mean() > 20


@KINDS
def test_they_are_pictures_of_the_size_asked_for(pictures: Draw) -> None:
    assert pictures(3, 40, 1).shape == (3, 40, 40, 3)
    assert pictures(3, 40, 1).dtype == np.uint8
    assert pictures(0, 40, 1).shape == (0, 40, 40, 3)


@KINDS
def test_neighbors_are_alike_and_distant_places_are_not(pictures: Draw) -> None:
    """What photos have and noise has not: the nearer two pixels, the more alike they are."""
    gray = pictures(12, 96, 3).mean(axis=3)
    off = [float(np.square(gray[:, :, by:] - gray[:, :, :-by]).mean()) for by in (1, 4, 32)]
    assert 1.5 * off[0] < off[1] < off[2] / 1.5
    assert gray.std() > 25
