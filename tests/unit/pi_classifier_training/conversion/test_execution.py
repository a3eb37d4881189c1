"""Running a float graph in TensorFlow: as the runtime does it, and as loops do it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.conversion.execution import (
    UnknownOperation,
    computed,
    execute,
    is_rectified,
)

from pi_classifier.modelfile.model_graph import ModelGraph
from tests.unit.pi_classifier_training.small_graphs import (
    NO_ACTIVATION,
    RELU,
    RELU6,
    RELU_N1_TO_1,
    SAME,
    VALID,
    Network,
    graph_of,
)

pytest.importorskip("tensorflow")

Array = NDArray[np.float32]
SIDE = (1, 5, 6, 3)


def random(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def executed(graph: ModelGraph, image: Array) -> Array:
    result = execute(graph, image, lambda i: graph.tensors[i].values(), lambda _, x: x)
    return np.asarray(result)


def run_by_the_runtime(data: bytes, image: Array) -> Array:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=data,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def size(inputs: int, kernel: int, stride: int, dilation: int, padding: int) -> tuple[int, int]:
    """How many outputs along one axis, and how many zeros stand before the first input."""
    reach = (kernel - 1) * dilation + 1
    if padding == VALID:
        return -(-(inputs - reach + 1) // stride), 0
    outputs = -(-inputs // stride)
    return outputs, max(0, (outputs - 1) * stride + reach - inputs) // 2


def convolved(
    x: Array, kernel: Array, strides: Sequence[int], dilations: Sequence[int], padding: int
) -> Array:
    """The definition of a convolution; `kernel` is ``[out, height, width, in]``."""
    sizes = [size(x.shape[1 + a], kernel.shape[1 + a], strides[a], dilations[a], padding)
             for a in (0, 1)]  # fmt: skip
    result = np.zeros((1, sizes[0][0], sizes[1][0], len(kernel)), np.float32)
    for row, column in itertools.product(range(sizes[0][0]), range(sizes[1][0])):
        for i, j in itertools.product(range(kernel.shape[1]), range(kernel.shape[2])):
            y = row * strides[0] + i * dilations[0] - sizes[0][1]
            z = column * strides[1] + j * dilations[1] - sizes[1][1]
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                result[0, row, column] += kernel[:, i, j] @ x[0, y, z]
    return result


@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize(
    ("strides", "dilations", "window"),
    [((1, 1), (1, 1), (3, 2)), ((2, 1), (1, 1), (2, 3)), ((2, 3), (1, 1), (3, 3)),
     ((1, 1), (2, 1), (2, 3)), ((1, 1), (1, 2), (3, 2))],
)  # fmt: skip
def test_a_convolution_is_its_definition_and_what_the_runtime_gives(
    padding: int, strides: tuple[int, int], dilations: tuple[int, int], window: tuple[int, int]
) -> None:
    kernel, image = random(4, *window, 3), random(*SIDE, seed=2)
    expected = convolved(image, kernel, strides, dilations, padding)
    network = Network()
    network.conv(
        network.input(*SIDE), kernel, expected.shape, padding=padding, strideH=strides[0],
        strideW=strides[1], dilationHFactor=dilations[0], dilationWFactor=dilations[1],
    )  # fmt: skip
    found = executed(network.graph(), image)
    assert found == pytest.approx(expected, abs=1e-5)
    assert found == pytest.approx(run_by_the_runtime(network.data(), image), abs=1e-5)


@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize(
    ("stride", "dilations", "multiplier"),
    [(1, (1, 1), 1), (2, (1, 1), 2), (1, (1, 2), 1), (1, (2, 1), 2)],
)
def test_a_depthwise_convolution_is_one_convolution_for_each_channel(
    padding: int, stride: int, dilations: tuple[int, int], multiplier: int
) -> None:
    kernel, image = random(1, 3, 2, 3 * multiplier), random(*SIDE, seed=2)
    expected = np.concatenate(
        [
            convolved(
                image[..., c // multiplier, None],
                kernel[0, :, :, c][None, :, :, None],
                (stride, stride), dilations, padding,
            )
            for c in range(3 * multiplier)
        ],
        axis=-1,
    )  # fmt: skip
    network = Network()
    network.depthwise(
        network.input(*SIDE), kernel, expected.shape, padding=padding, strideH=stride,
        strideW=stride, dilationHFactor=dilations[0], dilationWFactor=dilations[1],
        depthMultiplier=multiplier,
    )  # fmt: skip
    assert executed(network.graph(), image) == pytest.approx(expected, abs=1e-5)
    assert run_by_the_runtime(network.data(), image) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [(NO_ACTIVATION, -np.inf, np.inf), (RELU, 0, np.inf), (RELU6, 0, 6), (RELU_N1_TO_1, -1, 1)],
)
@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense", "ADD", "SUB", "MUL"])
def test_the_activation_joined_to_an_operation_limits_its_result(
    kind: str, activation: int, low: float, high: float
) -> None:
    joined: dict[str, Any] = {"fusedActivationFunction": activation}
    values = np.array([-9, -1.5, -0.5, 0, 0.5, 1.5, 5.9, 9], np.float32).reshape(1, 1, 1, 8)
    network = Network()
    x = network.input(1, 1, 1, 8)
    if kind == "conv":
        network.conv(x, np.eye(8)[:, None, None], (1, 1, 1, 8), **joined)
    elif kind == "depthwise":
        network.depthwise(x, np.ones((1, 1, 1, 8)), (1, 1, 1, 8), **joined)
    elif kind == "dense":
        network.dense(x, np.eye(8), np.zeros(8), **joined)
    else:
        nothing = np.full(8, kind == "MUL", np.float32)
        network.operation(kind, (x, network.constant(nothing)), (1, 1, 1, 8), **joined)
    found = executed(network.graph(), values)
    assert found.ravel().tolist() == np.clip(values, low, high).ravel().tolist()
    assert is_rectified(network.graph().operations[0]) == (activation in (RELU, RELU6))


@pytest.mark.parametrize("padding", [SAME, VALID])
def test_pools_look_only_at_what_is_there(padding: int) -> None:
    image = random(1, 5, 4, 2)
    outputs = (3, 2) if padding == SAME else (2, 2)
    window = {"filterHeight": 3, "filterWidth": 2, "strideH": 2, "strideW": 2}
    for kind, pooled in (("MAX_POOL_2D", np.max), ("AVERAGE_POOL_2D", np.mean)):
        graph = graph_of(kind, [image.shape], (1, *outputs, 2), padding=padding, **window)
        found = executed(graph, image)
        before = 1 if padding == SAME else 0  # of five rows under windows of three, step two
        for row, column in itertools.product(range(outputs[0]), range(outputs[1])):
            top, left = row * 2 - before, column * 2
            seen = image[0, max(0, top) : top + 3, left : left + 2]
            assert found[0, row, column] == pytest.approx(pooled(seen, axis=(0, 1)), abs=1e-6)


def test_a_fully_connected_layer_flattens_and_adds_its_bias() -> None:
    network = Network()
    network.dense(network.input(1, 1, 2, 2), [[1, 2, 3, 4], [0, 0, 0, 1]], [10, -1])
    image = np.array([[[[1, 2], [3, 4]]]], np.float32)
    assert executed(network.graph(), image).tolist() == [[1 + 4 + 9 + 16 + 10, 4 - 1]]


@pytest.mark.parametrize("kept", [False, True])
def test_a_mean_keeps_its_axes_where_the_file_says_so(kept: bool) -> None:
    axes = np.array([1, 2], np.int32)
    graph = graph_of("MEAN", [SIDE, axes], (1, 1, 1, 3) if kept else (1, 3), keepDims=kept)
    image = random(*SIDE)
    found = executed(graph, image)
    assert found.shape == ((1, 1, 1, 3) if kept else (1, 3))
    assert found.ravel() == pytest.approx(image.mean(axis=(0, 1, 2)), abs=1e-6)


def test_padding_reshaping_and_joining_move_numbers_about() -> None:
    image = random(2, 2, 3, 1)
    pads = np.array([[0, 0], [1, 0], [0, 2], [0, 0]], np.int32)
    padded = executed(graph_of("PAD", [(1, 2, 3, 1), pads], (1, 3, 5, 1)), image)
    assert (padded == np.pad(image, pads)).all()
    # The first axis of a reshape is the batch, whatever the file says.
    shape = np.array([1, 6], np.int32)
    reshaped = executed(graph_of("RESHAPE", [(1, 2, 3, 1), shape], (1, 6)), image)
    assert (reshaped == image.reshape(2, 6)).all()
    again = -image
    joined = executed(
        graph_of("CONCATENATION", [(1, 2, 3, 1), again], (1, 2, 3, 2), axis=3), image
    )
    assert (joined == np.concatenate([image, again], axis=3)).all()


VALUES = np.array([[-8, -3, -2, -1, 0, 0.5, 3, 6, 8]], np.float32)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("RELU", np.maximum(VALUES, 0)),
        ("RELU6", np.clip(VALUES, 0, 6)),
        ("LOGISTIC", 1 / (1 + np.exp(-VALUES))),
        ("SOFTMAX", np.exp(VALUES) / np.exp(VALUES).sum()),
        ("HARD_SWISH", VALUES * np.clip(VALUES + 3, 0, 6) / 6),
    ],
)
def test_functions_of_one_value(kind: str, expected: Array) -> None:
    graph = graph_of(kind, [(1, 9)], (1, 9))
    assert executed(graph, VALUES) == pytest.approx(expected, abs=1e-6)
    assert is_rectified(graph.operations[0]) == (kind in ("RELU", "RELU6"))


def test_what_is_not_known_is_named() -> None:
    graph = graph_of("SIGN", [(1, 9)], (1, 9))
    with pytest.raises(UnknownOperation, match="an operation SIGN"):
        computed(graph.operations[0], [VALUES])


def test_whoever_looks_on_sees_every_result_and_may_change_it() -> None:
    network = Network()
    doubled = network.dense(network.input(1, 2), [[2, 0], [0, 2]], [0, 0])
    last = network.operation("RELU", (doubled,), (1, 2))
    graph, seen = network.graph(), []

    def passing(index: int, result: Any) -> Any:
        seen.append((index, np.asarray(result).tolist()))
        return result - 3 if index == doubled else result

    image = np.array([[1, 2]], np.float32)
    scores = execute(graph, image, lambda i: graph.tensors[i].values(), passing)
    assert np.asarray(scores).tolist() == [[0, 1]]
    assert seen == [(doubled, [[2, 4]]), (last, [[0, 1]])]
