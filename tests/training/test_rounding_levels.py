"""Rounding one layer: levels, exact zeros, and errors made good."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.compression.rounding_levels import (
    Compensation,
    as_kernel,
    as_rows,
    classic,
    code_lengths,
    per_channel,
    power_of_two,
    refit,
)
from pi_classifier_training.errors import TrainingError

Array = NDArray[np.float64]

LEVELS = st.sampled_from([3, 4, 5, 15, 16, 17, 255, 256, 257, 65536])
WEIGHTS = st.sampled_from([0.0, 0.5, -0.5, 1.0, -1.0, 0.999999, 1e-3, -1e-6, 3.7, -(2.0**-20)])


@st.composite
def rows(draw: st.DrawFn) -> Array:
    shape = draw(st.sampled_from([(1, 1, 1), (1, 3, 4), (4, 1, 9), (2, 2, 3)]))
    count = int(np.prod(shape))
    values = draw(st.lists(WEIGHTS, min_size=count, max_size=count))
    return np.array(values).reshape(shape)


def inputs(groups: int, size: int, seed: int = 1) -> Array:
    """Covariances of correlated inputs."""
    mixed = np.random.default_rng(seed).normal(size=(groups, 4 * size, size))
    mixed = mixed + 2 * mixed.mean(axis=2, keepdims=True) * size**0.5
    product: Array = np.swapaxes(mixed, 1, 2) @ mixed / (4 * size)
    return product


@given(rows(), LEVELS)
def test_classic_levels(weights: Array, levels: int) -> None:
    rounded = classic(weights, levels)
    assert len(np.unique(rounded)) <= levels + 1
    assert (rounded[weights == 0] == 0).all()
    step = (weights.max() - weights.min()) / (levels - 1)
    assert np.abs(rounded - weights).max() <= step / 2 + 1e-12


@given(rows(), LEVELS)
def test_levels_of_each_channel(weights: Array, levels: int) -> None:
    rounded = per_channel(weights, levels)
    assert (rounded[weights == 0] == 0).all()
    for own, exact in zip(
        rounded.reshape(-1, weights.shape[2]), weights.reshape(-1, weights.shape[2]), strict=True
    ):
        used = np.abs(own[own != 0])
        if not len(used):
            continue
        step = 2.0 ** np.ceil(np.log2(np.abs(exact).max() / ((levels - 1) // 2)))
        multiples = own / step
        assert (multiples == np.rint(multiples)).all()
        assert np.abs(multiples).max() <= (levels - 1) // 2


@pytest.mark.parametrize("levels", [0, 2, 65537])
@pytest.mark.parametrize("method", [classic, per_channel])
def test_levels_out_of_range(method: object, levels: int) -> None:
    with pytest.raises(TrainingError, match=rf"--levels {levels}: expected .* 3 to 65536"):
        (classic if method is classic else per_channel)(np.ones((1, 1, 1)), levels)


@pytest.mark.parametrize(
    ("kind", "shape", "inputs_", "rows_shape"),
    [
        ("CONV_2D", (5, 3, 3, 2), 2, (1, 5, 18)),
        ("FULLY_CONNECTED", (5, 7), 7, (1, 5, 7)),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 4), 4, (4, 1, 9)),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 8), 4, (4, 2, 9)),
    ],
)
def test_kernels_as_rows_and_back(
    kind: str, shape: tuple[int, ...], inputs_: int, rows_shape: tuple[int, ...]
) -> None:
    kernel = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    found = as_rows(kind, kernel, inputs_)
    assert found.shape == rows_shape
    assert (as_kernel(kind, found, shape) == kernel).all()
    if kind == "DEPTHWISE_CONV_2D":
        assert (found.reshape(-1, 9)[3] == kernel[0, :, :, 3].ravel()).all()


@given(st.sampled_from([2.0**-30, 0.7072, 0.7071, 1.0, 1.4142, 1.4143, 3.0, 2.0**20]))
def test_power_of_two(value: float) -> None:
    power = float(power_of_two(np.array([value]))[0])
    assert np.log2(power) == np.rint(np.log2(power))
    assert 2**-0.5 <= value / power <= 2**0.5


def harm(error: Array, covariance: Array) -> float:
    return float(np.einsum("gri,gij,grj->", error, covariance, error))


@pytest.mark.parametrize("shape", [(1, 6, 16), (8, 1, 9)])
def test_errors_are_made_good(shape: tuple[int, ...]) -> None:
    """Where inputs are correlated, the outputs suffer far less than by plain rounding."""
    weights = np.random.default_rng(2).normal(size=shape)
    covariance = inputs(shape[0], shape[2])
    steps = np.full(shape[:2], 0.25)
    free = np.zeros(65536)
    rounded = Compensation.of(covariance).rounded(weights, steps, np.ones(shape[:2]), 0.0, free)
    nearest = np.rint(weights / 0.25) * 0.25
    assert (rounded / 0.25 == np.rint(rounded / 0.25)).all()
    assert harm(rounded - weights, covariance) < 0.7 * harm(nearest - weights, covariance)


def test_uncorrelated_inputs_are_rounded_to_the_nearest() -> None:
    weights = np.random.default_rng(3).normal(size=(1, 4, 8))
    free = np.zeros(65536)
    steps = np.full((1, 4), 0.5)
    rounded = Compensation.of(2 * np.eye(8)[None]).rounded(
        weights, steps, np.ones((1, 4)), 0.0, free
    )
    assert (rounded == np.rint(weights / 0.5) * 0.5).all()


def test_a_price_for_bits_makes_frequent_values_more_frequent() -> None:
    weights = np.random.default_rng(4).normal(size=(1, 32, 16))
    covariance, steps = inputs(1, 16), np.full((1, 32), 0.25)
    nearest = np.rint(weights / 0.25) * 0.25
    lengths = code_lengths(nearest)
    sizes = []
    for price in (0.0, 0.02, 0.2):
        rounded = Compensation.of(covariance).rounded(
            weights, steps, np.ones((1, 32)), price, lengths
        )
        upper = rounded.astype(np.float32).view(np.uint32) >> 16
        sizes.append(float(lengths[upper].sum()))
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize(
    ("weight", "dear", "expected"),
    [(-1.6, -2.0, -1.0), (1.6, 2.0, 1.0), (-1.6, 9.0, -2.0), (0.6, 1.0, 0.0)],
)
def test_a_dear_value_gives_way_to_the_next_towards_zero(
    weight: float, dear: float, expected: float
) -> None:
    lengths = np.zeros(65536)
    lengths[np.float32(dear).view(np.uint32) >> 16] = 10
    one = np.ones((1, 1))
    plain = Compensation.of(np.ones((1, 1, 1)))
    assert plain.rounded(np.full((1, 1, 1), weight), one, one, 0.1, lengths).item() == expected


def test_code_lengths() -> None:
    lengths = code_lengths(np.array([0.0] * 90 + [1.0] * 10))
    assert lengths[0] < lengths[0x3F80] < lengths[0x4000]


def test_refit_undoes_what_happened_to_the_inputs() -> None:
    """Inputs halved on their way need weights twice as large."""
    weights = np.random.default_rng(5).normal(size=(1, 3, 4))
    covariance = inputs(1, 4)
    halved = refit(weights, covariance / 4, covariance / 2, np.full((1, 1, 1), 1e-9))
    assert halved == pytest.approx(2 * weights, rel=1e-5)
    same = refit(weights, covariance, covariance, np.full((1, 1, 1), 0.1))
    assert same == pytest.approx(weights)


def test_sensitive_channels_get_finer_steps() -> None:
    sensitivity = np.array([[1.0, 4.0, 16.0]])
    steps = Compensation.of(inputs(1, 5)).steps(sensitivity, 1e-4)
    assert (steps[0, 0] / steps[0]).tolist() == [1, 2, 4]
    assert (Compensation.of(inputs(1, 5)).steps(sensitivity, 4e-4) == 2 * steps).all()
    # s²·v·S / 24 is the tolerance; with v = S = 1 a step of √2 lies between the powers.
    plain = Compensation.of(np.eye(5)[None])
    assert plain.steps(np.ones((1, 1)), 1.9 / 24).item() == 1
    assert plain.steps(np.ones((1, 1)), 2.1 / 24).item() == 2
