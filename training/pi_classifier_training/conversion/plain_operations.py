"""Operations without weights, computed in TensorFlow as TensorFlow Lite defines them.

Their results keep the batch, which a file has as 1, as the first axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pi_classifier.modelfile.flatbuffer import Scalar, Table
from pi_classifier.modelfile.model_graph import Operation
from pi_classifier_training.errors import ExportError


class UnknownOperation(ExportError):
    """The graph has an operation that this module does not compute."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"the network has an operation {kind}, which cannot be simulated yet; "
            "--mode int8, dynamic and float16 work without"
        )
        self.kind = kind


def option(options: Table | None, slot: int, kind: Scalar, default: int = 0) -> int:
    """A field of an operation's options; a missing table holds only defaults."""
    return default if options is None else options.integer(slot, kind, default)


def plain(operation: Operation, inputs: list[Any]) -> Any:
    """The result, or the list of results, of an operation without weights.

    Raises UnknownOperation.
    """
    kind = operation.kind
    functions = _functions()
    if kind in functions:
        return functions[kind](*inputs[:2])
    if kind not in _WITH_OPTIONS:
        raise UnknownOperation(kind)
    return _WITH_OPTIONS[kind](operation, inputs)


def is_plain(kind: str) -> bool:
    """Whether `plain` computes operations of this kind."""
    return kind in _WITH_OPTIONS or kind in _functions()


def _functions() -> dict[str, Callable[..., Any]]:
    import tensorflow as tf

    return {
        "ADD": tf.add,
        "SUB": tf.subtract,
        "MUL": tf.multiply,
        "DIV": tf.divide,
        "POW": tf.pow,
        "MAXIMUM": tf.maximum,
        "MINIMUM": tf.minimum,
        "SQUARED_DIFFERENCE": tf.math.squared_difference,
        "SOFTMAX": tf.nn.softmax,
        "LOGISTIC": tf.sigmoid,
        "TANH": tf.tanh,
        "RELU": tf.nn.relu,
        "RELU6": tf.nn.relu6,
        "RELU_N1_TO_1": lambda x: tf.clip_by_value(x, -1.0, 1.0),
        "ELU": tf.nn.elu,
        "HARD_SWISH": lambda x: x * tf.nn.relu6(x + 3) * (1 / 6),
        "PRELU": lambda x, slope: tf.maximum(x, 0.0) + slope * tf.minimum(x, 0.0),
        "EXP": tf.exp,
        "NEG": tf.negative,
        "ABS": tf.abs,
        "SQUARE": tf.square,
        "SQRT": tf.sqrt,
        "RSQRT": tf.math.rsqrt,
        "L2_NORMALIZATION": lambda x: tf.math.l2_normalize(x, -1),
        "PAD": tf.pad,
        "TRANSPOSE": tf.transpose,
        "EXPAND_DIMS": lambda x, axis: tf.expand_dims(x, int(np.ravel(axis)[0])),
    }


def _padded(_: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    return tf.pad(inputs[0], inputs[1], constant_values=inputs[2])


def _reduced(operation: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    function = {"MEAN": tf.reduce_mean, "SUM": tf.reduce_sum, "REDUCE_MAX": tf.reduce_max}
    kept = bool(option(operation.options, 0, "bool"))
    return function[operation.kind](inputs[0], axis=inputs[1], keepdims=kept)


def _reshaped(operation: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    shape = inputs[1] if len(inputs) > 1 else np.array(_numbers(operation))
    if not isinstance(shape, np.ndarray):
        raise UnknownOperation("RESHAPE to a computed shape")
    x, sizes = inputs[0], shape.tolist()[1:]
    if -1 in sizes:
        # The batch's size alone is open.
        sizes[sizes.index(-1)] = math.prod(x.shape[1:]) // -math.prod(sizes)
    return tf.reshape(x, (-1, *sizes))


def _numbers(operation: Operation) -> tuple[int, ...]:
    options = operation.options
    return () if options is None else tuple(int(n) for n in options.numbers(0, "int32"))


def _squeezed(operation: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    x = inputs[0]
    stated = [axis % len(x.shape) for axis in _numbers(operation)]
    return tf.squeeze(x, stated or [a for a in range(1, len(x.shape)) if x.shape[a] == 1])


def _strided_slice(operation: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    begins, ends, *others = (option(operation.options, slot, "int32") for slot in range(5))
    # Whatever it takes of the first axis, the batch is taken whole.
    return tf.strided_slice(*inputs, begins | 1, ends | 1, *others)


def _sliced(_: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    x, begin, size = inputs
    return tf.slice(x, [0, *begin[1:]], [-1, *size[1:]])


def _split(operation: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    if operation.kind == "SPLIT_V":
        return tf.split(inputs[0], inputs[1], int(np.ravel(inputs[2])[0]))
    return tf.split(inputs[1], len(operation.outputs), int(np.ravel(inputs[0])[0]))


def _multiplied(operation: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    turned = [bool(option(operation.options, slot, "bool")) for slot in (0, 1)]
    return tf.matmul(*inputs[:2], transpose_a=turned[0], transpose_b=turned[1])


def _resized(operation: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    bilinear = operation.kind == "RESIZE_BILINEAR"
    resize = tf.raw_ops.ResizeBilinear if bilinear else tf.raw_ops.ResizeNearestNeighbor
    # In the schema two fields of old stand before these.
    first = 2 if bilinear else 0
    corners, centers = (bool(option(operation.options, first + i, "bool")) for i in (0, 1))
    return resize(
        images=inputs[0], size=inputs[1], align_corners=corners, half_pixel_centers=centers
    )


def _leaky(operation: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    options = operation.options
    return tf.nn.leaky_relu(inputs[0], 0.0 if options is None else options.number(0, "float32"))


def _gelu(operation: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    return tf.nn.gelu(inputs[0], approximate=bool(option(operation.options, 0, "bool")))


def _joined(operation: Operation, inputs: list[Any]) -> Any:
    import tensorflow as tf

    return tf.concat(inputs, option(operation.options, 0, "int32"))


_WITH_OPTIONS: dict[str, Callable[[Operation, list[Any]], Any]] = {
    "PADV2": _padded,
    "MEAN": _reduced,
    "SUM": _reduced,
    "REDUCE_MAX": _reduced,
    "RESHAPE": _reshaped,
    "SQUEEZE": _squeezed,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _sliced,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "BATCH_MATMUL": _multiplied,
    "RESIZE_BILINEAR": _resized,
    "RESIZE_NEAREST_NEIGHBOR": _resized,
    "LEAKY_RELU": _leaky,
    "GELU": _gelu,
    "CONCATENATION": _joined,
}
