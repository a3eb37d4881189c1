"""Random views keep what makes a photo that photo."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from pi_classifier_training.data.augmentation import _crops, augment, draw_views


def test_views_are_in_range_and_of_the_size_asked_for() -> None:
    squares = np.random.default_rng(1).integers(0, 256, (5, 60, 60, 3), np.uint8)
    views = augment(tf.constant(squares), tf.ones(5), draw_views(5, 1, 0), 48).numpy()
    assert views.shape == (5, 48, 48, 3)
    assert views.min() >= 0
    assert views.max() <= 255
    assert np.isfinite(views).all()


def test_the_same_seed_gives_the_same_views_and_another_does_not() -> None:
    squares = tf.constant(np.random.default_rng(1).integers(0, 256, (2, 40, 40, 3), np.uint8))
    first, again, other = (
        augment(squares, tf.ones(2), draw_views(2, 1, view), 32).numpy() for view in (2, 2, 3)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_photo_has_the_same_view_in_any_batch_and_at_any_size() -> None:
    y, x = np.mgrid[0:64, 0:64]
    smooth = np.stack([x * 3, y * 3, (x + y) * 2], axis=2).astype(np.uint8)
    squares, draws = np.stack([smooth, smooth[::-1], smooth[:, ::-1]]), draw_views(3, 1, 0)
    together = augment(tf.constant(squares), tf.ones(3), draws, 32).numpy()
    alone = augment(tf.constant(squares[1:2]), tf.ones(1), draws[1:2], 32).numpy()
    larger = augment(tf.constant(squares[1:2]), tf.ones(1), draws[1:2], 64).numpy()
    assert np.allclose(together[1], alone[0], atol=1e-3)
    halved = larger[0].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.median(np.abs(halved - alone[0])) < 3


def test_a_squeezed_photo_is_unsqueezed() -> None:
    # A photo twice as wide as high, squeezed into a square: a disc in it became an
    # ellipse half as wide as high. In the views it must be about round again.
    y, x = np.mgrid[0:200, 0:200]
    ellipse = ((x - 100) / 25) ** 2 + ((y - 100) / 50) ** 2 < 1
    squares = np.repeat((ellipse[None, :, :, None] * 255).astype(np.uint8), 3, axis=3)
    squares = np.repeat(squares, 200, axis=0)
    views = _crops(tf.constant(squares), tf.fill([200], 2.0), draw_views(200, 1, 4), 96, 0.25)
    views = views.numpy()[..., 0] > 127
    widths = views.any(axis=1).sum(axis=1)
    heights = views.any(axis=2).sum(axis=1)
    inside = ~(
        views[:, 0].any(1) | views[:, -1].any(1) | views[:, :, 0].any(1) | views[:, :, -1].any(1)
    )
    seen = inside & (widths > 10)
    assert seen.sum() > 20
    assert 0.85 < np.median(widths[seen] / heights[seen]) < 1.18


def test_half_of_the_views_are_mirrored() -> None:
    squares = np.zeros((400, 40, 40, 3), np.uint8)
    squares[:, :, 20:] = 255
    views = _crops(tf.constant(squares), tf.ones(400), draw_views(400, 1, 5), 32, 0.25).numpy()
    right_is_bright = views[:, :, 24:].mean(axis=(1, 2, 3)) > views[:, :, :8].mean(axis=(1, 2, 3))
    assert 0.4 < right_is_bright.mean() < 0.6
