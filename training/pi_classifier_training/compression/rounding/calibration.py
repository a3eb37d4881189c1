"""Rounding a whole network layer by layer, seen by training photos.

Two copies of the photos' activations go through the network together: as the float
network has them, and as the layers rounded so far leave them. Each layer is fitted
anew to the second so that it gives what it gave the first, then rounded where that
harms the scores least for the bits it saves; what is left of the mean error goes into
the biases, which stay in full precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.model_graph import ModelGraph, Operation
from pi_classifier_training.compression.rounding.levels import (
    LARGEST_MULTIPLE,
    Array,
    Compensation,
    as_kernel,
    as_rows,
    code_lengths,
    power_of_two,
    refit,
)
from pi_classifier_training.conversion.execution import UnknownOperation, activated, computed
from pi_classifier_training.errors import ExportError

Values = NDArray[np.float32]
Weights = dict[int, Values]

# Inputs that hardly vary would otherwise let weights grow without limit.
DAMPING = 0.01
# Places a covariance is taken from.
SAMPLES = 16_000
BATCH = 16
# The more certain a network is, the less any error seems to matter: soften its scores.
SOFTENING = 2.0
# A layer's least sensitive outputs are taken as if they were this share of its mean.
LEAST_SENSITIVITY = 1e-3
# Rounding that pays for bits: the slope of nats over bits at the chosen steps is 2·ln 2.
SLOPE = 2 * float(np.log(2))


def sensitivities(
    graph: ModelGraph, layers: tuple[Operation, ...], pixels: Values, *, logits: bool
) -> dict[int, Array]:
    """How much squared errors of each layer's outputs matter: nats times two, ``[channels]``.

    Summed over positions, averaged over photos, by the index of the layer's output: the
    diagonal of the Fisher information of the (softened) scores, by one random
    projection a photo. `logits` says that the network ends without softmax.
    """
    import tensorflow as tf

    rng = np.random.default_rng(1)
    total: dict[int, Array] = {}
    for start in range(0, len(pixels), BATCH):
        batch = tf.constant(pixels[start : start + BATCH])
        with tf.GradientTape() as tape:
            scores, added = _disturbed(graph, layers, batch, tape)
            logs = tf.nn.log_softmax(scores) if logits else tf.math.log(scores + 1e-12)
            # Fisher information is the expectation, over the network's own labels, of the
            # squared gradient of the log score. Random signs make cross terms of labels
            # vanish on average, so one gradient a photo stands for one a label.
            soft = tf.sqrt(tf.stop_gradient(tf.nn.softmax(logs / SOFTENING)))
            signs = rng.choice(np.array([-1, 1], np.float32), scores.shape)
            projection = tf.reduce_sum(signs * soft * logs)
        for index, slope in tape.gradient(projection, added).items():
            squares = np.asarray(tf.square(slope), np.float64)
            summed = squares.reshape(-1, squares.shape[-1]).sum(axis=0)
            total[index] = total.get(index, 0.0) + summed / len(pixels)
    return {k: np.maximum(v, v.mean() * LEAST_SENSITIVITY + 1e-12) for k, v in total.items()}


def _disturbed(
    graph: ModelGraph, layers: tuple[Operation, ...], pixels: Any, tape: Any
) -> tuple[Any, dict[int, Any]]:
    """The scores, and zeros added to each layer's outputs before their activation."""
    import tensorflow as tf

    values, added = {graph.inputs[0]: pixels}, {}
    outputs = {layer.outputs[0] for layer in layers}
    for operation in graph.operations:
        index = operation.outputs[0]
        result = _computed(operation, _operands(graph, operation, values, {}))
        if index in outputs:
            added[index] = tf.zeros_like(result)
            tape.watch(added[index])
            result = result + added[index]
        values[index] = activated(operation, result)
    return values[graph.outputs[0]], added


def _computed(operation: Operation, inputs: list[Any]) -> Any:
    try:
        return computed(operation, inputs)
    except UnknownOperation as error:
        raise ExportError(
            f"the model has an operation {operation.kind}, which rounding cannot follow; "
            "--method channel looks at the weights alone"
        ) from error


def _operands(
    graph: ModelGraph, operation: Operation, values: dict[int, Any], weights: Weights
) -> list[Any]:
    """The inputs of an operation: computed values, rounded weights, constants of the file."""
    operands: list[Any] = []
    for index in operation.inputs:
        if index < 0:
            operands.append(None)  # an input left out, such as a bias
        elif index in values:
            operands.append(values[index])
        else:
            operands.append(weights[index] if index in weights else graph.tensors[index].values())
    return operands


def round_network(
    graph: ModelGraph,
    layers: tuple[Operation, ...],
    biases: frozenset[int],
    pixels: Values,
    sensitivity: dict[int, Array],
    tolerance: float,
    progress: Callable[[], None],
) -> Weights:
    """Return new values for the weights of `layers` and those `biases` that may change.

    `pixels` float32 ``[n, H, W, 3]`` are training photos as the graph takes them.
    `tolerance` is the harm a weight may do, in nats (roughly what the cross-entropy
    rises by for each). `progress` is called after each layer.
    """
    rounded: Weights = {}
    float_values: dict[int, Any] = {graph.inputs[0]: pixels}
    now_values: dict[int, Any] = dict(float_values)
    wanted, last = set(map(id, layers)), _last_uses(graph)
    for number, operation in enumerate(graph.operations):
        if id(operation) in wanted:
            source = operation.inputs[0]
            inputs = (
                _samples(graph, operation, float_values[source]),
                _samples(graph, operation, now_values[source]),
            )
            importance = sensitivity[operation.outputs[0]]
            rounded |= _round_layer(graph, operation, biases, inputs, importance, tolerance)
            progress()
        for values, weights in ((float_values, {}), (now_values, rounded)):
            result = _computed(operation, _operands(graph, operation, values, weights))
            values[operation.outputs[0]] = activated(operation, result)
            # Activations of all layers together would not fit into memory.
            for index in operation.inputs:
                if last.get(index) == number:
                    values.pop(index, None)
    return rounded


