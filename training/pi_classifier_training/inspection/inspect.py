"""Everything that can be said of a model file by looking at it, without running it."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pi_classifier.errors import ModelError, ModelFileError
from pi_classifier.modelfile.cascade_file import read_cascade_file
from pi_classifier.modelfile.costs import layers
from pi_classifier.modelfile.locate import find_model
from pi_classifier.modelfile.manifest import CHANNELS_WRITTEN
from pi_classifier.modelfile.model_copy import LARGEST_MODEL
from pi_classifier.modelfile.model_file import ModelFile, read_model_file
from pi_classifier.modelfile.model_graph import ModelGraph, Tensor, read_model_graph
from pi_classifier.system.files import read_regular_file
from pi_classifier_training.errors import ExportError
from pi_classifier_training.inspection.estimates import BASIS, estimates
from pi_classifier_training.inspection.memory import activation_memory
from pi_classifier_training.inspection.weights import (
    alignment,
    bytes_by_type,
    distinct_share,
    distinct_values,
    memory_mappable,
    model_kind,
    weight_tensors,
)

# The kinds that a model file may state where the graph shows another one or less.
_STATED_AS = {"qat": "int8"}


def inspect(name: str) -> dict[str, Any]:
    """Inspect a model file, a ``cascade.toml``, a folder with one, or a shipped model's name.

    A cascade gives ``{"cascade": name, "stages": [...]}`` with one record a stage, a
    model its record. All are plain JSON values. Raises ExportError where a file is
    damaged, ModelFileError where there is none.
    """
    path = find_model(name)
    if path.suffix != ".toml":
        return inspect_model(path)
    cascade = read_cascade_file(path)
    return {
        "cascade": cascade.name,
        "stages": [inspect_model(e.model) | {"accept": e.accept} for e in cascade.stages],
    }


def read_graph_file(path: Path) -> tuple[bytes, ModelGraph]:
    """Read a model file and its graph. Raises ExportError naming the file."""
    try:
        data = read_regular_file(path, LARGEST_MODEL)
    except OSError as error:
        raise ExportError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    try:
        return data, read_model_graph(data)
    except ModelFileError as error:
        raise ExportError(f"{path}: {error}; inspect takes a .tflite file") from error


def inspect_model(path: Path) -> dict[str, Any]:
    """Inspect one ``.tflite`` file of any origin. Raises ExportError."""
    data, graph = read_graph_file(path)
    kind, costs, weights = model_kind(graph), layers(graph), weight_tensors(graph)
    record: dict[str, Any] = {
        "file": str(path),
        "bytes": len(data),
        "gzip_bytes": len(gzip.compress(data, mtime=0)),
        "kind": kind,
        **_described(path, kind),
        "inputs": [_tensor(graph.tensors[i]) for i in graph.inputs],
        "outputs": [_tensor(graph.tensors[i]) for i in graph.outputs],
        "operations": dict(Counter(o.kind for o in graph.operations).most_common()),
        "parameters": sum(cost.parameters for cost in costs),
        "macs": sum(cost.macs for cost in costs),
        "bytes_by_type": bytes_by_type(graph),
        "distinct_weights": distinct_values(weights),
        "distinct_share": distinct_share(weights),
        "weight_alignment": alignment(graph),
        "memory_mappable": memory_mappable(graph),
        "activations": asdict(activation_memory(graph)),
        "layers": [asdict(cost) | {"output": list(cost.output)} for cost in costs],
        "estimates": [asdict(estimate) for estimate in estimates(costs, kind)],
        "estimates_basis": BASIS,
    }
    return record


def _tensor(tensor: Tensor) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
    }
    if tensor.scales:
        entry |= {"scale": tensor.scales[0], "zero_point": (*tensor.zero_points, 0)[0]}
    return entry


def _described(path: Path, kind: str) -> dict[str, Any]:
    """What the file says about itself, as the daemon reads it; or why the daemon refuses it."""
    try:
        model = read_model_file(path)
    except ModelError as error:
        return {"usable": False, "problem": str(error)}
    details = model.manifest.details
    entry: dict[str, Any] = {
        "usable": True,
        "name": model.name,
        "labels": len(model.labels),
        "labels_source": model.labels_source,
        "ends_with": model.activation,
        "channels": CHANNELS_WRITTEN[model.channels],
        "normalization": _normalization(model),
        "golden_vectors": len(model.manifest.golden),
    }
    if model.metadata is not None:
        texts = ("description", "version", "author", "license")
        entry |= {t: getattr(model.metadata, t) for t in texts if getattr(model.metadata, t)}
    stated = details.get("kind")
    if isinstance(stated, str):
        entry["stated_kind"] = stated
        entry["kind_as_stated"] = _STATED_AS.get(stated, stated) == kind
    entry["evaluation"] = _accuracy(details.get("evaluation"))
    return {key: value for key, value in entry.items() if value is not None}


def _normalization(model: ModelFile) -> dict[str, Any] | None:
    if model.normalization is None:
        return None
    return {"mean": list(model.normalization.mean), "std": list(model.normalization.std)}


def _accuracy(evaluation: object) -> dict[str, Any] | None:
    if not isinstance(evaluation, Mapping):
        return None
    return {k: evaluation[k] for k in ("top1", "top1_interval", "n", "data") if k in evaluation}
