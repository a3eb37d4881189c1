"""Rounding weights to few levels, one layer at a time: pure functions on arrays.

A kernel is looked at as rows ``[groups, rows, inputs]``: each row makes one output
channel, and all rows of a group see the same inputs. An ordinary convolution is one
group; a depthwise one has a group for each channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.errors import TrainingError

Array = NDArray[np.float64]

FEWEST_LEVELS, MOST_LEVELS = 3, 65536
# Depthwise kernels are small and each of their weights counts for much.
FINER_DEPTHWISE = 16
# Steps are never so fine that a weight would need more than 16 bits.
LARGEST_MULTIPLE = 1 << 15


def as_rows(kind: str, kernel: NDArray[np.floating], inputs: int) -> Array:
    """Return a kernel, laid out as TFLite does, as float64 ``[groups, rows, inputs]``.

    `inputs` is the number of input channels, which tells the groups of a depthwise kernel.
    """
    if kind == "DEPTHWISE_CONV_2D":
        channels = kernel.shape[-1]
        rows = kernel.reshape(-1, channels).T.reshape(inputs, channels // inputs, -1)
    else:
        rows = kernel.reshape(1, kernel.shape[0], -1)
    return rows.astype(np.float64)


def as_kernel(kind: str, rows: Array, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Undo `as_rows`."""
    flat = rows.reshape(rows.shape[0] * rows.shape[1], -1)
    if kind == "DEPTHWISE_CONV_2D":
        flat = flat.T
    return np.ascontiguousarray(flat.reshape(shape), np.float32)


def power_of_two(values: Array) -> Array:
    """The powers of two nearest to `values` (> 0) on a logarithmic scale."""
    powers: Array = np.exp2(np.rint(np.log2(values)))
    return powers


def classic(rows: Array, levels: int) -> Array:
    """`levels` evenly spaced values over the whole tensor's range, zero one of them.

    What TensorFlow's Graph Transform Tool did with ``round_weights``.
    """
    _check(levels)
    span = float(rows.max() - rows.min())
    if span == 0:
        return rows
    step = span / (levels - 1)
    rounded: Array = np.rint(rows / step) * step
    return rounded


