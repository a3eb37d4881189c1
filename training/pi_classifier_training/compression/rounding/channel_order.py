"""Puts channels with equal steps side by side: the network computes the same, gzip saves more.

Which of a layer's channels comes first is arbitrary, as long as all who read them agree. Deflate
codes bytes by how frequent they are in its neighborhood, and channels rounded to multiples of
different steps spell equal multiples with different bytes. Sorted by step, they share them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.model_graph import ModelGraph, Operation
from pi_classifier_training.compression.rounding.float_file import FloatModel
from pi_classifier_training.compression.rounding.levels import Array, as_rows

Values = NDArray[np.float32]
Weights = dict[int, Values]
Order = NDArray[np.int64]

# Operations that treat every channel for itself and alike: an order passes through them.
_CHANNEL_BY_CHANNEL = (
    "RELU", "RELU6", "HARD_SWISH", "LOGISTIC", "TANH", "ADD", "SUB", "MUL", "DIV",
    "AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "PAD",
)  # fmt: skip
_FLATTENING = ("RESHAPE", "SQUEEZE")
# Above every exponent that a float32 has: a channel of zeros goes last.
_NO_STEP = 256


@dataclass(frozen=True, slots=True, eq=False)
class ChannelGroup:
    """Channels that can be put into another order, if all of these layers take part.

    `makers` have them as rows of their kernels, `depthwise` filter each for itself, `readers`
    have them as inputs of their kernels.
    """

    makers: list[Operation] = field(default_factory=list)
    depthwise: list[Operation] = field(default_factory=list)
    readers: list[Operation] = field(default_factory=list)


def channel_groups(source: FloatModel) -> list[ChannelGroup]:
    """The groups of channels whose order nothing outside of the rounded layers can see."""
    tied = _Ties(source.graph)
    for operation in source.graph.operations:
        _tie(tied, source, operation)
    groups: dict[int, ChannelGroup] = {}
    for layer in source.layers:
        made = groups.setdefault(tied.root(layer.outputs[0]), ChannelGroup())
        if layer.kind == "DEPTHWISE_CONV_2D":
            made.depthwise.append(layer)
            continue
        made.makers.append(layer)
        groups.setdefault(tied.root(layer.inputs[0]), ChannelGroup()).readers.append(layer)
    return [g for root, g in groups.items() if root not in tied.fixed() and g.makers]


class _Ties:
    """Tensors that have the same channels in the same order (union–find)."""

    def __init__(self, graph: ModelGraph) -> None:
        self._parents = list(range(len(graph.tensors)))
        self._fixed = {*graph.inputs, *graph.outputs}

    def root(self, tensor: int) -> int:
        while self._parents[tensor] != tensor:
            tensor = self._parents[tensor]
        return tensor

    def tie(self, one: int, other: int) -> None:
        self._parents[self.root(one)] = self.root(other)

    def fix(self, *tensors: int) -> None:
        """The order of these tensors' channels cannot be changed."""
        self._fixed.update(t for t in tensors if t >= 0)

    def fixed(self) -> set[int]:
        return {self.root(t) for t in self._fixed}


def _tie(tied: _Ties, source: FloatModel, operation: Operation) -> None:
    """Note which channels one operation ties to which, or holds where they are."""
    tensors = source.graph.tensors
    inputs = [i for i in operation.inputs if i >= 0 and not tensors[i].constant]
    channels = {_channels(source, i) for i in (*inputs, *operation.outputs)}
    if any(operation is layer for layer in source.layers):
        if operation.bias >= 0 and operation.bias not in source.biases:
            tied.fix(*operation.outputs)
        if operation.kind == "DEPTHWISE_CONV_2D":
            tied.tie(inputs[0], operation.outputs[0])
        single = len(channels) == 1
        if operation.kind == "DEPTHWISE_CONV_2D" and not single:
            tied.fix(operation.outputs[0])
        if _channels(source, inputs[0]) != _seen_channels(source, operation):
            tied.fix(inputs[0])
    elif _passes_order(source, operation, channels):
        for tensor in inputs:
            tied.tie(tensor, operation.outputs[0])
    else:
        tied.fix(*operation.inputs, *operation.outputs)


