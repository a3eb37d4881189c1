"""Rounding one layer, against values worked out by hand and slower definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.compression.rounding.levels import (
    as_kernel,
    as_rows,
    classic,
    per_channel,
    power_of_two,
)
from pi_classifier_training.errors import TrainingError

Array = NDArray[np.float64]


def row(*values: float) -> Array:
    """One group with one row."""
    return np.array([[values]], np.float64)


class TestClassic:
    def test_five_levels_over_the_range_of_the_tensor(self) -> None:
        # From −1 to 3 five values lie 1 apart.
        rounded = classic(row(-1.0, -0.4, 0.4, 0.6, 1.6, 3.0), 5)
        assert rounded.ravel().tolist() == [-1, 0, 0, 1, 2, 3]

    def test_half_way_goes_to_the_even_multiple(self) -> None:
        assert classic(row(-1.0, 0.5, 1.5, 3.0), 5).ravel().tolist() == [-1, 0, 2, 3]

    def test_all_channels_share_one_step(self) -> None:
        # The small channel disappears beside the large one: why it destroys folded networks.
        rows = np.array([[[100.0, -100.0], [0.3, -0.3]]])
        assert classic(rows, 255)[0, 1].tolist() == [0.0, 0.0]
        assert per_channel(rows, 255)[0, 1] == pytest.approx([0.3, -0.3], abs=0.002)

    def test_equal_weights_stay(self) -> None:
        assert classic(row(0.3, 0.3), 16).ravel().tolist() == [0.3, 0.3]

    @given(st.sampled_from([3, 4, 16, 255, 256, 65536]))
    def test_rounding_again_changes_nothing(self, levels: int) -> None:
        weights = np.random.default_rng(levels).normal(size=(1, 4, 9))
        # The ends of the range are kept only where zero is as far as a whole step from both.
        weights[0, 0, :2] = -4.0, 4.0
        if levels % 2:
            once = classic(weights, levels)
            assert classic(once, levels) == pytest.approx(once, abs=1e-12)
        again = per_channel(per_channel(weights, levels), levels)
        assert (again == per_channel(weights, levels)).all()


class TestPerChannel:
    @pytest.mark.parametrize(
        ("largest", "levels", "step"),
        [
            (127.0, 256, 1.0),
            (127.5, 256, 2.0),  # ±127 multiples of 1 do not reach it
            (63.5, 256, 0.5),
            (1.0, 3, 1.0),
            (1.0, 4, 1.0),  # four levels are three: symmetric around zero
            (1.0, 5, 0.5),
        ],
    )
    def test_the_step_is_the_finest_power_of_two_that_reaches_the_largest(
        self, largest: float, levels: int, step: float
    ) -> None:
        rounded = per_channel(row(largest, 0.6 * step, 0.4 * step, -0.6 * step), levels)
        assert rounded[0, 0, 1:].tolist() == [step, 0.0, -step]
        assert rounded[0, 0, 0] == step * np.rint(largest / step)

    def test_every_row_has_its_own_step(self) -> None:
        rows = np.array([[[4.0, 1.1]], [[0.04, 0.011]]])
        wide, narrow = per_channel(rows, 5)
        assert wide.tolist() == [[4.0, 2.0]]
        # 0.04 / 2 = 0.02: the power of two above is 1/32.
        assert narrow.tolist() == [[0.03125, 0.0]]

    def test_a_row_of_zeros_stays(self) -> None:
        assert per_channel(row(0.0, 0.0), 256).tolist() == row(0.0, 0.0).tolist()

    @given(
        st.sampled_from([3, 4, 5, 16, 255, 256]),
        st.sampled_from([2.0**-30, 0.1, 1.0, 1.5, 127.0, float(np.nextafter(127.0, 128.0))]),
    )
    def test_the_error_is_at_most_half_a_step_and_the_step_never_twice_too_large(
        self, levels: int, largest: float
    ) -> None:
        weights = largest * np.linspace(-1, 1, 4001)[None, None]
        rounded = per_channel(weights, levels)
        steps = np.diff(np.unique(rounded))
        step = float(steps.min())
        assert np.abs(rounded - weights).max() <= step / 2
        assert math.frexp(step)[0] == 0.5  # a power of two
        finest = largest / ((levels - 1) // 2)
        assert finest * (1 - 1e-12) <= step < 2 * finest


class TestRows:
    def test_a_convolution_is_one_group_with_a_row_for_each_output(self) -> None:
        kernel = np.arange(2 * 1 * 2 * 3).reshape(2, 1, 2, 3).astype(np.float32)
        assert as_rows("CONV_2D", kernel, 3).tolist() == [
            [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
        ]

    def test_a_depthwise_kernel_is_a_group_for_each_input_channel(self) -> None:
        # [1, height, width, channels]: two input channels, two outputs of each.
        kernel = np.arange(8).reshape(1, 1, 2, 4).astype(np.float32)
        assert as_rows("DEPTHWISE_CONV_2D", kernel, 2).tolist() == [
            [[0, 4], [1, 5]],
            [[2, 6], [3, 7]],
        ]

    @given(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2]), st.sampled_from([1, 3]))
    def test_there_and_back(self, inputs: int, multiplier: int, side: int) -> None:
        shape = (1, side, side, inputs * multiplier)
        kernel = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        rows = as_rows("DEPTHWISE_CONV_2D", kernel, inputs)
        assert rows.shape == (inputs, multiplier, side * side)
        back = as_kernel("DEPTHWISE_CONV_2D", rows, shape)
        assert back.flags.c_contiguous
        assert (back == kernel).all()


@pytest.mark.parametrize(
    ("value", "power"),
    [
        (1.0, 1.0),
        (1.41, 1.0),  # below √2
        (1.42, 2.0),
        (3.0, 4.0),  # on a logarithmic scale nearer to 4
        (2.8, 2.0),
        (0.75, 1.0),
        (2.0**-40, 2.0**-40),
    ],
)
def test_the_nearest_power_of_two_is_that_of_the_logarithm(value: float, power: float) -> None:
    assert power_of_two(np.array([value])).tolist() == [power]


LEVELS = st.sampled_from([3, 4, 5, 15, 16, 17, 255, 256, 257, 65536])


WEIGHTS = st.sampled_from([0.0, 0.5, -0.5, 1.0, -1.0, 0.999999, 1e-3, -1e-6, 3.7, -(2.0**-20)])


@st.composite
def rows(draw: st.DrawFn) -> Array:
    shape = draw(st.sampled_from([(1, 1, 1), (1, 3, 4), (4, 1, 9), (2, 2, 3)]))
    count = int(np.prod(shape))
    values = draw(st.lists(WEIGHTS, min_size=count, max_size=count))
    return np.array(values).reshape(shape)


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
    layout = as_rows(kind, kernel, inputs_)
    assert layout.shape == rows_shape
    assert (as_kernel(kind, layout, shape) == kernel).all()
    if kind == "DEPTHWISE_CONV_2D":
        assert (layout.reshape(-1, 9)[3] == kernel[0, :, :, 3].ravel()).all()


@given(st.sampled_from([2.0**-30, 0.7072, 0.7071, 1.0, 1.4142, 1.4143, 3.0, 2.0**20]))
def test_power_of_two(value: float) -> None:
    power = float(power_of_two(np.array([value]))[0])
    assert np.log2(power) == np.rint(np.log2(power))
    assert 2**-0.5 <= value / power <= 2**0.5
