"""Runs the graph of a float model file in TensorFlow, on batches, open to intervention.

The converter has folded the batch norms and joined activations to convolutions, so
this graph has exactly the tensors that a full-integer file quantizes, whatever
family the network is of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pi_classifier.modelfile.flatbuffer import Table
from pi_classifier.modelfile.model_graph import ModelGraph, Operation
from pi_classifier_training.conversion.plain_operations import (
    UnknownOperation,
    is_plain,
    option,
    plain,
)

# Operations whose second input are weights; their channels' axis in the file, and the
# order of axes that TensorFlow wants instead.
WEIGHTED = {
    "CONV_2D": (0, (1, 2, 3, 0)),
    "DEPTHWISE_CONV_2D": (3, (1, 2, 3, 0)),
    "FULLY_CONNECTED": (0, (1, 0)),
}
# Fields of the schema's options: where the fused activation stands.
_FUSED_SLOT = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 4,
    "FULLY_CONNECTED": 0,
    "ADD": 0,
    "SUB": 0,
    "MUL": 0,
    "DIV": 0,
    "CONCATENATION": 1,
    "MAX_POOL_2D": 5,
    "AVERAGE_POOL_2D": 5,
}
_POOLS = ("MAX_POOL_2D", "AVERAGE_POOL_2D")
_PADDINGS = ("SAME", "VALID")
_NO_ACTIVATION, _RELU, _RELU_N1_TO_1, _RELU6 = range(4)


__all__ = [
    "WEIGHTED",
    "UnknownOperation",
    "activated",
    "computed",
    "execute",
    "is_known",
    "is_rectified",
]

Constant = Callable[[int], Any]
Passing = Callable[[int, Any], Any]


def execute(graph: ModelGraph, image: Any, constant: Constant, passing: Passing) -> Any:
    """Return the scores ``[n, labels]`` for raw pixels float32 ``[n, height, width, 3]``.

    `constant` gives the value of a constant tensor (by index) as it stands in the file;
    `passing` sees every operation's result with its tensor's index and returns what
    the next operations get. Raises UnknownOperation.
    """
    values = {graph.inputs[0]: image}

    def value(index: int) -> Any:
        if index not in values:
            values[index] = constant(index)
        return values[index]

    needed_until = last_uses(graph)
    for number, operation in enumerate(graph.operations):
        inputs = [value(i) if i >= 0 else None for i in operation.inputs]
        result = activated(operation, computed(operation, inputs))
        results = result if isinstance(result, list) else [result]
        for index, one in zip(operation.outputs, results, strict=True):
            values[index] = passing(index, one)
        # All layers' results of a batch together take more than the rest of the program.
        for index in {i for i in operation.inputs if needed_until[i] == number}:
            values.pop(index, None)
    return values[graph.outputs[0]]


def last_uses(graph: ModelGraph) -> dict[int, int]:
    """The number of the last operation that needs each tensor, by tensor index.

    What the graph gives in the end is needed beyond them all.
    """
    uses = {i: n for n, o in enumerate(graph.operations) for i in o.inputs}
    return uses | dict.fromkeys(graph.outputs, len(graph.operations))


def is_rectified(operation: Operation) -> bool:
    """Whether the results cannot be negative: they end in ReLU or ReLU6."""
    return operation.kind in ("RELU", "RELU6") or _fused(operation) in (_RELU, _RELU6)


def _fused(operation: Operation) -> int:
    slot = _FUSED_SLOT.get(operation.kind)
    return _NO_ACTIVATION if slot is None else option(operation.options, slot, "int8")


def activated(operation: Operation, x: Any) -> Any:
    """Apply the activation that is joined to an operation."""
    import tensorflow as tf

    kind = _fused(operation)
    if kind == _RELU:
        return tf.nn.relu(x)
    if kind == _RELU6:
        return tf.nn.relu6(x)
    if kind == _RELU_N1_TO_1:
        return tf.clip_by_value(x, -1.0, 1.0)
    return x


def is_known(operation: Operation) -> bool:
    """Whether `execute` computes operations of this kind."""
    return operation.kind in (*WEIGHTED, *_POOLS) or is_plain(operation.kind)


def computed(operation: Operation, inputs: list[Any]) -> Any:
    """Compute one operation without its joined activation; layouts are those of the file."""
    kind, options = operation.kind, operation.options
    if kind in WEIGHTED:
        return _weighted(kind, options, inputs)
    if kind in _POOLS:
        return _pooled(kind, options, inputs[0])
    return plain(operation, inputs)


def _weighted(kind: str, options: Table | None, inputs: list[Any]) -> Any:
    import tensorflow as tf

    x, weights, bias = (*inputs, None)[:3]
    weights = tf.transpose(weights, WEIGHTED[kind][1])
    if kind == "FULLY_CONNECTED":
        y = tf.matmul(tf.reshape(x, (-1, weights.shape[0])), weights)
        return y if bias is None else y + bias
    padding = _PADDINGS[option(options, 0, "int8")]
    strides = option(options, 2, "int32"), option(options, 1, "int32")
    if kind == "CONV_2D":
        dilations = option(options, 5, "int32", 1), option(options, 4, "int32", 1)
        y = tf.nn.conv2d(x, weights, strides, padding, dilations=dilations)
    else:
        dilations = option(options, 6, "int32", 1), option(options, 5, "int32", 1)
        # An input channel's outputs lie side by side in the file; TensorFlow gives them an axis.
        weights = tf.reshape(weights, (*weights.shape[:2], x.shape[-1], -1))
        y = tf.nn.depthwise_conv2d(x, weights, (1, *strides, 1), padding, dilations=dilations)
    return y if bias is None else y + bias


def _pooled(kind: str, options: Table | None, x: Any) -> Any:
    import tensorflow as tf

    pool = tf.nn.max_pool2d if kind == "MAX_POOL_2D" else tf.nn.avg_pool2d
    window = option(options, 4, "int32"), option(options, 3, "int32")
    strides = option(options, 2, "int32"), option(options, 1, "int32")
    return pool(x, window, strides, _PADDINGS[option(options, 0, "int8")])
