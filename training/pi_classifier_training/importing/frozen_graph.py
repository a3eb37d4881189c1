"""TensorFlow 1 graphs with the weights frozen in: what TensorFlow for Poets made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.old_operations import modernized

# Inputs of the graphs that TensorFlow for Poets' retrain.py wrote, behind any decoding:
# MobileNet (input), Inception v3 (Mul); later ones took a module of TensorFlow Hub.
_INPUTS = ("input", "Mul", "Placeholder")
_OUTPUT = "final_result"
POETS = Normalization((128.0,), (128.0,))
# By convention an image module of TensorFlow Hub takes values from 0 to 1.
HUB = Normalization((0.0,), (255.0,))


def load_frozen_graph(path: Path, input_node: str | None, output_node: str | None) -> Any:
    """Load a frozen GraphDef as a concrete function of one tensor. Raises ExportError."""
    import tensorflow as tf

    definition = _definition(path)
    nodes = {node.name: node for node in definition.node}
    start = _input(path, nodes, input_node)
    end = _output(path, definition, nodes, output_node)

    current = modernized(definition)

    def imported() -> None:
        tf.import_graph_def(current, name="")

    try:
        whole = tf.compat.v1.wrap_function(imported, [])
        graph = whole.graph
        return whole.prune(
            graph.get_tensor_by_name(f"{start}:0"), graph.get_tensor_by_name(f"{end}:0")
        )
    except Exception as error:
        line = (str(error).strip().splitlines() or [repr(error)])[0][:300]
        raise ExportError(f"{path}: TensorFlow cannot read this graph: {line}") from error


def poets_normalization(path: Path, input_node: str | None) -> tuple[Normalization, str] | None:
    """The normalization of TensorFlow for Poets' own graphs and its source; None for others."""
    nodes = {node.name: node for node in _definition(path).node}
    if input_node is not None or _OUTPUT not in nodes:
        return None
    if any(name.startswith("module_apply_default/") for name in nodes):
        return HUB, "as modules of TensorFlow Hub take it"
    if "Mul" in nodes or "input" in nodes:
        return POETS, "as TensorFlow for Poets trains and calls its graphs"
    return None


def _definition(path: Path) -> Any:
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    definition = tf.compat.v1.GraphDef()
    try:
        definition.ParseFromString(path.read_bytes())
    except OSError as error:
        raise ExportError(f"{path}: cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise ExportError(
            f"{path}: is not a frozen TensorFlow graph; TensorFlow for Poets calls it "
            "retrained_graph.pb"
        ) from error
    if not definition.node:
        raise ExportError(f"{path}: is a TensorFlow graph without any operation")
    if any(node.op in ("VariableV2", "VarHandleOp") for node in definition.node):
        raise ExportError(
            f"{path}: is a graph whose weights lie elsewhere; freeze it first, or import the "
            "SavedModel"
        )
    return definition


def _input(path: Path, nodes: dict[str, Any], stated: str | None) -> str:
    if stated is not None:
        return _known(path, nodes, stated, "--input-node")
    for name in _INPUTS:
        if name in nodes:
            return name
    inputs = [name for name, node in nodes.items() if node.op.startswith("Placeholder")]
    if len(inputs) != 1:
        raise ExportError(
            f"{path}: where the picture goes in is not clear (inputs: {_listed(inputs)}); name "
            "the node with --input-node"
        )
    return inputs[0]


def _output(path: Path, definition: Any, nodes: dict[str, Any], stated: str | None) -> str:
    if stated is not None:
        return _known(path, nodes, stated, "--output-node")
    if _OUTPUT in nodes:
        return _OUTPUT
    read = {name.lstrip("^").partition(":")[0] for node in definition.node for name in node.input}
    ends = [
        name
        for name, node in nodes.items()
        if name not in read and node.op not in ("Const", "NoOp")
    ]
    if len(ends) != 1:
        raise ExportError(
            f"{path}: has {len(ends)} outputs ({_listed(ends)}); name the one with the scores "
            "with --output-node"
        )
    return ends[0]


def _known(path: Path, nodes: dict[str, Any], name: str, option: str) -> str:
    if name not in nodes:
        raise ExportError(
            f"{path}: has no node {name!r} ({option}); it has {_listed(list(nodes))}"
        )
    return name


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "none"
