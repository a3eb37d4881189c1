"""A float model file whose weights are to be rounded: checked, patched, written anew."""

from __future__ import annotations

import contextlib
import gzip
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.inference.classifier import open_model_bytes
from pi_classifier.modelfile.manifest import CHANNELS_WRITTEN
from pi_classifier.modelfile.model_file import ModelFile, read_model_file
from pi_classifier.modelfile.model_graph import ModelGraph, Operation, read_model_graph
from pi_classifier.modelfile.tflite_metadata import RAW_PIXELS
from pi_classifier.system.files import write_atomic
from pi_classifier_training.errors import ExportError
from pi_classifier_training.export.export import TRIAL, Evaluation
from pi_classifier_training.modelfile.golden import golden_vectors
from pi_classifier_training.modelfile.writer import write_model_file

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
GOLDEN_TOLERANCE = 1e-3
# What a weight's tensor is measured by: smaller ones save nothing and stay exact.
SMALLEST_WEIGHTS = 64

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FloatModel:
    """A float model: its file, its graph, and what of it may be rounded.

    `layers` are the operations whose weights are rounded, `biases` the indices of the
    bias tensors that may take up mean errors.
    """

    model: ModelFile
    data: bytes
    graph: ModelGraph
    layers: tuple[Operation, ...]
    biases: frozenset[int]

    @property
    def weights(self) -> int:
        """How many weights are rounded."""
        return sum(self.graph.tensors[o.inputs[1]].elements for o in self.layers)


def read_float_model(path: Path) -> FloatModel:
    """Read the float model file at `path`. Raises ExportError where it is no float model."""
    model = read_model_file(path)
    data = path.read_bytes()
    graph = read_model_graph(data)
    uses = Counter(t.offset for t in graph.tensors if t.constant)
    readers = Counter(i for o in graph.operations for i in o.inputs)
    layers, biases = [], set()
    for operation in graph.operations:
        if operation.kind not in WEIGHTED:
            continue
        tensor = graph.tensors[operation.inputs[1]]
        _require_float(path, tensor.dtype, model)
        alone = tensor.constant and uses[tensor.offset] == readers[tensor.index] == 1
        if alone and tensor.elements >= SMALLEST_WEIGHTS:
            layers.append(operation)
            bias = operation.bias
            if bias >= 0 and uses[graph.tensors[bias].offset] == readers[bias] == 1:
                biases.add(bias)
    if not layers:
        raise ExportError(
            f"{path}: has no float weights to round; give the float32 file of a training run "
            "(float32.tflite)"
        )
    return FloatModel(model, data, graph, tuple(layers), frozenset(biases))


def _require_float(path: Path, dtype: str, model: ModelFile) -> None:
    kind = dtype if dtype != "float32" else model.input.dtype
    if kind != "float32":
        raise ExportError(
            f"{path}: its weights are {kind}, so it is quantized already; rounding is for float "
            "models: give float32.tflite of the same training run"
        )


def patched(source: FloatModel, weights: Mapping[int, Values]) -> bytes:
    """The file's bytes with other values in the tensors of these indices, else unchanged."""
    data = bytearray(source.data)
    for index, values in weights.items():
        tensor = source.graph.tensors[index]
        content = np.ascontiguousarray(values, np.float32).tobytes()
        if len(content) != len(tensor.data):
            raise ValueError(f"{tensor.name}: {len(content)} bytes for {len(tensor.data)}")
        data[tensor.offset : tensor.offset + len(content)] = content
    return bytes(data)


def packed_bytes(data: bytes) -> int:
    """How many bytes ``gzip -9`` makes of a whole file."""
    return len(gzip.compress(data, 9, mtime=0))


def distinct_values(source: FloatModel, weights: Mapping[int, Values]) -> dict[str, int]:
    """How many different values each rounded tensor has, by its name."""
    tensors = (source.graph.tensors[o.inputs[1]] for o in source.layers)
    return {t.name: len(np.unique(weights[t.index])) for t in tensors if t.index in weights}


def trial_bytes(source: FloatModel, weights: Mapping[int, Values]) -> bytes:
    """The rounded model file without a self-test, to be measured and thrown away."""
    return _written(source.model, patched(source, weights), _manifest(source.model))


def write_rounded(
    source: FloatModel,
    weights: Mapping[int, Values],
    entries: Mapping[str, Any],
    evaluation: Evaluation | None,
    path: Path,
) -> None:
    """Write the rounded model as a model file with new golden vectors, whole or not at all.

    `entries` go into ``pi_classifier.json`` beside what the float file says of itself, and
    so does what `evaluation` returns for the finished file's classifier.
    """
    model, bare = source.model, patched(source, weights)
    contents = _manifest(model) | dict(entries)
    path.parent.mkdir(parents=True, exist_ok=True)
    trial = _written(model, bare, contents)
    with contextlib.closing(open_model_bytes(trial, path.name, TRIAL)) as classifier:
        vectors = golden_vectors(classifier, list(model.labels), seed=1)
    contents["golden"] = {"tolerance": GOLDEN_TOLERANCE, "vectors": vectors}
    if evaluation is not None:
        trial = _written(model, bare, contents)
        with contextlib.closing(open_model_bytes(trial, path.name, TRIAL)) as classifier:
            contents["evaluation"] = evaluation(classifier)
    write_atomic(path, _written(model, bare, contents))


def _manifest(model: ModelFile) -> dict[str, Any]:
    """What stays true of the rounded file; what was measured on the float one does not."""
    dropped = ("golden", "evaluation", "flatbuffer", "kind")
    known = {k: v for k, v in model.manifest.details.items() if k not in dropped}
    picture = {
        "size": list(model.input_size),
        "resize": model.manifest.resize,
        "channels": CHANNELS_WRITTEN[model.channels],
    }
    return {"name": model.name, "input": picture} | known | {"kind": "rounded"}


def _written(model: ModelFile, data: bytes, contents: Mapping[str, Any]) -> bytes:
    return write_model_file(data, list(model.labels), contents, model.normalization or RAW_PIXELS)
