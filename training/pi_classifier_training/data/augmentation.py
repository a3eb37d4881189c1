"""Random crops, turns and light, a whole batch at a time inside TensorFlow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
# How many random numbers make a view.
VIEW_NUMBERS = 20


def min_crop_area(progress: float) -> float:
    """Return the least share of a photo's area a view shows, `progress` of the way (0–1).

    Small crops show things larger than the device will see them, which costs accuracy
    at the end (Touvron et al. 2019): over the last half the crops grow to its view.
    """
    late = max(0.0, 2 * progress - 1)
    return MIN_CROP_AREA + (LAST_MIN_CROP_AREA - MIN_CROP_AREA) * late


def draw_views(n: int, seed: int, view: int) -> NDArray[np.float32]:
    """The random numbers 0–1 that make view number `view` of `n` photos, float32 ``[n, 20]``.

    A view is made by its numbers alone: drawn again it is the same, at any size, so a
    training can go on where it was stopped and a teacher's answers can be kept.
    """
    return np.random.default_rng((seed, view)).random((n, VIEW_NUMBERS), np.float32)


def augment(
    squares: Any, aspects: Any, draws: Any, side: int, min_area: Any = MIN_CROP_AREA
) -> Any:
    """Cut one view from each photo, as its numbers `draws` (see `draw_views`) say.

    `squares` is uint8 ``[n, S, S, 3]``: whole photos squeezed into squares whose true
    width / height is `aspects` float32 ``[n]``. Returns float32 ``[n, side, side, 3]``
    in 0–255. Each view is an unsqueezed crop of `min_area` to all of the photo's area,
    turned, mirrored, relit, and in 30 % of cases with a rectangle blanked.
    """
    views = _crops(squares, aspects, draws[:, :6], side, min_area)
    return _erase(_relight(views, draws[:, 6:12]), draws[:, 12:20])


def draw_mixture(
    rng: np.random.Generator, n: int, strength: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
    """How `n` views of a batch are mixed: each one's own share, and with which it is mixed.

    Shares are float32 ``[n]``, 0.5–1, from a beta distribution with both parameters
    `strength` (mixup, Zhang et al. 2018); partners int64 ``[n]``, rows of the batch. None at
    strength 0.
    """
    if not strength:
        return None
    shares = rng.beta(strength, strength, n).astype(np.float32)
    return np.maximum(shares, 1 - shares), rng.permutation(n)


def mixed(values: Any, shares: Any, partners: Any) -> Any:
    """`values` ``[n, …]``, each blended with its partner's; see `draw_mixture`."""
    import tensorflow as tf

    shares = tf.reshape(shares, [-1, *[1] * (len(values.shape) - 1)])
    return shares * values + (1 - shares) * tf.gather(values, partners)


def _between(draws: Any, low: Any, high: Any) -> Any:
    return low + draws * (high - low)


def _crops(squares: Any, aspects: Any, draws: Any, side: int, min_area: Any) -> Any:
    import tensorflow as tf

    source = tf.cast(tf.shape(squares)[1], tf.float32)
    # A crop of a given share of the photo's area, about square in the real photo;
    # width and height below are fractions of the squeezed square.
    area = _between(draws[:, 0], min_area, MAX_CROP_AREA)
    stretch = tf.exp(_between(draws[:, 1], -math.log(MAX_STRETCH), math.log(MAX_STRETCH)))
    width = tf.sqrt(area * stretch / aspects)
    height = tf.sqrt(area * aspects / stretch)
    # A full-area square crop of an oblong photo would stick out: shrink to fit.
    fit = tf.minimum(1.0, 1.0 / tf.maximum(width, height))
    width, height = width * fit, height * fit
    center_x = 0.5 + (1 - width) * _between(draws[:, 2], -0.5, 0.5)
    center_y = 0.5 + (1 - height) * _between(draws[:, 3], -0.5, 0.5)
    turn = _between(draws[:, 4], -MAX_TURN, MAX_TURN)
    mirror = tf.where(draws[:, 5] < 0.5, -1.0, 1.0)
    # Output pixel (x, y) reads input pixel (a x + b y + c, d x + e y + f).
    scale_x, scale_y = width * source / side, height * source / side
    a = mirror * scale_x * tf.cos(turn)
    b = -scale_x * tf.sin(turn)
    d = mirror * scale_y * tf.sin(turn)
    e = scale_y * tf.cos(turn)
    middle = (side - 1) / 2
    c = center_x * source - 0.5 - (a + b) * middle
    f = center_y * source - 0.5 - (d + e) * middle
    zeros = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(squares, tf.float32),
        transforms=tf.stack([a, b, c, d, e, f, zeros, zeros], axis=1),
        output_shape=[side, side],
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )


def _relight(views: Any, draws: Any) -> Any:
    import tensorflow as tf

    def spread(values: Any) -> Any:
        return values[:, None, None, None]

    contrast = spread(tf.exp(_between(draws[:, 0], -MAX_CONTRAST, MAX_CONTRAST)))
    saturation = spread(tf.exp(_between(draws[:, 1], -MAX_SATURATION, MAX_SATURATION)))
    brightness = spread(255 * _between(draws[:, 2], -MAX_BRIGHTNESS, MAX_BRIGHTNESS))
    tint = tf.exp(_between(draws[:, 3:6], -MAX_TINT, MAX_TINT))[:, None, None, :]
    gray = tf.reduce_mean(views, axis=3, keepdims=True)
    mean = tf.reduce_mean(gray, axis=(1, 2), keepdims=True)
    views = (gray + (views - gray) * saturation - mean) * contrast * tint + mean + brightness
    return tf.clip_by_value(views, 0.0, 255.0)


def _erase(views: Any, draws: Any) -> Any:
    import tensorflow as tf

    side = tf.shape(views)[1]
    position = tf.cast(tf.range(side), tf.float32) / tf.cast(side, tf.float32)

    def inside(start: Any, length: Any) -> Any:
        first = _between(start, -0.1, 0.9)[:, None]
        return (position >= first) & (
            position < first + _between(length, 0.1, ERASED_SIDE)[:, None]
        )

    rows, columns = inside(draws[:, 0], draws[:, 1]), inside(draws[:, 2], draws[:, 3])
    chosen = (draws[:, 4] < ERASED_SHARE)[:, None, None]
    blank = (rows[:, :, None] & columns[:, None, :] & chosen)[..., None]
    return tf.where(blank, 255 * draws[:, None, None, 5:8], views)
