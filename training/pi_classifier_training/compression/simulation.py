"""The full-integer network in floats: it rounds as the file will, and can be trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pi_classifier.modelfile.model_graph import ModelGraph, Operation
from pi_classifier_training.conversion.execution import WEIGHTED, execute, is_rectified
from pi_classifier_training.conversion.full_integer import (
    FIXED,
    RAW_PIXELS,
    WEIGHT_STEPS,
    FullInteger,
    Range,
    Values,
    fake_quantized,
    nudged,
)

# A weight that changes its rounding shifts a whole channel: weights move least. Biases make
# up for such shifts, and ranges are two numbers for a whole feature map.
WEIGHT_RATE = 0.05
RANGE_RATE = 2.0
SMALLEST_SHARE = 0.05


class Simulation:
    """The full-integer network in floats, with weights, biases and ranges to be trained."""

    def __init__(self, start: FullInteger) -> None:
        import tensorflow as tf

        self.graph = start.graph
        self._start = start
        weighted = [o for o in start.graph.operations if o.kind in WEIGHTED]
        self._operations = {o.inputs[1]: o for o in weighted}
        self._biases = {
            o.bias: tf.Variable(start.constant(o.bias)) for o in weighted if o.bias >= 0
        }
        # Weights in units of their channel's largest, ranges in units of the first ones:
        # so one learning rate suits all.
        self._units = {i: _largest(o, start.constant(i)) for i, o in self._operations.items()}
        self._weights = {
            i: tf.Variable(start.constant(i) / unit) for i, unit in self._units.items()
        }
        learned = _learned_ranges(start)
        self._shares = {i: tf.Variable(np.ones(2, np.float32)) for i in learned}
        self._rectified = {o.outputs[0] for o in start.graph.operations if is_rectified(o)}

    def variable_groups(self) -> list[tuple[list[Any], float]]:
        """What is trained, in groups, each with its share of the learning rate."""
        return [
            (list(self._weights.values()), WEIGHT_RATE),
            (list(self._biases.values()), 1.0),
            (list(self._shares.values()), RANGE_RATE),
        ]

    def logits(self, images: Any) -> Any:
        """What goes into the last softmax, ``[n, labels]``, for raw pixels."""
        pixels = fake_quantized(images, RAW_PIXELS)
        return logits_of(self.graph, pixels, self._constant, self._rounded)

    def _constant(self, index: int) -> Any:
        import tensorflow as tf

        if index in self._weights:
            return _straight_through(
                self._weights[index] * self._units[index], self._operations[index]
            )
        if index in self._biases:
            return self._biases[index].value()
        return tf.constant(self._start.constant(index))

    def _rounded(self, index: int, result: Any) -> Any:
        import tensorflow as tf

        if index in self._shares:
            low, high = self._limits(index)
            return tf.quantization.fake_quant_with_min_max_vars(result, low, high, num_bits=8)
        if index in self._start.ranges:
            return fake_quantized(result, self._start.ranges[index])
        return result

    def _limits(self, index: int) -> tuple[Any, Any]:
        import tensorflow as tf

        low, high = self._start.ranges[index]
        share = tf.maximum(self._shares[index], SMALLEST_SHARE)
        # A rectified result has no negative values: its range begins at zero for good.
        return (0.0 if index in self._rectified else low * share[0]), high * share[1]

    def result(self) -> FullInteger:
        """The network as trained so far."""
        constants: dict[int, Values] = {i: v.numpy() for i, v in self._biases.items()}
        constants |= {i: v.numpy() * self._units[i] for i, v in self._weights.items()}
        ranges: dict[int, Range] = dict(self._start.ranges)
        for index in self._shares:
            low, high = self._limits(index)
            ranges[index] = nudged((float(low), float(high)))
        return FullInteger(self.graph, constants, ranges)


def _learned_ranges(start: FullInteger) -> list[int]:
    """Results behind the first weights; before them are only pixels, whose range is known."""
    learned: list[int] = []
    begun = False
    for operation in start.graph.operations:
        begun = begun or operation.kind in WEIGHTED
        index = operation.outputs[0]
        if begun and index in start.ranges and operation.kind not in FIXED:
            learned.append(index)
    return learned


def _largest(operation: Operation, weights: Values) -> Values:
    axis = WEIGHTED[operation.kind][0]
    others = tuple(a for a in range(weights.ndim) if a != axis)
    largest = np.abs(weights).max(axis=others, keepdims=True)
    return np.where(largest > 0, largest, 1).astype(np.float32)


def _straight_through(weights: Any, operation: Operation) -> Any:
    """Weights rounded as the converter will; the gradient ignores the rounding."""
    import tensorflow as tf

    axis = WEIGHTED[operation.kind][0]
    others = [a for a in range(len(weights.shape)) if a != axis]
    largest = tf.reduce_max(tf.abs(weights), axis=others, keepdims=True)
    scale = tf.where(largest > 0, largest / WEIGHT_STEPS, tf.ones_like(largest))
    return weights + tf.stop_gradient(tf.round(weights / scale) * scale - weights)


def logits_of(
    graph: ModelGraph,
    images: Any,
    constant: Callable[[int], Any],
    passing: Callable[[int, Any], Any] = lambda _, result: result,
) -> Any:
    """Execute a graph up to what goes into its last softmax, ``[n, labels]``."""
    last = graph.operations[-1]
    wanted = last.inputs[0] if last.kind == "SOFTMAX" else last.outputs[0]
    found: list[Any] = []

    def seen(index: int, result: Any) -> Any:
        result = passing(index, result)
        if index == wanted:
            found.append(result)
        return result

    execute(graph, images, constant, seen)
    return found[0]
