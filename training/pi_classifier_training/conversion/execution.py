"""Runs the graph of a float model file in TensorFlow, on batches, open to intervention.

The converter has folded the batch norms and joined activations to convolutions, so
this graph has exactly the tensors that a full-integer file quantizes, whatever
family the network is of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pi_classifier.modelfile.flatbuffer import Scalar, Table
from pi_classifier_training.errors import ExportError
from pi_classifier_training.inspection.model_graph import ModelGraph, Operation

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
    "CONCATENATION": 1,
    "MAX_POOL_2D": 5,
    "AVERAGE_POOL_2D": 5,
}
_PADDINGS = ("SAME", "VALID")
_NO_ACTIVATION, _RELU, _RELU_N1_TO_1, _RELU6 = range(4)


class UnknownOperation(ExportError):
    """The graph has an operation that this module does not compute."""


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

    for operation in graph.operations:
        inputs = [value(i) if i >= 0 else None for i in operation.inputs]
        result = activated(operation, computed(operation, inputs))
        values[operation.outputs[0]] = passing(operation.outputs[0], result)
    return values[graph.outputs[0]]


def is_rectified(operation: Operation) -> bool:
    """Whether the results cannot be negative: they end in ReLU or ReLU6."""
    return operation.kind in ("RELU", "RELU6") or _fused(operation) in (_RELU, _RELU6)


def _fused(operation: Operation) -> int:
    slot = _FUSED_SLOT.get(operation.kind)
    return _NO_ACTIVATION if slot is None else _option(operation.options, slot, "int8")


def _option(options: Table | None, slot: int, kind: Scalar, default: int = 0) -> int:
    """A field of an operation's options; a missing table holds only defaults."""
    return default if options is None else options.integer(slot, kind, default)


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


def computed(operation: Operation, inputs: list[Any]) -> Any:
    """Compute one operation without its joined activation; layouts are those of the file."""
    kind, options = operation.kind, operation.options
    if kind in WEIGHTED:
        return _weighted(kind, options, inputs)
    if kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        return _pooled(kind, options, inputs[0])
    return _plain(operation, inputs)


def _weighted(kind: str, options: Table | None, inputs: list[Any]) -> Any:
    import tensorflow as tf

    x, weights, bias = (*inputs, None)[:3]
    weights = tf.transpose(weights, WEIGHTED[kind][1])
    if kind == "FULLY_CONNECTED":
        y = tf.matmul(tf.reshape(x, (-1, weights.shape[0])), weights)
        return y if bias is None else y + bias
    padding = _PADDINGS[_option(options, 0, "int8")]
    strides = _option(options, 2, "int32"), _option(options, 1, "int32")
    if kind == "CONV_2D":
        dilations = _option(options, 5, "int32", 1), _option(options, 4, "int32", 1)
        y = tf.nn.conv2d(x, weights, strides, padding, dilations=dilations)
    else:
        dilations = _option(options, 6, "int32", 1), _option(options, 5, "int32", 1)
        # An input channel's outputs lie side by side in the file; TensorFlow gives them an axis.
        weights = tf.reshape(weights, (*weights.shape[:2], x.shape[-1], -1))
        y = tf.nn.depthwise_conv2d(x, weights, (1, *strides, 1), padding, dilations=dilations)
    return y if bias is None else y + bias


def _pooled(kind: str, options: Table | None, x: Any) -> Any:
    import tensorflow as tf

    pool = tf.nn.max_pool2d if kind == "MAX_POOL_2D" else tf.nn.avg_pool2d
    window = _option(options, 4, "int32"), _option(options, 3, "int32")
    strides = _option(options, 2, "int32"), _option(options, 1, "int32")
    return pool(x, window, strides, _PADDINGS[_option(options, 0, "int8")])


def _plain(operation: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    kind, options, x = operation.kind, operation.options, inputs[0]
    if kind in ("ADD", "SUB", "MUL"):
        return {"ADD": tf.add, "SUB": tf.subtract, "MUL": tf.multiply}[kind](x, inputs[1])
    if kind == "MEAN":
        kept = bool(_option(options, 0, "bool"))
        return tf.reduce_mean(x, axis=inputs[1], keepdims=kept)
    if kind == "RESHAPE":
        return tf.reshape(x, (-1, *inputs[1].tolist()[1:]))
    if kind == "PAD":
        return tf.pad(x, inputs[1])
    if kind == "CONCATENATION":
        return tf.concat(inputs, _option(options, 0, "int32"))
    functions = {
        "SOFTMAX": tf.nn.softmax,
        "LOGISTIC": tf.sigmoid,
        "RELU": tf.nn.relu,
        "RELU6": tf.nn.relu6,
        "HARD_SWISH": lambda v: v * tf.nn.relu6(v + 3) * (1 / 6),
    }
    if kind not in functions:
        raise UnknownOperation(
            f"the network has an operation {kind}, which cannot be simulated yet; "
            "--mode int8, dynamic and float16 work without"
        )
    return functions[kind](x)
