"""Random crops, turns and light, a whole batch at a time inside TensorFlow."""

from __future__ import annotations

import math
from typing import Any

# How far augmentation goes; the first five are the usual choices for networks
# trained from scratch on a few thousand photos.
MIN_CROP_AREA = 0.25
LAST_MIN_CROP_AREA = 0.6
MAX_CROP_AREA = 1.0
MAX_STRETCH = 4 / 3
MAX_TURN = math.radians(20)
MAX_BRIGHTNESS = 0.25
MAX_CONTRAST = 0.35
MAX_SATURATION = 0.5
MAX_TINT = 0.08
ERASED_SIDE = 0.4
ERASED_SHARE = 0.3


def min_crop_area(progress: float) -> float:
    """Return the least share of a photo's area a view shows, `progress` of the way (0–1).

    Small crops show things larger than the device will see them, which costs accuracy
    at the end (Touvron et al. 2019): over the last half the crops grow to its view.
    """
    late = max(0.0, 2 * progress - 1)
    return MIN_CROP_AREA + (LAST_MIN_CROP_AREA - MIN_CROP_AREA) * late


class _Draws:
    """Random numbers, each draw from a seed of its own: equal seeds give equal views."""

    def __init__(self, seed: Any) -> None:
        import tensorflow as tf

        if seed is None:
            seed = tf.random.uniform([2], 0, 2**31 - 1, tf.int32)
        self._seed, self._count = seed, 0

    def uniform(self, shape: Any, low: Any, high: Any) -> Any:
        import tensorflow as tf

        self._count += 1
        seed = tf.random.experimental.stateless_fold_in(self._seed, self._count)
        return tf.random.stateless_uniform(shape, seed, low, high)


def augment(
    squares: Any, aspects: Any, side: int, min_area: Any = MIN_CROP_AREA, seed: Any = None
) -> Any:
    """Cut one random view from each photo.

    `squares` is uint8 ``[n, S, S, 3]``: whole photos squeezed into squares whose true
    width / height is `aspects` float32 ``[n]``. Returns float32 ``[n, side, side, 3]``
    in 0–255. Each view is an unsqueezed crop of `min_area` to all of the photo's area,
    turned, mirrored, relit, and in 30 % of cases with a rectangle blanked. Equal `seed`,
    int32 ``[2]``, gives equal views; None draws one.
    """
    draws = _Draws(seed)
    views = _crops(squares, aspects, side, min_area, draws)
    return _erase(_relight(views, draws), draws)


def _crops(squares: Any, aspects: Any, side: int, min_area: Any, draws: _Draws) -> Any:
    import tensorflow as tf

    n = tf.shape(squares)[0]
    source = tf.cast(tf.shape(squares)[1], tf.float32)
    # A crop of a given share of the photo's area, about square in the real photo;
    # width and height below are fractions of the squeezed square.
    area = draws.uniform([n], min_area, MAX_CROP_AREA)
    stretch = tf.exp(draws.uniform([n], -math.log(MAX_STRETCH), math.log(MAX_STRETCH)))
    width = tf.sqrt(area * stretch / aspects)
    height = tf.sqrt(area * aspects / stretch)
    # A full-area square crop of an oblong photo would stick out: shrink to fit.
    fit = tf.minimum(1.0, 1.0 / tf.maximum(width, height))
    width, height = width * fit, height * fit
    centre_x = 0.5 + (1 - width) * draws.uniform([n], -0.5, 0.5)
    centre_y = 0.5 + (1 - height) * draws.uniform([n], -0.5, 0.5)
    turn = draws.uniform([n], -MAX_TURN, MAX_TURN)
    mirror = tf.where(draws.uniform([n], 0, 1) < 0.5, -1.0, 1.0)
    # Output pixel (x, y) reads input pixel (a x + b y + c, d x + e y + f).
    scale_x, scale_y = width * source / side, height * source / side
    a = mirror * scale_x * tf.cos(turn)
    b = -scale_x * tf.sin(turn)
    d = mirror * scale_y * tf.sin(turn)
    e = scale_y * tf.cos(turn)
    middle = (side - 1) / 2
    c = centre_x * source - 0.5 - (a + b) * middle
    f = centre_y * source - 0.5 - (d + e) * middle
    zeros = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(squares, tf.float32),
        transforms=tf.stack([a, b, c, d, e, f, zeros, zeros], axis=1),
        output_shape=[side, side],
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )


def _relight(views: Any, draws: _Draws) -> Any:
    import tensorflow as tf

    n = tf.shape(views)[0]

    def spread(values: Any) -> Any:
        return values[:, None, None, None]

    contrast = spread(tf.exp(draws.uniform([n], -MAX_CONTRAST, MAX_CONTRAST)))
    saturation = spread(tf.exp(draws.uniform([n], -MAX_SATURATION, MAX_SATURATION)))
    brightness = spread(255 * draws.uniform([n], -MAX_BRIGHTNESS, MAX_BRIGHTNESS))
    tint = tf.exp(draws.uniform([n, 1, 1, 3], -MAX_TINT, MAX_TINT))
    grey = tf.reduce_mean(views, axis=3, keepdims=True)
    mean = tf.reduce_mean(grey, axis=(1, 2), keepdims=True)
    views = (grey + (views - grey) * saturation - mean) * contrast * tint + mean + brightness
    return tf.clip_by_value(views, 0.0, 255.0)


def _erase(views: Any, draws: _Draws) -> Any:
    import tensorflow as tf

    n, side = tf.shape(views)[0], tf.shape(views)[1]
    position = tf.cast(tf.range(side), tf.float32) / tf.cast(side, tf.float32)

    def inside() -> Any:
        start = draws.uniform([n], -0.1, 0.9)[:, None]
        length = draws.uniform([n], 0.1, ERASED_SIDE)[:, None]
        return (position >= start) & (position < start + length)

    chosen = (draws.uniform([n], 0, 1) < ERASED_SHARE)[:, None, None]
    blank = (inside()[:, :, None] & inside()[:, None, :] & chosen)[..., None]
    filling = draws.uniform([n, 1, 1, 3], 0, 255)
    return tf.where(blank, filling, views)