def per_channel(rows: Array, levels: int) -> Array:
    """At most `levels` values a row, all multiples of the row's own power of two."""
    _check(levels)
    largest = np.abs(rows).max(axis=2, keepdims=True)
    largest = np.where(largest > 0, largest, 1.0)
    # The outermost multiples are ±(levels − 1) / 2. A power of two leaves the lower bytes of
    # every float32 at zero, which is what gzip saves by; a range divided evenly would not.
    step = np.exp2(np.ceil(np.log2(largest / ((levels - 1) // 2))))
    rounded: Array = np.rint(rows / step) * step
    return rounded


def _check(levels: int) -> None:
    if not FEWEST_LEVELS <= levels <= MOST_LEVELS:
        raise TrainingError(
            f"--levels {levels}: expected a number from {FEWEST_LEVELS} to {MOST_LEVELS}; "
            "256 is usual"
        )


def code_lengths(multiples: Array) -> Array:
    """Bits an ideal entropy coder takes for each multiple of a step, from −2¹⁵ to 2¹⁵.

    Float64 ``[65537]``, zero in the middle; multiples that do not occur cost about as much
    as one that would occur once. Deflate, which sees bytes, comes near it: the lower two are
    zero, and channels of equal steps lie side by side (`channel_order`).
    """
    counts = np.bincount(_place(multiples).ravel(), minlength=2 * LARGEST_MULTIPLE + 1) + 0.5
    lengths: Array = -np.log2(counts / (multiples.size + 1000.0))
    return lengths


def _place(multiples: Array) -> NDArray[np.int64]:
    within = np.clip(multiples, -LARGEST_MULTIPLE, LARGEST_MULTIPLE)
    return within.astype(np.int64) + LARGEST_MULTIPLE


def refit(rows: Array, own: Array, crossed: Array, damping: Array) -> Array:
    """Weights that make of the inputs as they are now what `rows` made of the original ones.

    Least squares: `own` ``[groups, inputs, inputs]`` is the covariance of the inputs as
    earlier rounding left them, `crossed` that with the original inputs (second index),
    `damping` ``[groups, 1, 1]`` is added to both diagonals and holds it near `rows`.
    """
    # Errors of the layers before are in the inputs already. Weights that expect the original
    # inputs would pass them on; those fitted to the inputs as they are take some back.
    ridge = damping * np.eye(own.shape[-1])
    solved = np.linalg.solve(own + ridge, (crossed + ridge) @ np.swapaxes(rows, 1, 2))
    fitted: Array = np.swapaxes(solved, 1, 2)
    return fitted


@dataclass(frozen=True, slots=True, eq=False)
class Compensation:
    """How an error in each input's weight is best made good by the weights that follow.

    `order` int64 ``[inputs]`` is the order of rounding, the most excited inputs first;
    `factor` ``[groups, inputs, inputs]`` is the upper Cholesky factor of the inverse
    covariance in that order (Frantar et al. 2022, arXiv:2210.17323).
    """

    order: NDArray[np.int64]
    factor: Array

    @classmethod
    def of(cls, covariance: Array) -> Self:
        """From a positive definite covariance ``[groups, inputs, inputs]``."""
        # What is rounded last has nobody left to make its error good: the least excited inputs.
        order = np.argsort(-np.einsum("gii->i", covariance), kind="stable")
        # Row j of the factor of the *inverse* says how an error of input j is best spread over
        # the inputs behind, those before being fixed; its diagonal, squared, is 1 / the variance
        # of input j given all behind. So one factorization serves every step of `rounded`,
        # where the inverse of what is left would else be needed at each.
        inverse = np.linalg.inv(covariance[:, order][:, :, order])
        return cls(order, np.swapaxes(np.linalg.cholesky(inverse), 1, 2))

    def steps(self, sensitivity: Array, tolerance: float) -> Array:
        """Power-of-two steps ``[groups, rows]`` that give every weight the same share of harm.

        Rounding to multiples of s adds an error of variance s²/12 to a weight. With the
        `sensitivity` S ``[groups, rows]`` (nats for a unit of squared error of the row's
        output, times two) and the inputs' conditional variance v it costs s²·v·S/24
        nats; the step is where that is `tolerance`.
        """
        # Error in a weight costs only by the part of its input that the later inputs cannot
        # make up for: the geometric mean of these conditional variances, 1 / factor².
        logs = np.log(np.einsum("gii->gi", self.factor)).mean(axis=1)
        return power_of_two(np.sqrt(24 * tolerance / (sensitivity * np.exp(-2 * logs)[:, None])))

    def rounded(
        self, rows: Array, steps: Array, sensitivity: Array, price: float, lengths: Array
    ) -> Array:
        """Round to multiples of `steps`, each input's error made good by those that follow.

        Of the nearest multiple, the next towards zero and zero that is taken which costs
        least: harm in nats plus `price` nats for each bit, by `lengths` of `code_lengths`.
        """
        left = rows[:, :, self.order].copy()
        result = np.zeros_like(left)
        # In order, because what an input's error does to the later weights must be known before
        # they are rounded; all rows and groups at once, as they do not meet.
        for j in range(left.shape[2]):
            pivot = self.factor[:, j, j, np.newaxis]
            harm = sensitivity / (2 * pivot**2)
            chosen = _cheapest(left[:, :, j], steps, harm, price, lengths)
            result[:, :, j] = chosen
            # The later weights take over what is missing, as far as their inputs go along
            # with this one (optimal brain surgeon with the weight held at `chosen`).
            error = (left[:, :, j] - chosen) / pivot
            left[:, :, j + 1 :] -= error[:, :, np.newaxis] * self.factor[:, j, None, j + 1 :]
        return result[:, :, np.argsort(self.order)]


def _cheapest(weights: Array, steps: Array, harm: Array, price: float, lengths: Array) -> Array:
    # More candidates bring next to nothing: harm grows with the square of the distance, and
    # the values that are frequent, and so cheap to code, lie towards zero.
    nearest = np.rint(weights / steps)
    best = nearest * steps
    cost = harm * (weights - best) ** 2 + price * lengths[_place(nearest)]
    for multiple in (nearest - np.sign(nearest), np.zeros_like(nearest)):
        value = multiple * steps
        other = harm * (weights - value) ** 2 + price * lengths[_place(multiple)]
        best, cost = np.where(other < cost, value, best), np.minimum(cost, other)
    return best
