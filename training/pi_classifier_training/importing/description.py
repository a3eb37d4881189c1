"""What another program's model holds: read from the file, nothing of it is run.

A record has the inputs and outputs, or those that are likely, kinds of operations or layers
and how many, and parameters; plain JSON values.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pi_classifier_training.conversion.converter import first_line
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.allowed_operations import calls, needed_nodes
from pi_classifier_training.importing.archives import unpack
from pi_classifier_training.importing.checkpoint import read_checkpoint
from pi_classifier_training.importing.frozen_graph import read_graph
from pi_classifier_training.importing.graph_nodes import (
    input_node,
    likely_inputs,
    likely_outputs,
    node_name,
    normalization_before,
    output_node,
)
from pi_classifier_training.importing.keras_files import h5_topology, unpacked_topology
from pi_classifier_training.importing.original import WORDS
from pi_classifier_training.importing.saved_model import weights_prefix
from pi_classifier_training.importing.sources import Recognized
from pi_classifier_training.networks.hdf5 import opened_hdf5

# Keras saves the variables a second time as _all_variables.
_BOOKKEEPING = (
    "_all_variables",
    "_CHECKPOINTABLE",
    "save_counter",
    "optimizer",
    "global_step",
    "_TRACKABLE",
)
_MOST_CALLS = 10_000
_NOT_WEIGHTS = ("optimizer", "_")


def describe(recognized: Recognized) -> dict[str, Any]:
    """Describe a recognized model that is no ``.tflite`` file. Raises ExportError."""
    path = recognized.path
    described = {
        "keras": _keras,
        "graph": _graph,
        "checkpoint": _checkpoint,
        "savedmodel": _saved_model,
        "tensorflowjs": _tensorflowjs,
    }[recognized.format](path)
    return {"format": WORDS[recognized.format], **described}


def _graph(path: Path) -> dict[str, Any]:
    if path.name == "saved_model.pb":
        return _saved_model(path.parent)
    return _graph_record(path, read_graph(path))


def _checkpoint(path: Path) -> dict[str, Any]:
    return _graph_record(path, read_checkpoint(path))


def _graph_record(path: Path, definition: Any) -> dict[str, Any]:
    """Of the nodes that scores come from, where that is clear; else of all."""
    nodes = {node.name: node for node in definition.node}
    start = end = None
    with contextlib.suppress(ExportError):
        start = input_node(path, nodes, None)
    with contextlib.suppress(ExportError):
        end = output_node(path, definition, nodes, None)
    used = list(definition.node) if end is None else needed_nodes(path, definition, end)
    inputs = likely_inputs(nodes) if start is None else [start]
    outputs = likely_outputs(definition, nodes) if end is None else [end]
    record: dict[str, Any] = {
        "inputs": [_node(nodes[name]) for name in inputs],
        "outputs": [_node(nodes[name]) for name in outputs],
        "input_node": start,
        "output_node": end,
        "operations": _counted(node.op for node in used),
        "parameters": sum(_elements(n) for n in used if n.op == "Const"),
    }
    before = None if start is None else normalization_before(nodes, start)
    if before is not None:
        record["normalization"] = {"mean": list(before.mean), "std": list(before.std)}
    return record


def _counted(kinds: Iterator[str]) -> dict[str, int]:
    left_out = ("Const", "Identity", "NoOp", "Placeholder", "ReadVariableOp", "VarHandleOp")
    return dict(Counter(kind for kind in kinds if kind not in left_out).most_common())


def _elements(node: Any) -> int:
    """The numbers in a constant that may be weights: floats, or eight bits of them."""
    tensor = node.attr["value"].tensor
    floats_and_packed = (1, 2, 11, 12, 14, 19)  # of TensorFlow's types.proto
    if tensor.dtype not in floats_and_packed or not tensor.tensor_shape.dim:
        return 0
    return math.prod(dimension.size for dimension in tensor.tensor_shape.dim)


def _node(node: Any) -> dict[str, Any]:
    import tensorflow as tf

    entry: dict[str, Any] = {"name": node.name, "kind": node.op}
    if node.op.startswith("Placeholder"):
        entry["shape"] = [dimension.size for dimension in node.attr["shape"].shape.dim]
        entry["dtype"] = tf.dtypes.as_dtype(node.attr["dtype"].type or 1).name
    return entry


def _saved_model(folder: Path) -> dict[str, Any]:
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    model = SavedModel()
    try:
        model.ParseFromString((folder / "saved_model.pb").read_bytes())
        graph = model.meta_graphs[0]
    except (OSError, DecodeError, IndexError) as error:
        raise ExportError(
            f"{folder}: its saved_model.pb cannot be read; copy the folder again"
        ) from error
    signatures = graph.signature_def
    name = "serving_default" if "serving_default" in signatures else min(signatures, default="")
    record: dict[str, Any] = {
        "signatures": sorted(signatures),
        "inputs": [],
        "outputs": [],
        "operations": {},
        "parameters": 0,
    }
    if name:
        record["inputs"] = list(_tensors(signatures[name].inputs))
        record["outputs"] = list(_tensors(signatures[name].outputs))
        record["operations"] = _counted(_called(folder, graph.graph_def, signatures[name]))
    if (weights := weights_prefix(folder)) is not None:
        try:
            shapes = tf.train.load_checkpoint(str(weights))
            sizes = shapes.get_variable_to_shape_map().items()
        except Exception as error:
            raise ExportError(
                f"{folder}: its weights cannot be read ({first_line(error)}); copy it again"
            ) from error
        record["parameters"] = sum(
            math.prod(shape)
            for n, shape in sizes
            if shape and not any(b in n for b in _BOOKKEEPING)
        )
    return record


def _called(folder: Path, definition: Any, signature: Any) -> Iterator[str]:
    """The operations that a signature's outputs come from, those of functions at each call."""
    functions = {function.signature.name: function for function in definition.library.function}
    ends = {node_name(tensor.name) for tensor in signature.outputs.values()}
    nodes = {n.name: n for end in ends for n in needed_nodes(folder, definition, end)}
    waiting: list[Iterable[Any]] = [nodes.values()]
    for _ in range(_MOST_CALLS):
        if not waiting:
            return
        called = list(waiting.pop())
        waiting += [functions[name].node_def for name in calls(called) if name in functions]
        yield from (node.op for node in called if not node.op.endswith("PartitionedCall"))