def _last_uses(graph: ModelGraph) -> dict[int, int]:
    return {i: n for n, operation in enumerate(graph.operations) for i in operation.inputs}


def _samples(graph: ModelGraph, layer: Operation, x: Any) -> Values:
    """What the layer's kernel sees at many places, float32 ``[samples, groups, inputs]``."""
    x = np.asarray(x)
    kernel = graph.tensors[layer.inputs[1]].shape
    if layer.kind == "FULLY_CONNECTED":
        dense: Values = x.reshape(-1, 1, kernel[1])
        return dense
    out = graph.tensors[layer.outputs[0]].shape[1:3]
    places = len(x) * out[0] * out[1]
    # An odd stride wanders over the columns instead of staying on one.
    chosen = np.arange(0, places, max(1, places // SAMPLES) | 1)
    photo, *place = np.unravel_index(chosen, (len(x), *out))
    rows, columns = (
        _seen(layer, axis, place[axis], x.shape[1 + axis], kernel[1 + axis], out[axis])
        for axis in (0, 1)
    )
    parts = []
    for row, row_inside in rows:
        for column, column_inside in columns:
            part = x[photo, row, column]
            part[~(row_inside & column_inside)] = 0
            parts.append(part)
    depthwise = layer.kind == "DEPTHWISE_CONV_2D"
    concatenated: Values = np.stack(parts, axis=2 if depthwise else 1)
    return concatenated if depthwise else concatenated.reshape(len(concatenated), 1, -1)


def _seen(
    layer: Operation, axis: int, place: Any, inputs: int, kernel: int, outputs: int
) -> list[tuple[Any, Any]]:
    """For each of a kernel's rows (axis 0) or columns (1): where it looks, and if inside.

    At each output `place`; padding as TensorFlow does it, one more behind than before.
    """
    options = layer.options
    stride, dilation, same = 1, 1, True
    if options is not None:
        later = layer.kind == "DEPTHWISE_CONV_2D"
        same = options.integer(0, "int8") == 0
        stride = options.integer(2 - axis, "int32", 1)
        dilation = options.integer(5 - axis + later, "int32", 1)
    missing = max(0, (outputs - 1) * stride + (kernel - 1) * dilation + 1 - inputs)
    first = place * stride - (missing // 2 if same else 0)
    places = (first + k * dilation for k in range(kernel))
    return [(np.clip(at, 0, inputs - 1), (at >= 0) & (at < inputs)) for at in places]


def _covariance(a: Values, b: Values) -> Array:
    """``[groups, inputs, inputs]`` of two centered sets of samples."""
    product = np.matmul(a.transpose(1, 2, 0), b.transpose(1, 0, 2))
    covariance: Array = product.astype(np.float64) / len(a)
    return covariance


def _round_layer(
    graph: ModelGraph,
    layer: Operation,
    biases: frozenset[int],
    inputs: tuple[Values, Values],
    importance: Array,
    tolerance: float,
) -> Weights:
    """New values of one layer's weights and bias; `inputs` are the samples before and now."""
    tensor = graph.tensors[layer.inputs[1]]
    channels = graph.tensors[layer.inputs[0]].shape[-1]
    rows = as_rows(layer.kind, np.asarray(tensor.values(), np.float32), channels)
    means = [samples.mean(axis=0) for samples in inputs]
    before, now = (x - mean for x, mean in zip(inputs, means, strict=True))
    own = _covariance(now, now)
    damping = (DAMPING * np.einsum("gii->g", own) / own.shape[-1] + 1e-12)[:, None, None]
    target = refit(rows, own, _covariance(now, before), damping)
    # The same damping for rounding: a covariance of fewer samples than inputs has no inverse.
    own += damping * np.eye(own.shape[-1])
    importance = importance.reshape(rows.shape[:2])
    compensation = Compensation.of(own)
    steps = np.maximum(compensation.steps(importance, tolerance), _smallest(target))
    # What a value costs depends on how often it occurs, which is only known afterwards: plain
    # rounding gives a first histogram, near enough to price the choice.
    lengths = code_lengths(np.rint(target / steps[:, :, None]))
    rounded = compensation.rounded(target, steps, importance, SLOPE * tolerance, lengths)
    result = {tensor.index: as_kernel(layer.kind, rounded, tensor.shape)}
    bias = layer.bias
    if bias in biases:
        # Covariances are of centered inputs, so nothing above sees the mean: what the layer
        # gave on average before, less what it gives now, is exactly a change of its bias.
        shift = np.einsum("gri,gi->gr", rows, means[0]) - np.einsum(
            "gri,gi->gr", rounded, means[1]
        )
        values = np.asarray(graph.tensors[bias].values(), np.float32)
        result[bias] = (values + shift.ravel()).astype(np.float32)
    return result


def _smallest(rows: Array) -> Array:
    """Steps below which a row would need multiples above `LARGEST_MULTIPLE`."""
    largest = np.abs(rows).max(axis=2)
    return power_of_two(np.where(largest > 0, largest, 1.0) / LARGEST_MULTIPLE)
