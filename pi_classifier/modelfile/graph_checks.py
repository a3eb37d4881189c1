"""Whether the graphs of a ``.tflite`` file are sound: what the runtimes believe without looking.

The runtimes read a file in C++ and trust it: a constant that is shorter than its shape is read
beyond its end, a missing input is taken from other memory. Each check here stands for a file
that ended a runtime with a signal, or took gigabytes. What no table here knows is found out
when the model is tried.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pi_classifier.errors import ModelMismatch
from pi_classifier.modelfile.flatbuffer import Table
from pi_classifier.modelfile.operator_checks import (
    check_operator,
    operator_name,
    subgraphs_of,
)
from pi_classifier.modelfile.subgraph import (
    Subgraph,
    Tensor,
    UnsoundGraph,
    counted,
    read_subgraphs,
)

# Of a quantized tensor, by its type.
ZERO_POINTS = {3: (0, 255), 7: (-32768, 32767), 9: (-128, 127)}

_FLOATS: dict[int, np.dtype[np.floating[Any]]] = {0: np.dtype("<f4"), 1: np.dtype("<f2")}
_TEXT = 5
_LARGEST_SCALE, _LARGEST_ZERO_POINT = 1e6, 1 << 16
# The largest classifiers that a board of 512 MB is asked to run need 20 MB at a time for what
# they compute (EfficientNet-Lite4, Inception v3), beside their weights.
_LARGEST_WORKING_BYTES = 256 << 20


def check_graphs(model: Table, *, edge_tpu: bool = False) -> list[Subgraph]:
    """Read and check every graph of the `model`, and what else the runtime follows.

    `edge_tpu`: one that is compiled for the Edge TPU can run here.
    Raises `DamagedBuffer` where it is unsound, `ModelMismatch` where it cannot run here.
    """
    kinds = model.tables(1)
    graphs = read_subgraphs(model)
    _check_custom_operators([kind.text(1) for kind in kinds], edge_tpu)
    _check_other_references(model, graphs)
    for graph in graphs:
        for tensor in graph.tensors:
            _check_tensor(tensor)
        for operator in graph.operators:
            check_operator(operator, graph.tensors)
        _check_order(graph)
        _check_memory(graph)
    _check_quantization([tensor for graph in graphs for tensor in graph.tensors])
    _check_calls(graphs)
    _check_weights(graphs)
    return graphs


def _check_other_references(model: Table, graphs: list[Subgraph]) -> None:
    model.raw(3)
    if model.tables(8) or model.tables(9):
        raise UnsoundGraph("its weights lie in another file")
    for signature in model.tables(7):
        index = signature.integer(4, "uint32")
        if index >= len(graphs):
            raise UnsoundGraph(f"its signature is of graph {index}, and it has {len(graphs)}")
        for mapping in (*signature.tables(0), *signature.tables(1)):
            mapping.raw(0)
            if mapping.integer(1, "uint32") >= len(graphs[index].tensors):
                raise UnsoundGraph("its signature names a tensor that is not there")
        signature.raw(2)


def _check_custom_operators(names: list[str], edge_tpu: bool) -> None:
    """Refuse by name what only another machine or another runtime can compute."""
    if "edgetpu-custom-op" in names and not edge_tpu:
        raise ModelMismatch(
            "the model is compiled for the Edge TPU and runs on nothing else: take the file it "
            "was compiled from (Coral's name without _edgetpu), or, where there is an Edge TPU, "
            'set model.delegate to "libedgetpu.so.1"'
        )
    foreign = sorted({name for name in names if name.startswith("Flex")})
    if foreign:
        raise ModelMismatch(
            f"the model needs TensorFlow's own operators ({', '.join(foreign)}), which are not "
            "on the device: convert it with only built-in operators "
            "(target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS])"
        )


def _check_tensor(tensor: Tensor) -> None:
    if tensor.table.table(6) is not None:
        raise ModelMismatch(
            f"the weights {tensor.name} are stored sparsely, which not every runtime here reads: "
            "convert the model without EXPERIMENTAL_SPARSITY"
        )
    if tensor.table.integer(5, "uint8"):
        # The runtimes do not look where its memory comes from.
        raise ModelMismatch(
            f"{tensor.name} is a variable, kept from one picture to the next: expected a "
            "classifier that sees each picture for itself"
        )
    size = len(tensor.content)
    if tensor.content and tensor.type_code != _TEXT and size != tensor.size_bytes:
        raise UnsoundGraph(
            f"the shape of {tensor.name} needs {tensor.size_bytes:,} bytes, but the file holds "
            f"{size:,} for it"
        )
    scales, zero_points = tensor.scales, tensor.zero_points
    if not len(scales):
        return
    if len(scales) != len(zero_points):
        raise UnsoundGraph(
            f"{tensor.name} has {counted(len(scales), 'scale')} and "
            f"{counted(len(zero_points), 'zero point')}"
        )
    shape = tensor.shape or ()
    if len(scales) > 1 and not (
        0 <= tensor.axis < len(shape) and shape[tensor.axis] in (-1, len(scales))
    ):
        raise UnsoundGraph(
            f"{tensor.name} has {len(scales)} scales, which do not fit its shape {list(shape)}"
        )


def _check_quantization(tensors: list[Tensor]) -> None:
    """Refuse values that no converter writes: the kernels abort the process on some."""
    by_type: dict[int, list[Tensor]] = {}
    for tensor in tensors:
        if len(tensor.scales):
            by_type.setdefault(tensor.type_code, []).append(tensor)
    for code, quantized in by_type.items():
        low, high = ZERO_POINTS.get(code, (-_LARGEST_ZERO_POINT, _LARGEST_ZERO_POINT))
        scales = np.concatenate([tensor.scales for tensor in quantized])
        zero_points = np.concatenate([tensor.zero_points for tensor in quantized])
        if not (scales.min() >= 0 and scales.max() <= _LARGEST_SCALE):
            raise UnsoundGraph("a tensor has an impossible scale")
        if not (low <= zero_points.min() and zero_points.max() <= high):
            raise UnsoundGraph("a tensor has an impossible zero point")


def _check_order(graph: Subgraph) -> None:
    """Refuse a graph in which a value is used before it is there, or written twice.

    An operator that writes to a constant writes to the mapped file, which ends the process.
    """
    tensors = graph.tensors
    ready = {i for i, tensor in enumerate(tensors) if tensor.content or not tensor.size_bytes}
    for index in graph.inputs:
        if tensors[index].content:
            raise UnsoundGraph(f"its input {tensors[index].name} is a constant")
    ready.update(graph.inputs)
    made = set(graph.inputs)
    for operator in graph.operators:
        for index in operator.inputs:
            if index >= 0 and index not in ready:
                raise UnsoundGraph(
                    f"{operator_name(operator)} takes {tensors[index].name} before it is computed"
                )
        for index in operator.outputs:
            if index < 0 or index in made or tensors[index].content:
                raise UnsoundGraph(f"{operator_name(operator)} writes where something else stands")
        made.update(operator.outputs)
        ready.update(operator.outputs)
    for index in graph.outputs:
        if index not in ready:
            raise UnsoundGraph(f"nothing computes its output {tensors[index].name}")


def _check_memory(graph: Subgraph) -> None:
    """Refuse a graph that holds too much at a time: a wrong side in a shape asks for gigabytes."""
    tensors = graph.tensors
    last_use = {i: operator.place for operator in graph.operators for i in operator.inputs}
    ends: dict[int, list[int]] = {}
    for index, place in last_use.items():
        ends.setdefault(place, []).append(index)
    kept = {*graph.outputs, -1}
    held = set(graph.inputs)
    total = sum(tensors[i].size_bytes for i in held)
    most = total
    for operator in graph.operators:
        held.update(operator.outputs)
        total += sum(tensors[i].size_bytes for i in operator.outputs)
        most = max(most, total)
        for index in ends.get(operator.place, ()):
            if index in held and index not in kept:
                total -= tensors[index].size_bytes
    if most > _LARGEST_WORKING_BYTES:
        raise UnsoundGraph(
            f"by its shapes it needs {most >> 20} MB at a time for what it computes, and "
            f"{_LARGEST_WORKING_BYTES >> 20} MB is the most that a classifier may need"
        )


def _check_calls(graphs: list[Subgraph]) -> None:
    """Refuse graphs that call one that is not there, or one another in a circle."""
    calls = [
        {called for operator in graph.operators for called in subgraphs_of(operator)}
        for graph in graphs
    ]
    if any(not 0 <= called < len(graphs) for called in set().union(*calls)):
        raise UnsoundGraph("an operator calls a graph that is not there")
    finished: set[int] = set()
    while len(finished) < len(graphs):
        next_ones = {i for i, called in enumerate(calls) if called <= finished} - finished
        if not next_ones:
            raise UnsoundGraph("its graphs call one another in a circle")
        finished |= next_ones


def _check_weights(graphs: list[Subgraph]) -> None:
    """Refuse weights that are not numbers: a ReLU hides them, and the scores never change."""
    seen: set[tuple[int, int]] = set()
    for tensor in (tensor for graph in graphs for tensor in graph.tensors):
        dtype = _FLOATS.get(tensor.type_code)
        if dtype is None or not tensor.content or (tensor.buffer, tensor.type_code) in seen:
            continue
        seen.add((tensor.buffer, tensor.type_code))
        values = np.frombuffer(tensor.content, dtype)
        with np.errstate(invalid="ignore"):
            unsound = np.isnan(values.min())  # in one pass, without an array of answers
        if unsound:
            raise ModelMismatch(
                f"the weights {tensor.name} hold values that are not numbers: the training "
                "diverged; train it again with a lower learning rate"
            )
