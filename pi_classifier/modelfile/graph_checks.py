"""Whether the graphs of a ``.tflite`` file are sound: what the runtimes believe without looking.

Slots are numbered as the fields stand in TFLite's public schema.fbs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pi_classifier.errors import ModelMismatch
from pi_classifier.modelfile.flatbuffer import DamagedBuffer, Scalar, Table

# Of a quantized tensor, by its type.
ZERO_POINTS = {3: (0, 255), 9: (-128, 127)}

_FLOATS: dict[int, np.dtype[np.floating[Any]]] = {0: np.dtype("<f4"), 1: np.dtype("<f2")}
_LARGEST_SCALE, _LARGEST_ZERO_POINT = 1e6, 1 << 16
# The options of convolutions and pooling: stride_w and stride_h are their slots 1 and 2.
_STRIDED_OPTIONS = (1, 2, 5)
_CUSTOM = 32


def check_graphs(model: Table) -> None:
    """Check every graph of the `model`, and what else the runtime follows.

    Raises `DamagedBuffer` where it is unsound, `ModelMismatch` where it cannot run here.
    """
    graphs, buffers, kinds = model.tables(2), model.tables(4), model.tables(1)
    codes = [builtin_code(kind) for kind in kinds]
    for graph in graphs:
        _verify(graph, len(codes), len(buffers))
    _check_custom_operators([kinds[i].text(1) for i, code in enumerate(codes) if code == _CUSTOM])
    _check_weights(graphs, [buffer.raw(0) for buffer in buffers])
    model.text(3)
    for signature in model.tables(7):
        for mapping in (*signature.tables(0), *signature.tables(1)):
            mapping.text(0)
        signature.text(2)


def builtin_code(code: Table) -> int:
    """Return the number of a built-in operator; 32 where it is a custom one."""
    code.text(1)
    # Codes up to 126 stand in the old one-byte field too.
    return max(code.integer(0, "int8"), code.integer(3, "int32"))


def _verify(graph: Table, codes: int, buffers: int) -> None:
    """Walk all that the runtime will follow without looking."""
    graph.text(4)
    tensors = graph.tables(0)
    for tensor in tensors:
        tensor.numbers(0, "int32", limit=16)
        tensor.numbers(7, "int32", limit=16)
        tensor.text(3)
        if tensor.integer(2, "uint32") >= buffers:
            raise DamagedBuffer("a tensor refers to a buffer that is not there")
        quantization = tensor.table(4)
        if quantization is not None:
            _verify_quantization(quantization, tensor.integer(1, "int8"))
    used = [graph.numbers(1, "int32"), graph.numbers(2, "int32")]
    for operator in graph.tables(3):
        if operator.integer(0, "uint32") >= codes:
            raise DamagedBuffer("an operator is of a kind that is not listed")
        operator.raw(5)
        options = operator.table(4)
        strided = operator.integer(3, "uint8") in _STRIDED_OPTIONS
        if strided and options and min(options.integer(i, "int32") for i in (1, 2)) < 1:
            raise DamagedBuffer("an operator has a stride below 1")
        used += [operator.numbers(1, "int32"), operator.numbers(2, "int32")]
    if any(not -1 <= index < len(tensors) for indices in used for index in indices):
        raise DamagedBuffer("an operator refers to a tensor that is not there")


def _verify_quantization(quantization: Table, type_code: int) -> None:
    """Refuse values that no converter writes: the kernels abort the process on some."""
    kinds: tuple[Scalar, ...] = ("float32", "float32", "float32", "int64")
    fields = [quantization.numbers(i, kind, limit=1 << 20) for i, kind in enumerate(kinds)]
    if not all(0 <= scale <= _LARGEST_SCALE for scale in fields[2]):
        raise DamagedBuffer("a tensor has an impossible scale")
    low, high = ZERO_POINTS.get(type_code, (-_LARGEST_ZERO_POINT, _LARGEST_ZERO_POINT))
    if not all(low <= zero <= high for zero in fields[3]):
        raise DamagedBuffer("a tensor has an impossible zero point")


def _check_custom_operators(names: list[str]) -> None:
    """Refuse by name what only another machine or another runtime can compute."""
    if "edgetpu-custom-op" in names:
        raise ModelMismatch(
            "the model is compiled for the Edge TPU and runs on nothing else: take the file it "
            "was compiled from (Coral's name without _edgetpu)"
        )
    foreign = sorted({name for name in names if name.startswith("Flex")})
    if foreign:
        raise ModelMismatch(
            f"the model needs TensorFlow's own operators ({', '.join(foreign)}), which are not "
            "on the device: convert it with only built-in operators "
            "(target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS])"
        )


def _check_weights(graphs: list[Table], contents: list[memoryview]) -> None:
    """Refuse weights that are not numbers: a ReLU hides them, and the scores never change."""
    for tensor in (tensor for graph in graphs for tensor in graph.tables(0)):
        dtype = _FLOATS.get(tensor.integer(1, "int8"))
        content = contents[tensor.integer(2, "uint32")]
        if dtype is None or len(content) < dtype.itemsize:
            continue
        values = np.frombuffer(content, dtype, len(content) // dtype.itemsize)
        with np.errstate(invalid="ignore"):
            unsound = np.isnan(values.min())  # in one pass, without an array of answers
        if unsound:
            raise ModelMismatch(
                f"the weights {tensor.text(3)!r} hold values that are not numbers: the training "
                "diverged; train it again with a lower learning rate"
            )
