"""Full-integer quantization with ranges of our own, measured on calibration photos.

The ranges go to the TFLite converter as fake-quantization operations. `bias_correction` makes
up for what rounding the weights does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.model_graph import ModelGraph, Operation
from pi_classifier_training.conversion.converter import to_tflite
from pi_classifier_training.conversion.execution import WEIGHTED, execute
from pi_classifier_training.data.stored_pixels import PixelRows

Range = tuple[float, float]
Values = NDArray[np.float32]

# How many photos go through the network at a time.
BATCH = 8
# Weights are stored as −127 … 127, so that zero is exact and nothing overflows.
WEIGHT_STEPS = 127
STEPS = 255
SMALLEST_WIDTH = 1e-6
RAW_PIXELS: Range = (0.0, 255.0)
# The runtime's kernels fix the range of these results at 0 … 255/256.
SCORES: Range = (0.0, 255 / 256)
FIXED_RANGES: dict[str, Range] = {
    "LOGISTIC": SCORES,
    "TANH": (-1.0, 127 / 128),
    "L2_NORMALIZATION": (-1.0, 127 / 128),
}
FIXED = ("SOFTMAX", *FIXED_RANGES)
# Results in the steps of what came in: passed on, or averaged by a kernel that keeps the steps.
PASSED_ON = (
    "RESHAPE", "PAD", "MAX_POOL_2D", "AVERAGE_POOL_2D", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE",
    "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class FullInteger:
    """A float graph with what becomes of it: its constants, a range for every result.

    `constants` are changed biases and weights by tensor index; what is not there is as
    in the graph. `ranges` are the least and greatest value of each operation's result
    by tensor index.
    """

    graph: ModelGraph
    constants: Mapping[int, Values]
    ranges: Mapping[int, Range]

    def constant(self, index: int) -> Any:
        """The value of a constant tensor."""
        return self.constants.get(index, self.graph.tensors[index].values())

    def scores(self, image: Any) -> Any:
        """The graph in TensorFlow, every result rounded to 8 bits; weights are not."""
        return execute(self.graph, fake_quantized(image, RAW_PIXELS), self.constant, self._rounded)

    def _rounded(self, index: int, result: Any) -> Any:
        return fake_quantized(result, self.ranges[index]) if index in self.ranges else result

    def write(self, name: str) -> bytes:
        """Return the full-integer TFLite flatbuffer: uint8 pixels in, uint8 scores out.

        The converter rounds the weights, one scale for each channel. Raises ExportError.
        """
        import tensorflow as tf

        def settings(converter: Any) -> None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.uint8

        side = self.graph.tensors[self.graph.inputs[0]].shape[1]
        return to_tflite(self.scores, side, name, settings)


def fake_quantized(x: Any, limits: Range) -> Any:
    """Round to one of 256 evenly spaced values from the least to the greatest."""
    import tensorflow as tf

    low, high = limits
    return tf.quantization.fake_quant_with_min_max_args(x, low, high, num_bits=8)


def measured_ranges(graph: ModelGraph, photos: PixelRows) -> dict[int, Range]:
    """The least and greatest value of every result on the photos, by tensor index."""
    kinds = {i: o.kind for o in graph.operations for i in o.outputs}
    ranges = {i: FIXED_RANGES[kind] for i, kind in kinds.items() if kind in FIXED_RANGES}

    def seen(index: int, result: Any) -> Any:
        if kinds[index] not in FIXED + PASSED_ON:
            values, (low, high) = result.numpy(), ranges.get(index, (0.0, 0.0))
            ranges[index] = min(low, float(values.min())), max(high, float(values.max()))
        return result

    for start in range(0, len(photos), BATCH):
        pixels = photos[start : start + BATCH].astype(np.float32)
        # As in every photo somewhere: the range of the pixels is the whole of 0–255.
        pixels[0, 0, 0], pixels[0, 0, 1] = RAW_PIXELS
        execute(graph, pixels, lambda i: graph.tensors[i].values(), seen)
    return {index: nudged(limits) for index, limits in ranges.items()}


def nudged(limits: Range) -> Range:
    """Move a range by less than a step, so that zero is one of its 256 values.

    Every tool moves it so, but not all decide the same where zero lies half-way
    between two values, as it does in −1 … 1. A range of no width gets a little.
    """
    low, high = min(limits[0], 0.0), max(limits[1], limits[0] + SMALLEST_WIDTH, 0.0)
    step = (high - low) / STEPS
    below = round(-low / step)
    return -below * step, (STEPS - below) * step


def rounded_weights(operation: Operation, weights: Values) -> Values:
    """Weights as the converter will round them: symmetric, one scale for each channel."""
    axis = WEIGHTED[operation.kind][0]
    others = tuple(a for a in range(weights.ndim) if a != axis)
    scale = np.abs(weights).max(axis=others, keepdims=True) / WEIGHT_STEPS
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    rounded: Values = np.rint(weights / scale) * scale
    return rounded
