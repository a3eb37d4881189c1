"""The graphs of a ``.tflite`` file as tensors and operators, with every reference checked.

Slots are numbered as the fields stand in TFLite's public schema.fbs.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.flatbuffer import DamagedBuffer, Table

# Bits of one value, by the number of its type. Texts, resources and variants have no size.
_BITS = {
    0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 5: 0, 6: 8, 7: 16, 8: 64, 9: 8, 10: 64, 11: 128, 12: 64,
    13: 0, 14: 0, 15: 32, 16: 16, 17: 4, 18: 16, 19: 2, 20: 4, 21: 8, 22: 8,
}  # fmt: skip
_LARGEST_RANK = 16
# A list can be named by thousands of tensors, so that a small file would take minutes to read.
_MOST_PARTS, _MOST_INPUTS = 1 << 16, 1 << 10
_NONE = -1
_CUSTOM_DETAILS = 1
_SCALE, _ZERO_POINT = np.dtype("<f4"), np.dtype("<i8")
_NO_SCALES, _NO_ZERO_POINTS = np.zeros(0, _SCALE), np.zeros(0, _ZERO_POINT)


Shape = tuple[int, ...]
"""−1 stands for a side that is known only when the model runs."""


class UnsoundGraph(DamagedBuffer):
    """A well-formed file that says of itself what cannot be."""

    @property
    def sentence(self) -> str:
        """What is wrong with the file and what to do, behind the file's name."""
        return (
            f"{self}: the file is damaged or was converted wrongly; copy it again, or else "
            "convert the model again"
        )


class Tensor(NamedTuple):
    """One tensor. `content` is its constant value, empty where it is computed or an input.

    `shape` has −1 for a side that is known only when the model runs, and is None where the
    file says nothing of it. `scales` and `zero_points` are those of its quantization, one of
    each for all of it or for each place along `axis`. `bits` are those of one value.
    """

    table: Table
    shape: Shape | None
    type_code: int
    bits: int
    size_bytes: int
    buffer: int
    content: memoryview
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int

    @property
    def name(self) -> str:
        """The tensor's name as it may stand in a message."""
        return _name(self.table)

    @property
    def constant(self) -> bool:
        """Whether the file holds its value."""
        return len(self.content) > 0


class Operator(NamedTuple):
    """One step of a graph: the number of its kind, its tensors (−1 is none) and its options."""

    place: int
    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: int
    options: Table | None
    table: Table


class Subgraph(NamedTuple):
    """One graph of the file, its operators in the order in which they run."""

    tensors: list[Tensor]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: list[Operator]


def read_subgraphs(model: Table) -> list[Subgraph]:
    """Read every graph of the `model`. Raises `DamagedBuffer`."""
    contents = [_content(buffer) for buffer in model.tables(4)]
    contents[:1] = [memoryview(b"")]  # the first buffer stands for "no buffer"
    codes = [_builtin_code(kind) for kind in model.tables(1)]
    graphs, parts = [], 0
    for table in model.tables(2):
        tensors, operators = table.tables(0), table.tables(3)
        parts += len(tensors) + len(operators)
        if parts > _MOST_PARTS:
            raise UnsoundGraph(f"it has more than {_MOST_PARTS} tensors and operators")
        table.raw(4)
        graph = Subgraph(
            [_tensor(tensor, contents) for tensor in tensors],
            _indices(table, 1),
            _indices(table, 2),
            [
                _operator(place, operator, codes, len(tensors))
                for place, operator in enumerate(operators)
            ],
        )
        if any(not 0 <= index < len(tensors) for index in (*graph.inputs, *graph.outputs)):
            raise DamagedBuffer("a graph begins or ends with a tensor that is not there")
        graphs.append(graph)
    return graphs


