"""What the daemon must know of the flatbuffer in a ``.tflite`` file: its input and its output.

Slots are numbered as the fields stand in TFLite's public schema.fbs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pi_classifier.errors import ModelMismatch
from pi_classifier.modelfile.flatbuffer import DamagedBuffer, Table
from pi_classifier.modelfile.graph_checks import ZERO_POINTS, check_graphs
from pi_classifier.modelfile.picture_input import (
    PictureShape,
    check_picture_shape,
    picture_shape,
    takes_bytes,
)
from pi_classifier.modelfile.subgraph import Subgraph
from pi_classifier.modelfile.tflite_metadata import METADATA_NAME, Metadata, read_metadata

DType = Literal["uint8", "int8", "int16", "float16", "float32"]
Activation = Literal["softmax", "sigmoid", "none"]

_DTYPES: dict[int, DType] = {0: "float32", 1: "float16", 3: "uint8", 7: "int16", 9: "int8"}
_OTHER_TYPES = {2: "int32", 4: "int64", 5: "string", 6: "bool", 10: "float64"}
_LARGEST_OUTPUT = 1 << 20
_SOFTMAX, _LOGISTIC = 25, 14
# RESHAPE, SQUEEZE, TRANSPOSE, QUANTIZE, DEQUANTIZE, CAST: they pass scores on as they are.
_TRANSPARENT = (22, 43, 39, 114, 6, 53)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor's shape and type; real value = scale · (stored value − zero_point).

    `scale` is 0 where the tensor is not quantized.
    """

    shape: tuple[int, ...]
    dtype: DType
    scale: float
    zero_point: int

    @property
    def is_float(self) -> bool:
        """Whether real values are stored as they are."""
        return self.dtype in {"float32", "float16"}

    @property
    def spans_bytes(self) -> bool:
        """Whether its whole range is that of a byte."""
        return takes_bytes(self.dtype)

    @property
    def count(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Graph:
    """A classifier's one input, a picture (`picture_shape`), and one output of scores.

    `activation` is what the network ends with.
    """

    input: TensorSpec
    output: TensorSpec
    activation: Activation
    metadata: Metadata | None

    @property
    def picture(self) -> PictureShape:
        """What the shape of the input says."""
        return picture_shape(self.input.shape)

    @property
    def outputs(self) -> int:
        """How many scores there are."""
        return self.output.count


def read_graph(data: memoryview, *, edge_tpu: bool = False) -> Graph:
    """Read the TFLite model at the start of `data`; for `edge_tpu` see `check_graphs`.

    Raises `DamagedBuffer` where the data are unsound, `ModelMismatch` where the model
    is no image classifier.
    """
    model = Table.root(data, b"TFL3")
    buffers = model.tables(4)
    if not model.tables(2) or not buffers:
        raise DamagedBuffer("the model holds no graph")
    graph = check_graphs(model, edge_tpu=edge_tpu)[0]
    _check_counts(len(graph.inputs), len(graph.outputs))
    output = _output(graph.tensors[graph.outputs[0]].table)
    activation = _activation(graph)
    if output.count == 1 and activation == "softmax":
        raise ModelMismatch(
            "the one output ends in a softmax, which makes 1 of everything; train it with a "
            "sigmoid, or with an output for each label"
        )
    pixels = _input(graph.tensors[graph.inputs[0]].table)
    return Graph(pixels, output, activation, _metadata(model, buffers))


def _check_counts(inputs: int, outputs: int) -> None:
    if inputs != 1:
        raise ModelMismatch(
            f"the model takes {inputs} inputs; expected a classifier with one input, a picture"
        )
    if outputs != 1:
        raise ModelMismatch(
            f"the model has {outputs} outputs, as object detectors do; expected a classifier "
            "with one output, a score for each label"
        )


def _shape(tensor: Table) -> tuple[int, ...]:
    return tuple(int(n) for n in tensor.numbers(0, "int32", limit=16))


def _input(tensor: Table) -> TensorSpec:
    spec = _spec(tensor, "input")
    signature = tuple(int(n) for n in tensor.numbers(7, "int32", limit=16))
    check_picture_shape(spec.shape, signature)
    if spec.dtype == "int16" and spec.scale == 0:
        raise ModelMismatch(
            "the int16 input carries no scale, so pixels cannot be put into it; export the model "
            "again with quantization parameters"
        )
    return spec


def _output(tensor: Table) -> TensorSpec:
    spec = _spec(tensor, "output")
    # PyTorch's networks may end as [1, labels, 1, 1].
    one_row = bool(spec.shape) and max(spec.shape) == spec.count
    if not one_row or not 1 <= spec.count <= _LARGEST_OUTPUT:
        raise ModelMismatch(
            f"the output has the shape {list(spec.shape)}; expected a score for each label, "
            "[1, labels]"
        )
    if not spec.is_float and spec.scale == 0:
        raise ModelMismatch(
            f"the {spec.dtype} output carries no scale, so its scores cannot be read; "
            "export the model again with quantization parameters"
        )
    return spec


def _spec(tensor: Table, role: str) -> TensorSpec:
    code = tensor.integer(1, "int8")
    if code not in _DTYPES:
        name = _OTHER_TYPES.get(code, f"type {code}")
        raise ModelMismatch(
            f"the {role} is {name}; expected float32, float16, uint8, int8 or int16: convert the "
            f"model again, for example with inference_{role}_type = tf.float32"
        )
    dtype = _DTYPES[code]
    quantization = tensor.table(4)
    scale, zero_point = 0.0, 0
    if quantization is not None and dtype not in {"float32", "float16"}:
        scales = quantization.numbers(2, "float32")
        zero_points = quantization.numbers(3, "int64")
        if len(scales) > 1 or len(zero_points) > 1:
            raise ModelMismatch(f"the {role} has a scale for each channel; expected one scale")
        scale, zero_point = float((*scales, 0.0)[0]), int((*zero_points, 0)[0])
        low, high = ZERO_POINTS[code]
        if not (math.isfinite(scale) and scale >= 0 and low <= zero_point <= high):
            raise ModelMismatch(
                f"the {role} is quantized with scale {scale} and zero point {zero_point}; "
                f"expected a positive scale and a zero point from {low} to {high}"
            )
    return TensorSpec(_shape(tensor), dtype, scale, zero_point)


def _activation(graph: Subgraph) -> Activation:
    """Find the operator that makes the scores, behind those that only reshape them."""
    makers = {output: operator for operator in graph.operators for output in operator.outputs}
    (tensor,) = graph.outputs
    for _ in range(8):
        maker = makers.get(tensor)
        if maker is None:
            break
        if maker.code == _SOFTMAX:
            return "softmax"
        if maker.code == _LOGISTIC:
            return "sigmoid"
        if maker.code not in _TRANSPARENT or not maker.inputs:
            break
        tensor = maker.inputs[0]
    return "none"


def _metadata(model: Table, buffers: list[Table]) -> Metadata | None:
    for entry in model.tables(6):
        if entry.text(0) == METADATA_NAME:
            index = entry.integer(1, "uint32")
            if index >= len(buffers):
                raise DamagedBuffer("the metadata are in a buffer that is not there")
            return read_metadata(Table.root(buffers[index].raw(0), b"M001"))
    return None