def _tensors(tensors: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    import tensorflow as tf

    for name in sorted(tensors):
        shape = [dimension.size for dimension in tensors[name].tensor_shape.dim]
        yield {"name": name, "shape": shape, "dtype": tf.dtypes.as_dtype(tensors[name].dtype).name}


def _keras(path: Path) -> dict[str, Any]:
    if zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory() as folder:
            topology, weights = unpacked_topology(path, unpack(path, Path(folder)))
            version, parameters = "3", _hdf5_numbers(weights)
    else:
        topology, version = h5_topology(path)
        parameters = _hdf5_numbers(path)
    record = _topology_record(path, topology)
    return {"written_by": f"Keras {version}", **record, "parameters": parameters}


def _hdf5_numbers(path: Path) -> int:
    """How many numbers a file's weights are, without what only training needs."""
    import h5py

    sizes: list[int] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith(_NOT_WEIGHTS):
            sizes.append(int(item.size))

    with opened_hdf5(path) as file:
        file.get("model_weights", file).visititems(visit)
    return sum(sizes)


def _topology_record(path: Path, topology: Any) -> dict[str, Any]:
    layers = list(_layers(topology))
    if not layers:
        raise ExportError(f"{path}: describes no layers; save the whole model (model.save)")
    inputs = [
        {"name": layer["config"].get("name", ""), "shape": shape, "dtype": "float32"}
        for layer in layers
        if (shape := _input_shape(layer)) is not None
    ]
    last = layers[-1]
    options = last["config"]
    words = [str(options[k]) for k in ("units", "activation") if options.get(k) is not None]
    kind = ", ".join(filter(None, [last["class_name"], " ".join(words)]))
    return {
        "inputs": inputs[:1],
        "outputs": [{"name": options.get("name", ""), "kind": kind}],
        "operations": _counted(layer["class_name"] for layer in layers),
    }


def _input_shape(layer: Mapping[str, Any]) -> list[int] | None:
    for key in ("batch_input_shape", "batch_shape"):
        shape = layer["config"].get(key)
        if isinstance(shape, list):
            return [-1 if n is None else n for n in shape]
    return None


def _layers(node: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The layers of a topology, those of nested models among them, in their order."""
    config = node.get("config") if isinstance(node, dict) else None
    children = config.get("layers") if isinstance(config, dict) else config
    if isinstance(children, list) and depth < 8:
        for child in children:
            yield from _layers(child, depth + 1)
    elif isinstance(config, dict) and isinstance(node.get("class_name"), str):
        yield node


def _tensorflowjs(path: Path) -> dict[str, Any]:
    from pi_classifier_training.importing.tensorflowjs import read_description

    topology, manifest = read_description(path)
    parameters = sum(
        math.prod(entry["shape"]) for group in manifest for entry in group.get("weights", [])
    )
    return _topology_record(path, topology) | {"parameters": parameters}