def counted(number: int, noun: str) -> str:
    """Return "1 scale", "2 scales"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def agree(one: int, other: int) -> bool:
    """Whether two sides can be the same."""
    return one == other or one < 0 or other < 0


def fits(one: Shape | None, other: Shape | None) -> bool:
    """Whether two shapes can be the same; None is one that is not known."""
    if one is None or other is None:
        return True
    return len(one) == len(other) and all(map(agree, one, other))


def _builtin_code(code: Table) -> int:
    """Return the number of a built-in operator; 32 where it is a custom one."""
    code.raw(1)
    # Codes up to 126 stand in the old one-byte field too.
    return max(code.integer(0, "int8"), code.integer(3, "int32"))


def _content(buffer: Table) -> memoryview:
    if buffer.integer(1, "uint64") or buffer.integer(2, "uint64"):
        raise UnsoundGraph("its weights lie behind the graph, as only those of over 2 GB do")
    return buffer.raw(0)


def _name(table: Table) -> str:
    return repr(table.text(3)[:80])


def _indices(table: Table, slot: int) -> tuple[int, ...]:
    indices: Any = table.numbers(slot, "int32", limit=_MOST_INPUTS)
    return tuple(indices)


def _operator(place: int, table: Table, codes: list[int], tensors: int) -> Operator:
    index = table.integer(0, "uint32")
    if index >= len(codes):
        raise DamagedBuffer("an operator is of a kind that is not listed")
    table.raw(5)
    if table.integer(9, "uint64") or table.integer(10, "uint64"):
        raise UnsoundGraph("the options of an operator lie behind the graph")
    inputs, outputs = _indices(table, 1), _indices(table, 2)
    for used in (inputs, outputs, _indices(table, 8)):
        if used and not _NONE <= min(used) <= max(used) < tensors:
            raise DamagedBuffer("an operator refers to a tensor that is not there")
    options, kind = table.table(4), table.integer(3, "uint8")
    return Operator(place, codes[index], inputs, outputs, kind if options else 0, options, table)


def _tensor(table: Table, contents: list[memoryview]) -> Tensor:
    table.raw(3)
    buffer, type_code = table.integer(2, "uint32"), table.integer(1, "int8")
    if buffer >= len(contents):
        raise DamagedBuffer("a tensor refers to a buffer that is not there")
    if type_code not in _BITS:
        raise UnsoundGraph(f"the tensor {_name(table)} holds numbers of an unknown kind")
    stated: Any = table.numbers(0, "int32", limit=_LARGEST_RANK)
    if min(stated, default=0) < 0:
        raise UnsoundGraph(f"the tensor {_name(table)} has the shape {list(stated)}")
    bits = _BITS[type_code]
    return Tensor(
        table,
        _shape(table, stated, known=bool(stated or contents[buffer])),
        type_code,
        bits,
        (math.prod(stated) * bits + 7) // 8,
        buffer,
        contents[buffer],
        *_quantization(table),
    )


def _shape(table: Table, stated: tuple[int, ...], *, known: bool) -> Shape | None:
    # For a side that the network leaves open, a converter writes 1, and −1 in the signature.
    signature: Any = table.numbers(7, "int32", limit=_LARGEST_RANK)
    if not signature:
        return stated if known else None
    if len(signature) != len(stated) or min(signature) < _NONE:
        raise UnsoundGraph(
            f"the tensor {_name(table)} has the shape {list(stated)}, but the signature "
            f"{list(signature)}"
        )
    return tuple(_NONE if n < 0 else side for n, side in zip(signature, stated, strict=True))


def _quantization(table: Table) -> tuple[NDArray[np.float32], NDArray[np.int64], int]:
    quantization = table.table(4)
    if quantization is None:
        return _NO_SCALES, _NO_ZERO_POINTS, 0
    if quantization.integer(4, "uint8") > _CUSTOM_DETAILS:
        raise UnsoundGraph(f"the tensor {_name(table)} is quantized in blocks, or in no known way")
    scales, zero_points = quantization.array(2, _SCALE), quantization.array(3, _ZERO_POINT)
    return scales, zero_points, quantization.integer(6, "int32")
