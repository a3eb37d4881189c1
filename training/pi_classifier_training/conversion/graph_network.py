"""A float model file as a network: its graph in TensorFlow, raw pixels in, scores out.

What import has converted, or another program has, can so become what a training run becomes:
full-integer, trained for it, in 16 bits. The device's normalization goes into the graph.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.model_file import ModelFile
from pi_classifier.modelfile.model_graph import (
    ModelGraph,
    Operation,
    Tensor,
    read_model_graph,
)
from pi_classifier.modelfile.picture_input import Channels, picture_shape
from pi_classifier.modelfile.tflite_metadata import RAW_PIXELS
from pi_classifier_training.conversion.converter import Function
from pi_classifier_training.conversion.execution import (
    WEIGHTED,
    UnknownOperation,
    computed,
    execute,
    is_known,
)
from pi_classifier_training.errors import ExportError
from pi_classifier_training.inspection.weights import model_kind

FLOAT_KINDS = ("float32", "float16", "rounded", "none")


@dataclass(frozen=True, slots=True, eq=False)
class GraphNetwork:
    """The network in a float model file; `side` is that of its square input."""

    name: str
    labels: tuple[str, ...]
    side: int
    graph: ModelGraph
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: Channels = "rgb"
    channels_first: bool = False

    @classmethod
    def of(cls, model: ModelFile, data: bytes) -> GraphNetwork:
        """The network of a model file whose bytes are `data`. Raises ExportError."""
        height, width = model.input_size
        if height != width:
            raise ExportError(
                f"{model.path}: takes pictures of {width} × {height} pixels; expected square ones"
            )
        if model.channels == "gray":
            raise ExportError(
                f"{model.path}: takes gray pictures, and only networks that take colors are "
                "computed again here; quantize it with the program that it comes from"
            )
        graph = read_model_graph(data)
        kind = model_kind(graph)
        if kind not in FLOAT_KINDS or model.input.dtype != "float32":
            raise ExportError(
                f"{model.path}: is quantized already ({kind}); give the float file it was made of"
            )
        normalization = model.normalization or RAW_PIXELS
        try:
            graph = folded(graph)
            _require_known(graph)
        except UnknownOperation as error:
            raise ExportError(
                f"{model.path}: has an operation {error.kind}, which cannot be computed again "
                "here; quantize the model with the program that it comes from, then import that"
            ) from error
        return cls(
            model.name,
            model.labels,
            height,
            graph,
            normalization.mean,
            normalization.std,
            model.channels,
            picture_shape(model.input.shape).channels_first,
        )

    def scoring(self) -> Function:
        """The network as a TensorFlow function of raw pixels ``[n, side, side, 3]``."""
        std = np.array(self.std, np.float32)
        factor, offset = 1 / std, -np.array(self.mean, np.float32) / std
        graph = self.graph

        def scores(image: Any) -> Any:
            if np.any(factor != 1):
                image = image * factor
            if np.any(offset != 0):
                image = image + offset
            return execute(
                graph, self._arranged(image), lambda i: graph.tensors[i].values(), lambda _, x: x
            )

        return scores

    def _arranged(self, image: Any) -> Any:
        """Normalized pixels as the graph takes them: blue first, or channel after channel."""
        import tensorflow as tf

        if self.channels == "bgr":
            image = image[..., ::-1]
        return tf.transpose(image, (0, 3, 1, 2)) if self.channels_first else image


def folded(graph: ModelGraph) -> ModelGraph:
    """The graph with what is computed from constants alone as constants, in float32.

    Files with float16 weights have a DEQUANTIZE behind each. Raises UnknownOperation.
    """
    tensors, operations = list(graph.tensors), []
    for operation in graph.operations:
        inputs = [tensors[i] for i in operation.inputs if i >= 0]
        if not inputs or not all(tensor.constant for tensor in inputs):
            operations.append(operation)
            continue
        (output,) = operation.outputs
        tensors[output] = _with_values(tensors[output], _value(operation, inputs))
    return replace(graph, tensors=tuple(tensors), operations=tuple(operations))


def _value(operation: Operation, inputs: list[Tensor]) -> NDArray[Any]:
    values = [tensor.values() for tensor in inputs]
    if operation.kind == "DEQUANTIZE" and values[0].dtype == np.float16:
        return values[0].astype(np.float32)
    return np.asarray(computed(operation, values))


def _with_values(tensor: Tensor, values: NDArray[Any]) -> Tensor:
    return replace(
        tensor, shape=values.shape, dtype=values.dtype.name, data=memoryview(values.tobytes())
    )


def _require_known(graph: ModelGraph) -> None:
    """Raise UnknownOperation for what `execute` would not compute, or not on batches."""
    for operation in graph.operations:
        if not is_known(operation):
            raise UnknownOperation(operation.kind)
        if any(graph.tensors[i].shape[:1] != (1,) for i in operation.outputs):
            raise UnknownOperation(f"{operation.kind} of more than one picture")
        if operation.kind in WEIGHTED and not graph.tensors[operation.inputs[1]].constant:
            raise UnknownOperation(f"{operation.kind} of two results")
