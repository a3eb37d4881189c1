"""What each operation costs: multiply-accumulates, simple steps, parameters.

A multiply-accumulate (MAC) is one weight times one input, added up: the measure in
which networks are published (MobileNet v1 1.0/224: 569 million, Howard et al. 2017).
Operations without weights are counted in simple steps, one for each number touched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pi_classifier.modelfile.model_graph import ModelGraph, Operation, Tensor

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
# These look at every input number; all others make every output number once.
_READS_ALL = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "ARG_MAX", "ARG_MIN")
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
# Nothing is computed: the numbers stay as they lie, or the runtime renames the tensor.
_FREE = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "SHAPE")


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One operation's cost.

    `macs` are its multiply-accumulates, `steps` the simple steps of an operation
    without weights. `parameters` counts numbers, `weight_bytes` their bytes in the file.
    """

    number: int
    kind: str
    name: str
    output: tuple[int, ...]
    weights: str
    macs: int
    steps: int
    parameters: int
    weight_bytes: int


def layers(graph: ModelGraph) -> tuple[LayerCost, ...]:
    """The cost of every operation, in the order they run; a shared weight counts once."""
    seen: set[int] = set()
    return tuple(_layer(graph, i, operation, seen) for i, operation in enumerate(graph.operations))


def _layer(graph: ModelGraph, number: int, operation: Operation, seen: set[int]) -> LayerCost:
    output = graph.tensors[operation.outputs[0]] if operation.outputs else None
    tensors = [stored(graph, i) for i in operation.inputs if i >= 0]
    own = [t for t in tensors if t is not None and is_parameter(t) and t.index not in seen]
    seen.update(t.index for t in own)
    weights = weights_of(graph, operation)
    return LayerCost(
        number,
        operation.kind,
        "" if output is None else output.name,
        () if output is None else output.shape,
        "" if weights is None else weights.dtype,
        macs(graph, operation),
        _steps(graph, operation),
        sum(t.elements for t in own),
        sum(len(t.data) for t in own),
    )


def stored(graph: ModelGraph, index: int) -> Tensor | None:
    """The constant behind a tensor, through the DEQUANTIZE of float16 weights; else None."""
    tensor = graph.tensors[index]
    if tensor.constant:
        return tensor
    maker = graph.maker(index)
    if maker is not None and maker.kind == "DEQUANTIZE":
        source = graph.tensors[maker.inputs[0]]
        return source if source.constant else None
    return None


def is_parameter(tensor: Tensor) -> bool:
    """Whether a constant was learned: a weight or bias, not a shape or an axis."""
    return tensor.constant and (tensor.dtype.startswith("float") or bool(tensor.scales))


def weights_of(graph: ModelGraph, operation: Operation) -> Tensor | None:
    """The weights of a convolution or fully connected layer as the file holds them."""
    if operation.kind not in WEIGHTED or len(operation.inputs) < 2:
        return None
    return stored(graph, operation.inputs[1])


def macs(graph: ModelGraph, operation: Operation) -> int:
    """Multiply-accumulates of one operation, 0 where it has no weights.

    Weights lie as ``[out, height, width, in]`` (CONV_2D), ``[1, height, width, out]``
    (DEPTHWISE_CONV_2D), ``[out, in]`` (FULLY_CONNECTED), TRANSPOSE_CONV like CONV_2D.
    """
    if operation.kind not in (*WEIGHTED, "BATCH_MATMUL") or len(operation.inputs) < 2:
        return 0
    made = graph.tensors[operation.outputs[0]].elements
    shape = graph.tensors[operation.inputs[1]].shape
    if operation.kind == "CONV_2D":
        return made * math.prod(shape[1:])
    if operation.kind == "DEPTHWISE_CONV_2D":
        return made * math.prod(shape[1:3])
    if operation.kind == "FULLY_CONNECTED":
        return made * shape[-1]
    if operation.kind == "TRANSPOSE_CONV":
        return graph.tensors[operation.inputs[2]].elements * math.prod(shape[:3])
    return made * graph.tensors[operation.inputs[0]].shape[-1]


def _steps(graph: ModelGraph, operation: Operation) -> int:
    """Simple steps of an operation without weights; a pool's window counts as it should."""
    kind = operation.kind
    if kind in WEIGHTED or kind in _FREE or not operation.outputs:
        return 0
    made = sum(graph.tensors[i].elements for i in operation.outputs)
    if kind in _READS_ALL:
        return graph.tensors[operation.inputs[0]].elements
    if kind in _POOLS and operation.options is not None:
        # Pool2DOptions: filter_width and filter_height are slots 3 and 4.
        window = [operation.options.integer(slot, "int32") for slot in (3, 4)]
        return made * math.prod(window)
    return made
