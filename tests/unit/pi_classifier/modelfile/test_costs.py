"""What operations cost, counted one multiplication at a time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pi_classifier.modelfile.costs import LayerCost, layers, macs
from tests.unit.pi_classifier_training.small_graphs import SAME, VALID, Network, graph_of


def only(kind: str, inputs: Sequence[Any], output: Sequence[int], **options: int) -> LayerCost:
    (layer,) = layers(graph_of(kind, inputs, output, **options))
    return layer


def multiplications(output: Sequence[int], kernel: Sequence[int], inputs: int) -> int:
    """Weights times inputs, one by one: every output looks at its whole window."""
    count = 0
    for _row, _column, _out in itertools.product(*map(range, output[1:])):
        for _y, _x in itertools.product(range(kernel[0]), range(kernel[1])):
            count += inputs
    return count


@pytest.mark.parametrize("padding", [SAME, VALID])
def test_a_convolution(padding: int) -> None:
    output = (1, 4, 5, 7) if padding == SAME else (1, 2, 3, 7)
    network = Network()
    network.conv(network.input(1, 4, 5, 3), np.ones((7, 3, 3, 3)), output, padding=padding)
    (layer,) = layers(network.graph())
    assert layer.macs == multiplications(output, (3, 3), 3)
    assert layer.parameters == 7 * 3 * 3 * 3 + 7
    assert layer.weight_bytes == 4 * layer.parameters
    assert (layer.steps, layer.weights, layer.output) == (0, "float32", output)


def test_a_depthwise_convolution_looks_at_one_channel_each() -> None:
    network = Network()
    network.depthwise(network.input(1, 4, 4, 6), np.ones((1, 3, 3, 6)), (1, 2, 2, 6))
    (layer,) = layers(network.graph())
    assert layer.macs == multiplications((1, 2, 2, 6), (3, 3), 1)
    assert layer.parameters == 54 + 6


def test_a_fully_connected_layer_uses_every_weight_once() -> None:
    network = Network()
    network.dense(network.input(1, 10), np.ones((4, 10)), np.ones(4))
    (layer,) = layers(network.graph())
    assert (layer.macs, layer.parameters) == (40, 44)


def test_a_transposed_convolution_spreads_every_input_over_its_window() -> None:
    shape = np.array([1, 8, 8, 2], np.int32)
    kernel = np.ones((2, 3, 3, 5), np.float32)  # [out, height, width, in]
    layer = only("TRANSPOSE_CONV", [shape, kernel, (1, 4, 4, 5)], (1, 8, 8, 2))
    assert layer.macs == 4 * 4 * 5 * 3 * 3 * 2
    # The shape is no parameter: nobody learned it.
    assert layer.parameters == kernel.size


def test_a_product_of_two_results_has_no_parameters() -> None:
    layer = only("BATCH_MATMUL", [(1, 3, 4), (1, 4, 5)], (1, 3, 5))
    assert (layer.macs, layer.parameters) == (3 * 4 * 5, 0)


class TestSteps:
    def test_a_mean_reads_all_it_is_given(self) -> None:
        layer = only("MEAN", [(1, 7, 7, 8), np.array([1, 2], np.int32)], (1, 8))
        assert (layer.steps, layer.macs, layer.parameters) == (7 * 7 * 8, 0, 0)

    def test_a_pool_looks_at_its_window_for_every_result(self) -> None:
        window = {"filterHeight": 3, "filterWidth": 2, "strideH": 2, "strideW": 2}
        layer = only("MAX_POOL_2D", [(1, 8, 8, 4)], (1, 4, 4, 4), **window)
        assert layer.steps == 4 * 4 * 4 * 6

    def test_an_addition_makes_each_number_once(self) -> None:
        assert only("ADD", [(1, 5, 5, 2), (1, 5, 5, 2)], (1, 5, 5, 2)).steps == 50

    def test_a_reshape_is_free(self) -> None:
        shape = np.array([1, 50], np.int32)
        layer = only("RESHAPE", [(1, 5, 5, 2), shape], (1, 50))
        assert (layer.steps, layer.macs, layer.parameters) == (0, 0, 0)


def test_a_weight_that_two_layers_share_is_counted_once() -> None:
    network = Network()
    x = network.input(1, 4)
    weights = network.constant(np.eye(4, dtype=np.float32))
    bias = network.constant(np.zeros(4, np.float32))
    once = network.operation("FULLY_CONNECTED", (x, weights, bias), (1, 4))
    network.operation("FULLY_CONNECTED", (once, weights, bias), (1, 4))
    first, second = layers(network.graph())
    assert (first.parameters, second.parameters) == (20, 0)
    assert first.macs == second.macs == 16


def test_float16_weights_are_counted_as_they_lie_in_the_file() -> None:
    """A DEQUANTIZE stands between them and their layer."""
    network = Network()
    x = network.input(1, 4)
    half = network.constant(np.ones((2, 4), np.float16))
    whole = network.operation("DEQUANTIZE", (half,), (2, 4))
    network.operation("FULLY_CONNECTED", (x, whole), (1, 2))
    unpacked, layer = layers(network.graph())
    assert (layer.weights, layer.macs) == ("float16", 8)
    # Counted with the operation that reads them first.
    assert (unpacked.parameters, layer.parameters) == (8, 0)
    assert unpacked.weight_bytes == 16


def test_a_quantized_bias_is_a_parameter_and_a_shape_is_not() -> None:
    network = Network()
    x = network.input(1, 4, dtype="int8")
    weights = network.constant(np.ones((2, 4), np.int8), scales=[0.1], zero_points=[0])
    bias = network.constant(np.ones(2, np.int32), scales=[0.01], zero_points=[0])
    network.operation("FULLY_CONNECTED", (x, weights, bias), network.tensor("y", (1, 2), "int8"))
    (layer,) = layers(network.graph())
    assert (layer.parameters, layer.weight_bytes, layer.weights) == (10, 8 + 8, "int8")


def test_an_operation_without_weights_costs_no_multiplications() -> None:
    graph = graph_of("SOFTMAX", [(1, 5)], (1, 5))
    assert macs(graph, graph.operations[0]) == 0
