"""What a model's weights are: their kind, how many values, how they lie in the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from pi_classifier.modelfile.costs import is_parameter, weights_of
from pi_classifier.modelfile.model_graph import ModelGraph, Tensor

# A trained float network repeats hardly any weight; one rounded to few levels most of them.
ROUNDED_BELOW = 0.5
KIND_WORDS = {
    "float32": "float32: nothing rounded",
    "rounded": "rounded: float32 weights of few levels",
    "float16": "float16 weights, computed in float32",
    "dynamic": "dynamic-range quantized: int8 weights, float activations",
    "int8": "full-integer quantized",
    "mixed": "mixed: layers of several kinds",
    "none": "no weights",
}


def weight_tensors(graph: ModelGraph) -> list[Tensor]:
    """The weights of all convolutions and fully connected layers, each once, no biases."""
    tensors = [weights_of(graph, operation) for operation in graph.operations]
    return list({t.index: t for t in tensors if t is not None}.values())


def model_kind(graph: ModelGraph) -> str:
    """Which kind of model this is, a key of `KIND_WORDS`, seen from the graph alone.

    Trained and calibrated ranges look alike there: a quantization-aware trained model
    is ``int8`` too.
    """
    kinds = set()
    for operation in graph.operations:
        weights = weights_of(graph, operation)
        if weights is None:
            continue
        values = 2 if operation.kind == "TRANSPOSE_CONV" else 0
        kinds.add(_layer_kind(graph.tensors[operation.inputs[values]], weights))
    if len(kinds) == 2 and "int8" not in kinds:
        # Converters leave small float weights as they are beside those they pack.
        kinds.discard("float32")
    if len(kinds) != 1:
        return "mixed" if kinds else "none"
    kind = kinds.pop()
    if kind == "float32" and distinct_share(weight_tensors(graph)) < ROUNDED_BELOW:
        return "rounded"
    return kind


def _layer_kind(values: Tensor, weights: Tensor) -> str:
    if not values.dtype.startswith("float"):
        return "int8"
    if weights.dtype.startswith("float"):
        return weights.dtype
    return "dynamic"


def distinct_share(tensors: Sequence[Tensor]) -> float:
    """Different values in each weight tensor, as a share of all their elements (1: none twice)."""
    sizes = sum(t.elements for t in tensors)
    return sum(len(np.unique(t.values())) for t in tensors) / max(1, sizes)


def distinct_values(tensors: Sequence[Tensor]) -> int:
    """How many different stored values the weights have, all tensors of a type together."""
    by_type: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        by_type.setdefault(tensor.dtype, []).append(tensor)
    return sum(
        len(np.unique(np.concatenate([t.values().reshape(-1) for t in group])))
        for group in by_type.values()
    )


def bytes_by_type(graph: ModelGraph) -> dict[str, int]:
    """Bytes of constants in the file, such as ``int8 weights``; the largest first."""
    weights = {t.index for t in weight_tensors(graph)}
    total: Counter[str] = Counter()
    for tensor in {t.offset: t for t in graph.tensors if t.constant}.values():
        if tensor.index in weights:
            role = "weights"
        else:
            role = "biases and factors" if is_parameter(tensor) else "shapes and axes"
        total[f"{tensor.dtype} {role}"] += len(tensor.data)
    return dict(total.most_common())


def alignment(graph: ModelGraph) -> int:
    """The power of two, up to 64, at whose multiples all weights start in the file."""
    at = 64
    for tensor in weight_tensors(graph):
        while tensor.offset % at:
            at //= 2
    return at


def memory_mappable(graph: ModelGraph) -> bool:
    """Whether every weight can be read where it lies: it starts at a multiple of its size."""
    return all(t.offset % np.dtype(t.dtype).itemsize == 0 for t in weight_tensors(graph))
