"""Pictures that stand in for photos: the same each time, and as varied as light is."""

from __future__ import annotations

import numpy as np
from pi_classifier_training.compression.rounding.pictures import drawn_pictures


def test_a_seed_draws_the_same_again_and_another_draws_others() -> None:
    one, again, other = (drawn_pictures(2, 32, seed) for seed in (1, 1, 2))
    assert (one == again).all()
    assert np.abs(one.astype(int) - other).mean() > 20
    assert np.abs(one[0].astype(int) - one[1]).mean() > 20


def test_they_are_pictures_of_the_size_asked_for() -> None:
    assert drawn_pictures(3, 40, 1).shape == (3, 40, 40, 3)
    assert drawn_pictures(3, 40, 1).dtype == np.uint8
    assert drawn_pictures(0, 40, 1).shape == (0, 40, 40, 3)


def test_neighbors_are_alike_and_distant_places_are_not() -> None:
    """What photos have and noise has not: the nearer two pixels, the more alike they are."""
    gray = drawn_pictures(12, 96, 3).mean(axis=3)
    off = [float(np.square(gray[:, :, by:] - gray[:, :, :-by]).mean()) for by in (1, 4, 32)]
    assert 1.5 * off[0] < off[1] < off[2] / 1.5
    assert gray.std() > 25
