"""Full-integer arithmetic: ranges, rounding to 8 bits, biases that take back what it shifts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.conversion.full_integer import (
    RAW_PIXELS,
    SCORES,
    fake_quantized,
    measured_ranges,
    nudged,
    rounded_weights,
)

from pi_classifier.modelfile.model_graph import Operation
from tests.unit.pi_classifier_training.small_graphs import Network, graph_of

Array = NDArray[np.float32]
LIMITS = [-1e4, -255.0, -1.0, -0.5, -1e-3, 0.0, 1e-3, 0.5, 1.0, 6.0, 255.0, 1e4]


class TestNudged:
    @given(st.sampled_from(LIMITS), st.sampled_from(LIMITS))
    def test_zero_is_one_of_256_values_and_nothing_moves_by_more_than_a_step(
        self, one: float, other: float
    ) -> None:
        low, high = nudged((min(one, other), max(one, other)))
        step = (high - low) / 255
        assert low <= 0 <= high
        assert -low / step == pytest.approx(round(-low / step), abs=1e-6)
        # The range as asked for, made to hold zero.
        assert abs(low - min(one, other, 0)) <= 0.51 * step
        assert abs(high - max(one, other, 0)) <= 0.51 * step + 2e-6

    @pytest.mark.parametrize(
        ("asked", "given_"),
        [
            ((0.0, 255.0), (0.0, 255.0)),
            ((0.0, 6.0), (0.0, 6.0)),
            ((-128.0, 127.0), (-128.0, 127.0)),
            # Zero lies half-way between two values: of 127 and 128 steps below it the even one.
            ((-1.0, 1.0), (-128 * 2 / 255, 127 * 2 / 255)),
            # Ranges on one side of zero are stretched to it.
            ((10.0, 25.5), (0.0, 25.5)),
            ((-25.5, -10.0), (-25.5, 0.0)),
        ],
    )
    def test_by_hand(self, asked: tuple[float, float], given_: tuple[float, float]) -> None:
        assert nudged(asked) == pytest.approx(given_)

    def test_a_result_that_is_always_zero_has_a_range_all_the_same(self) -> None:
        low, high = nudged((0.0, 0.0))
        assert low == 0
        assert 0 < high < 1e-5


class TestRoundedWeights:
    @pytest.fixture
    def dense(self) -> Operation:
        weights = np.ones((2, 3), np.float32)
        return graph_of("FULLY_CONNECTED", [(1, 3), weights], (1, 2)).operations[0]

    def test_every_channel_has_127_steps_to_its_largest(self, dense: Operation) -> None:
        weights = np.array([[127, 63.4, -0.6], [1.27, -0.5, 0.004]], np.float32)
        rounded = rounded_weights(dense, weights)
        assert rounded[0].tolist() == [127, 63, -1]
        assert rounded[1] == pytest.approx([1.27, -0.5, 0.0], abs=1e-6)

    @pytest.mark.parametrize(
        ("kind", "shape", "axis"),
        [("CONV_2D", (4, 3, 3, 2), 0), ("DEPTHWISE_CONV_2D", (1, 3, 3, 8), 3)],
    )
    def test_scales_go_along_the_channels_axis(
        self, kind: str, shape: tuple[int, ...], axis: int
    ) -> None:
        weights = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        graph = graph_of(kind, [(1, 3, 3, 2), weights], (1, 3, 3, shape[axis]))
        rounded = rounded_weights(graph.operations[0], weights)
        for own, exact in zip(
            np.moveaxis(rounded, axis, 0), np.moveaxis(weights, axis, 0), strict=True
        ):
            scale = np.abs(exact).max() / 127
            steps = own / scale
            assert steps == pytest.approx(np.rint(steps), abs=1e-3)
            assert np.abs(own - exact).max() <= 0.5001 * scale
            assert np.abs(own).max() == pytest.approx(np.abs(exact).max())

    def test_a_channel_of_zeros_stays(self, dense: Operation) -> None:
        zeros = np.zeros((2, 3), np.float32)
        assert (rounded_weights(dense, zeros) == 0).all()


class TestInTensorFlow:
    @pytest.fixture(autouse=True)
    def _needs(self) -> None:
        pytest.importorskip("tensorflow")

    @given(st.sampled_from([(0.0, 255.0), (-1.0, 1.0), (-6.4, 19.1), SCORES]))
    @settings(max_examples=8)
    def test_fake_quantization_rounds_to_256_values_and_clips(
        self, limits: tuple[float, float]
    ) -> None:
        low, high = nudged(limits)
        step = (high - low) / 255
        values = np.linspace(low - 3 * step, high + 3 * step, 1001).astype(np.float32)
        found = np.asarray(fake_quantized(values, (low, high)), np.float64)
        assert len(np.unique(found)) == 256
        assert 0.0 in found
        clipped = np.clip(values, low, high)
        assert np.abs(found - clipped).max() <= 0.501 * step
        assert (found.min(), found.max()) == pytest.approx((low, high), abs=1e-5)

    def test_ranges_are_the_least_and_greatest_of_all_photos(self) -> None:
        network = Network()
        x = network.input(1, 4, 4, 3)
        conv = network.conv(x, [[[[1, 0, 0]]], [[[0, -1, 0]]]], (1, 4, 4, 2))
        window = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2}
        pooled = network.operation("MAX_POOL_2D", (conv,), (1, 2, 2, 2), **window)
        # The dense layer passes on what the last of the four pools holds.
        dense = network.dense(pooled, np.eye(8)[6:], [0, 0])
        network.operation("SOFTMAX", (dense,), (1, 2))
        photos = np.full((20, 4, 4, 3), 100, np.uint8)
        photos[13, 2, 2] = (130, 7, 0)
        ranges = measured_ranges(network.graph(), photos)
        # A white and a black pixel are in the first corner, as somewhere in every real photo.
        assert ranges[conv] == nudged((-255.0, 255.0))
        assert ranges[dense] == nudged((-100.0, 130.0))
        # What only passes values on, or has a range of its own, is not measured.
        assert set(ranges) == {conv, dense}

    def test_scores_of_a_sigmoid_have_the_runtimes_range(self) -> None:
        graph = graph_of("LOGISTIC", [(1, 2, 2, 3)], (1, 2, 2, 3))
        assert measured_ranges(graph, np.zeros((1, 2, 2, 3), np.uint8)) == {1: nudged(SCORES)}
        assert SCORES == (0.0, 255 / 256)

    def test_pixels_are_taken_as_they_are(self) -> None:
        pixels = np.arange(256, dtype=np.float32)
        assert np.asarray(fake_quantized(pixels, RAW_PIXELS)).tolist() == pixels.tolist()
        assert math.isclose(nudged(RAW_PIXELS)[1] / 255, 1.0)