def _channels(source: FloatModel, tensor: int) -> int:
    shape = source.graph.tensors[tensor].shape
    return shape[-1] if shape else 0


def _seen_channels(source: FloatModel, layer: Operation) -> int:
    """How many input channels a layer's kernel is made for."""
    return source.graph.tensors[layer.inputs[1]].shape[-1]


def _passes_order(source: FloatModel, operation: Operation, channels: set[int]) -> bool:
    tensors = source.graph.tensors
    if len(channels) != 1:
        return False
    if operation.kind in _FLATTENING:
        # Only where each picture is one place: else channels of several places are mixed.
        return all(tensors[i].elements in channels for i in operation.inputs[:1])
    constants = [tensors[i] for i in operation.inputs[1:] if i >= 0 and tensors[i].constant]
    if operation.kind == "MEAN" and {-1, len(tensors[operation.inputs[0]].shape) - 1} & {
        int(axis) for t in constants for axis in t.values().ravel()
    }:
        return False
    floats = [t for t in constants if t.dtype == "float32"]
    # A constant of its own for each channel would have to move with them.
    return operation.kind in _CHANNEL_BY_CHANNEL and all(t.elements == 1 for t in floats)


def in_order_of_steps(source: FloatModel, weights: Weights) -> Weights:
    """The same network with each group's channels sorted by their rounded kernels' steps.

    `weights` are values by tensor index, as rounding returns them; so is the result. What is
    not in it stays as the file has it.
    """
    result = dict(weights)
    for group in channel_groups(source):
        order = _order(source, group, result)
        for tensor, axis in _moved(source, group):
            values = result.get(tensor)
            if values is None:
                values = np.asarray(source.graph.tensors[tensor].values(), np.float32)
            result[tensor] = np.ascontiguousarray(np.take(values, order, axis))
    return result


def _moved(source: FloatModel, group: ChannelGroup) -> Iterator[tuple[int, int]]:
    """Each tensor that has the group's channels, and the axis on which it has them."""
    for layer in group.makers:
        yield layer.inputs[1], 0
    for layer in (*group.depthwise, *group.readers):
        yield layer.inputs[1], len(source.graph.tensors[layer.inputs[1]].shape) - 1
    for layer in (*group.makers, *group.depthwise):
        if layer.bias >= 0:
            yield layer.bias, 0


def _order(source: FloatModel, group: ChannelGroup, weights: Weights) -> Order:
    exponents = []
    for layers in (group.makers, group.depthwise):
        own = [_exponents(source, layer, weights) for layer in layers]
        # Layers joined by additions have one order for all: their mean serves most of them.
        exponents += [np.mean(own, axis=0)] if own else []
    # The last key counts first: kernels of makers have by far the most weights.
    order: Order = np.lexsort(exponents[::-1])
    return order


def _exponents(source: FloatModel, layer: Operation, weights: Weights) -> Array:
    tensor = source.graph.tensors[layer.inputs[1]]
    values = weights.get(tensor.index)
    if values is None:
        values = np.asarray(tensor.values(), np.float32)
    channels = source.graph.tensors[layer.inputs[0]].shape[-1]
    rows = as_rows(layer.kind, values, channels)
    return step_exponents(rows.reshape(rows.shape[0] * rows.shape[1], -1))


def step_exponents(rows: Array) -> Array:
    """The exponent of the largest power of two of which all values of a row are multiples.

    `rows` are float32 numbers ``[rows, inputs]``; a row of zeros counts as above all others.
    """
    mantissas, exponents = np.frexp(rows)
    # A float32 has 24 bits of mantissa: so scaled it is a whole number.
    whole = np.rint(mantissas * (1 << 24)).astype(np.int64)
    lowest = np.log2(np.maximum(whole & -whole, 1)) + exponents - 24
    smallest: Array = np.where(whole == 0, _NO_STEP, lowest).min(axis=1)
    return smallest
