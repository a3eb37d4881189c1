"""Whether a network normalizes pixels itself: what its first steps do, read from its graph.

A Rescaling or Normalization layer, or a line such as ``x / 127.5 - 1``, is a
multiplication or addition of constants between the input and the first layer with
weights. The converter may melt a mere factor into the weights behind it, so a
TensorFlow network is looked at before it is converted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pi_classifier.modelfile.model_graph import ModelGraph, Operation, read_model_graph

# Pixels 0 to 255 are what goes in where the first steps make them this much smaller, or
# take away a mean as large as pixels have.
_SCALES_PIXELS, _SHIFTS_PIXELS = 1 / 50, 50.0
_ARITHMETIC = {
    "MUL": "MUL", "Mul": "MUL", "DIV": "DIV", "RealDiv": "DIV", "ADD": "ADD", "Add": "ADD",
    "AddV2": "ADD", "SUB": "SUB", "Sub": "SUB",
}  # fmt: skip
# The values stay as they are.
_PASSING = (
    "QUANTIZE", "DEQUANTIZE", "CAST", "RESHAPE", "TRANSPOSE", "PAD", "PADV2",
    "Identity", "Cast", "Reshape", "Pad", "PadV2", "PlaceholderWithDefault",
)  # fmt: skip
_STEPS = 24


def file_takes_raw_pixels(data: bytes) -> bool:
    """Whether a ``.tflite`` network's first steps normalize pixels from 0 to 255."""
    graph = read_model_graph(data)
    tensor = graph.inputs[0]
    for _ in range(_STEPS):
        readers = [o for o in graph.operations if tensor in o.inputs]
        if len(readers) != 1:
            return False
        (operation,) = readers
        if _normalizes(operation.kind, _constant(graph, operation, tensor)):
            return True
        if operation.kind not in _PASSING and operation.kind not in _ARITHMETIC:
            return False
        tensor = operation.outputs[0]
    return False


def _constant(graph: ModelGraph, operation: Operation, tensor: int) -> float | None:
    others = [graph.tensors[i] for i in operation.inputs if i != tensor and i >= 0]
    if len(others) != 1 or not others[0].constant or others[0].dtype != "float32":
        return None
    return float(np.abs(others[0].values().astype(np.float64)).max())


def function_takes_raw_pixels(function: Callable[[Any], Any], side: int) -> bool:
    """Whether a TensorFlow function of one picture begins by normalizing its pixels."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    @tf.function(input_signature=[tf.TensorSpec((1, side, side, 3), tf.float32, "image")])  # type: ignore[untyped-decorator]
    def whole(image: Any) -> Any:
        return function(image)

    frozen = convert_variables_to_constants_v2(whole.get_concrete_function())
    value = frozen.inputs[0]
    for _ in range(_STEPS):
        readers = value.consumers()
        if len(readers) != 1:
            return False
        (operation,) = readers
        others = [x for x in operation.inputs if x is not value]
        if _normalizes(operation.type, _folded(others)):
            return True
        if operation.type not in _PASSING and operation.type not in _ARITHMETIC:
            return False
        value = operation.outputs[0]
    return False


def _folded(values: list[Any]) -> float | None:
    """The largest size in the one constant among an operation's inputs."""
    import tensorflow as tf

    if len(values) != 1:
        return None
    source = values[0].op
    while source.type in ("Identity", "ReadVariableOp", "Cast") and len(source.inputs) == 1:
        source = source.inputs[0].op
    if source.type != "Const":
        return None
    return float(np.abs(tf.make_ndarray(source.get_attr("value")).astype(np.float64)).max())


def _normalizes(kind: str, size: float | None) -> bool:
    """Whether arithmetic with a constant as large as `size` is a normalization of pixels."""
    step = _ARITHMETIC.get(kind)
    if step is None or size is None:
        return False
    if step == "MUL":
        return 0 < size <= _SCALES_PIXELS
    if step == "DIV":
        return size >= 1 / _SCALES_PIXELS
    return size >= _SHIFTS_PIXELS
