"""A ``.tflite`` file's graph in full: operations, tensors, and where the weights lie.

The daemon reads only what it must know (`pi_classifier.modelfile.tflite_graph`); the bench looks
at everything. Slots are numbered as the fields stand in TFLite's public schema.fbs.
LiteRT's generated classes (`ai_edge_litert.schema_py_generated`) would give them names, but
checked nothing: a file with flipped bytes gave a wrong graph or one of three exceptions, and
MobileNet v2 took 55 ms to read, here 10.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.flatbuffer import DamagedBuffer, Table
from pi_classifier_training.errors import ExportError

# TensorType of the schema, as numpy names them; 17 is packed four-bit.
_DTYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16",
    9: "int8", 10: "float64", 12: "uint64", 15: "uint32", 16: "uint16",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor; `data` is its constant value in the file, empty for an activation.

    `scales` and `zero_points` are per tensor (one value) or per channel along
    `quantized_dimension`; empty where the tensor is not quantized. `offset` is where
    `data` starts in the file.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    offset: int
    data: memoryview
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    quantized_dimension: int

    @property
    def constant(self) -> bool:
        """Whether the file holds this tensor's value."""
        return len(self.data) > 0

    @property
    def elements(self) -> int:
        """How many numbers it holds; an unknown dimension (−1) counts as 1."""
        return math.prod(max(1, n) for n in self.shape)

    def values(self) -> NDArray[np.generic]:
        """The constant's stored values, a read-only view of the file. Raises ExportError."""
        if not self.constant or self.dtype.startswith("type"):
            raise ExportError(f"tensor {self.name!r} ({self.dtype}) has no values in the file")
        flat: NDArray[np.generic] = np.frombuffer(self.data, np.dtype(self.dtype))
        return flat.reshape(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation: its kind such as ``CONV_2D``, tensor indices (−1 is none), its options."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None

    @property
    def bias(self) -> int:
        """The bias of an operation with weights, as a tensor index; −1 where it has none."""
        return self.inputs[2] if len(self.inputs) > 2 else -1


@dataclass(frozen=True, slots=True, eq=False)
class ModelGraph:
    """The main graph of a model file, its operations in the order they run."""

    tensors: tuple[Tensor, ...]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def maker(self, tensor: int) -> Operation | None:
        """The operation that makes a tensor; None for an input or a constant."""
        return next((o for o in self.operations if tensor in o.outputs), None)


def read_model_graph(data: bytes | memoryview) -> ModelGraph:
    """Read the model at the start of `data`. Raises ExportError where it is damaged."""
    view = memoryview(data)
    try:
        model = Table.root(view, b"TFL3")
        buffers, codes = model.tables(4), [_kind(code) for code in model.tables(1)]
        graph = model.tables(2)[0]
        return ModelGraph(
            tuple(_tensor(i, t, buffers) for i, t in enumerate(graph.tables(0))),
            tuple(_operation(o, codes) for o in graph.tables(3)),
            _indices(graph, 1),
            _indices(graph, 2),
        )
    except (DamagedBuffer, IndexError) as error:
        raise ExportError(f"this is not a sound TFLite model: {error}") from error


def _indices(table: Table, slot: int) -> tuple[int, ...]:
    return tuple(int(i) for i in table.numbers(slot, "int32"))


def _kind(code: Table) -> str:
    number = max(code.integer(0, "int8"), code.integer(3, "int32"))
    name = _kind_names().get(number, f"OPERATION_{number}")
    return code.text(1) or name if name == "CUSTOM" else name


@cache
def _kind_names() -> dict[int, str]:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return {v: k for k, v in vars(BuiltinOperator).items() if isinstance(v, int)}


def _tensor(index: int, table: Table, buffers: list[Table]) -> Tensor:
    code, buffer = table.integer(1, "int8"), buffers[table.integer(2, "uint32")]
    data = buffer.raw(0)
    start = buffer.target(0)
    quantization = table.table(4)
    scales: tuple[int | float, ...] = ()
    zero_points: tuple[int | float, ...] = ()
    dimension = 0
    if quantization is not None:
        scales = quantization.numbers(2, "float32", limit=1 << 20)
        zero_points = quantization.numbers(3, "int64", limit=1 << 20)
        dimension = quantization.integer(6, "int32")
    return Tensor(
        index,
        table.text(3),
        tuple(int(n) for n in table.numbers(0, "int32", limit=16)),
        _DTYPES.get(code, f"type {code}"),
        0 if start is None else start + 4,  # the vector's length comes first
        data,
        tuple(float(s) for s in scales),
        tuple(int(z) for z in zero_points),
        dimension,
    )


def _operation(table: Table, codes: list[str]) -> Operation:
    return Operation(
        codes[table.integer(0, "uint32")],
        _indices(table, 1),
        _indices(table, 2),
        table.table(4),
    )
