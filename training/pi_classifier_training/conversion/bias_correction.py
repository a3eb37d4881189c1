"""Biases that make up for rounded weights, on any number of photos in bounded memory.

Rounding the weights shifts the mean of what a channel computes, and the shifts add up
over the layers: most of what a MobileNet loses. Each bias takes back its channel's mean
error on the calibration photos (Nagel et al. 2019, arXiv:1906.04721, section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pi_classifier.modelfile.model_graph import ModelGraph, Operation
from pi_classifier_training.conversion.execution import WEIGHTED, activated, computed, last_uses
from pi_classifier_training.conversion.full_integer import (
    BATCH,
    FullInteger,
    Values,
    fake_quantized,
    measured_ranges,
    rounded_weights,
)
from pi_classifier_training.data.stored_pixels import PixelRows

# What may be kept of all photos between two layers. More makes no better file (record 0046).
HELD_BYTES = 96 << 20
FLOAT_BYTES = 4


def full_integer(graph: ModelGraph, photos: PixelRows) -> FullInteger:
    """Choose ranges and correct biases on calibration photos uint8 ``[n, side, side, 3]``.

    Raises ExportError for an operation that is not known.
    """
    return corrected(FullInteger(graph, {}, measured_ranges(graph, photos)), photos)


def corrected(
    network: FullInteger, photos: PixelRows, held_bytes: int = HELD_BYTES
) -> FullInteger:
    """Correct the biases so that each channel's mean on the photos is the float graph's.

    Layers whose results are large see only as many of the photos, the first, as `held_bytes`
    have room for; each has so many places that its mean is known from a few dozen.
    """
    network = replace(network, graph=_with_own_biases(network.graph))
    biases = _Correction(network).biases(photos, held_bytes)
    return replace(network, constants={**network.constants, **biases})


def _with_own_biases(graph: ModelGraph) -> ModelGraph:
    """The same graph without a bias that several layers share, as converters do with zeros.

    A layer that comes first keeps it, the others get copies.
    """
    tensors, taken = list(graph.tensors), set[int]()

    def with_own(operation: Operation) -> Operation:
        bias = operation.bias
        if operation.kind not in WEIGHTED or bias < 0:
            return operation
        if bias not in taken:
            taken.add(bias)
            return operation
        tensors.append(replace(tensors[bias], index=len(tensors)))
        return replace(operation, inputs=(*operation.inputs[:2], tensors[-1].index))

    operations = tuple(map(with_own, graph.operations))
    return replace(graph, tensors=tuple(tensors), operations=operations)


def affordable_photos(graph: ModelGraph, held_bytes: int) -> list[int]:
    """How many photos' results fit into `held_bytes`, twice, from each operation on.

    Never fewer than a batch; and never fewer further on, so that no photo is given up.
    """
    needed_until = last_uses(graph)
    makers = {i: n for n, o in enumerate(graph.operations) for i in o.outputs}
    born = {graph.inputs[0]: 0} | makers
    most: list[int] = []
    largest = 1
    for number in reversed(range(len(graph.operations))):
        alive = (
            graph.tensors[i].elements
            for i, first in born.items()
            if first <= number <= max(first, needed_until.get(i, -1))
        )
        largest = max(largest, 2 * FLOAT_BYTES * sum(alive))
        most.append(max(BATCH, held_bytes // largest))
    return most[::-1]


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """Results by tensor index of a few photos: in floats, and quantized as far as decided."""

    exact: dict[int, Any]
    coarse: dict[int, Any]


class _Correction:
    """New biases by tensor index, one layer after the other.

    Each layer is run on what the layers before it give, in floats and quantized, so that
    a bias takes back also what earlier layers' rounding has left over.
    """

    def __init__(self, network: FullInteger) -> None:
        self._network, self._graph = network, network.graph
        self._needed_until = last_uses(network.graph)
        self._constants: dict[int, tuple[dict[int, Any], dict[int, Any]]] = {}
        self._biases: dict[int, Values] = {}

    def biases(self, photos: PixelRows, held_bytes: int) -> dict[int, Values]:
        batches: list[_Batch] = []
        shown = 0
        for number, most in enumerate(affordable_photos(self._graph, held_bytes)):
            count = min(most, len(photos))
            # Further on, results are smaller and places fewer: begin again with more photos,
            # through layers that are corrected already. Doubling costs less than twice the whole.
            if count >= 2 * shown or shown < count == len(photos):
                starts = range(0, count, BATCH)
                batches = []  # the old ones go before the new ones come
                batches += (
                    self._reached(number, photos[i : min(i + BATCH, count)]) for i in starts
                )
                shown = count
            for batch in batches:
                self._compute(number, batch)
            self._correct(self._graph.operations[number], batches)
            for batch in batches:
                self._finish(number, batch)
        return self._biases

    def _reached(self, number: int, pixels: Any) -> _Batch:
        """What operation `number` gets for these photos."""
        floats = pixels.astype(np.float32)
        batch = _Batch({self._graph.inputs[0]: floats}, {self._graph.inputs[0]: floats})
        for earlier in range(number):
            self._compute(earlier, batch)
            self._finish(earlier, batch)
        return batch

    def _compute(self, number: int, batch: _Batch) -> None:
        """Compute an operation both ways, without its activation."""
        operation = self._graph.operations[number]
        if number not in self._constants:
            self._constants[number] = self._constants_of(operation)
        for values, constants in zip(
            (batch.exact, batch.coarse), self._constants[number], strict=True
        ):
            own = constants if values is batch.exact else constants | self._biases
            result = computed(operation, [values.get(i, own.get(i)) for i in operation.inputs])
            several = result if isinstance(result, list) else [result]
            values.update(zip(operation.outputs, map(np.array, several), strict=True))

    def _constants_of(self, operation: Operation) -> tuple[dict[int, Any], dict[int, Any]]:
        """An operation's constants by tensor index, in floats and as they are quantized."""
        tensors = self._graph.tensors
        known = [i for i in operation.inputs if i >= 0 and tensors[i].constant]
        exact = {i: tensors[i].values() for i in known}
        if operation.kind not in WEIGHTED:
            return exact, exact
        coarse = {i: self._network.constant(i) for i in known}
        weights = operation.inputs[1]
        coarse[weights] = rounded_weights(operation, coarse[weights])
        return exact, coarse

    def _correct(self, operation: Operation, batches: list[_Batch]) -> None:
        """Give back to a layer's bias, and its results, what they are too small by."""
        output, bias = operation.outputs[0], operation.bias
        if operation.kind not in WEIGHTED or bias < 0:
            return
        total, count = 0.0, 0
        for batch in batches:
            error = (batch.exact[output] - batch.coarse[output]).astype(np.float64)
            total = total + error.sum(axis=tuple(range(error.ndim - 1)))
            count += error.size // error.shape[-1]
        shift = np.asarray(total / count, np.float32)
        self._biases[bias] = self._network.constant(bias) + shift
        for batch in batches:
            batch.coarse[output] += shift

    def _finish(self, number: int, batch: _Batch) -> None:
        """Activate and round an operation's results; forget what nothing needs any more."""
        operation = self._graph.operations[number]
        for index in operation.outputs:
            for values in (batch.exact, batch.coarse):
                values[index] = np.array(activated(operation, values[index]))
            if index in self._network.ranges:
                limits = self._network.ranges[index]
                batch.coarse[index] = np.array(fake_quantized(batch.coarse[index], limits))
        for index in [i for i in batch.exact if self._needed_until.get(i, -1) <= number]:
            del batch.exact[index], batch.coarse[index]
