"""Cuts operations out of a ``.tflite`` file and makes a model of their own of them.

Options of operations have a hundred forms, and a writer would have to know each. So nothing of
the file is written anew: it is kept whole, and a beginning is put before it, whose one graph has
other operators, inputs and outputs and takes everything else from the file behind it. FlatBuffers
lets it, since its references lead forward only. Slots are numbered as the fields stand in TFLite's
public schema.fbs.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pi_classifier.modelfile.flatbuffer import DamagedBuffer, Table
from pi_classifier.modelfile.model_graph import ModelGraph

# Where the parts of the beginning stand: two lists of fields, the tables they belong to, the
# list of one graph.
_MODEL_FIELDS, _MODEL, _GRAPH_FIELDS, _GRAPHS, _GRAPH, _LISTS = 8, 24, 44, 56, 64, 84
_SCHEMA_VERSION = 3
# Buffers of weights are aligned to at most this, and shall stay so.
_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Part:
    """An operation with all it needs to run alone: `operations`, itself the last of them.

    The others make its weights from constants, such as the DEQUANTIZE of float16 weights.
    `inputs` are the tensors that it takes from other operations.
    """

    operations: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def parts(graph: ModelGraph) -> list[Part | None]:
    """For each operation the part of the graph that it is; None where it only makes constants.

    Those run once, when the model is opened, and not for a frame.
    """
    constant = {tensor.index for tensor in graph.tensors if tensor.constant}
    needed: dict[int, tuple[int, ...]] = {}
    found: list[Part | None] = []
    for number, operation in enumerate(graph.operations):
        inputs = dict.fromkeys(i for i in operation.inputs if i >= 0)
        makers = dict.fromkeys(n for i in inputs for n in needed.get(i, ()))
        operations = (*makers, number)
        if inputs.keys() <= constant:
            constant.update(operation.outputs)
            needed |= dict.fromkeys(operation.outputs, operations)
            found.append(None)
            continue
        taken = tuple(i for i in inputs if i not in constant)
        found.append(Part(operations, taken, operation.outputs))
    return found


def cut_out(
    data: memoryview, operations: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]
) -> bytes:
    """A model of some operations of the main graph of the model file `data`, in their order.

    `inputs` and `outputs` are numbers of tensors; without operations it does nothing at all.
    Raises `DamagedBuffer`.
    """
    model = Table.root(data, b"TFL3")
    graph = model.tables(2)[0]
    operators = graph.tables(3)
    codes, buffers, tensors = model.target(1), model.target(4), graph.target(0)
    if codes is None or buffers is None or tensors is None:
        raise DamagedBuffer("the model holds no graph")
    outputs_at = _LISTS + 4 * (1 + len(inputs))
    operators_at = outputs_at + 4 * (1 + len(outputs))
    end = operators_at + 4 * (1 + len(operations))
    file = -(-end // _ALIGNMENT) * _ALIGNMENT
    beginning = _Beginning(file)
    beginning.put_field_lists()
    beginning.refer(_MODEL + 8, file + codes, _GRAPHS, file + buffers)
    beginning.put(_GRAPHS, "I", 1)
    beginning.refer(_GRAPHS + 4, _GRAPH)
    beginning.refer(_GRAPH + 4, file + tensors, _LISTS, outputs_at, operators_at)
    beginning.put(_LISTS, f"{1 + len(inputs)}I", len(inputs), *inputs)
    beginning.put(outputs_at, f"{1 + len(outputs)}I", len(outputs), *outputs)
    beginning.put(operators_at, "I", len(operations))
    beginning.refer(operators_at + 4, *(file + operators[n].position for n in operations))
    return bytes(beginning.content) + data


class _Beginning:
    """The bytes before the old file in the making."""

    def __init__(self, size: int) -> None:
        self.content = bytearray(size)

    def put(self, at: int, form: str, *values: int | bytes) -> None:
        struct.pack_into(f"<{form}", self.content, at, *values)

    def refer(self, at: int, *targets: int) -> None:
        """Put references, one behind the other; each is the distance from where it stands."""
        for place, target in zip(range(at, at + 4 * len(targets), 4), targets, strict=True):
            self.put(place, "I", target - place)

    def put_field_lists(self) -> None:
        """Put what says where each field lies in the tables of the model and of its graph.

        Each list begins with its own size and the table's; 0 is a field that is not there.
        """
        version, codes, graphs, description, buffers = 4, 8, 12, 0, 16
        self.put(0, "I4s", _MODEL, b"TFL3")
        self.put(_MODEL_FIELDS, "7H", 14, 20, version, codes, graphs, description, buffers)
        self.put(_MODEL, "2I", _MODEL - _MODEL_FIELDS, _SCHEMA_VERSION)
        tensors, inputs, outputs, operators = 4, 8, 12, 16
        self.put(_GRAPH_FIELDS, "6H", 12, 20, tensors, inputs, outputs, operators)
        self.put(_GRAPH, "I", _GRAPH - _GRAPH_FIELDS)
