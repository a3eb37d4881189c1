"""TensorFlow 1 graphs with their weights in them, as TensorFlow for Poets made them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier_training.conversion.converter import first_line
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.allowed_operations import allowed_part
from pi_classifier_training.importing.graph_nodes import (
    input_node,
    known_normalization,
    normalization_before,
    output_node,
)
from pi_classifier_training.importing.old_operations import modernized

# How TensorFlow lets nodes be called.
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")
VARIABLES = ("Variable", "VariableV2", "VarHandleOp")


@dataclass(frozen=True, slots=True, eq=False)
class CutGraph:
    """The part of a graph from pictures to scores, as a TensorFlow function.

    `normalization` is what the nodes left out in front did, or what the graph's maker is
    known to do; None where neither is known. `decided` where it was read in the graph: what
    follows the cut does the rest, and says nothing of it.
    """

    function: Any
    output: str
    normalization: Normalization | None
    source: str
    decided: bool


def cut_graph(
    path: Path, definition: Any, stated_input: str | None, stated_output: str | None
) -> CutGraph:
    """Cut a GraphDef at its input and output, or at nodes stated. Raises ExportError."""
    nodes = {node.name: node for node in definition.node}
    start = input_node(path, nodes, stated_input)
    end = output_node(path, definition, nodes, stated_output)
    before = normalization_before(nodes, start)
    known, source = known_normalization(nodes, start) or (None, "")
    function = _function(path, allowed_part(path, definition, end), start, end)
    if before is not None:
        return CutGraph(function, end, before, f"as the graph does up to {start!r}", decided=True)
    return CutGraph(function, end, known, source, decided=False)


def _function(path: Path, definition: Any, start: str, end: str) -> Any:
    import tensorflow as tf

    weightless = [node.name for node in definition.node if node.op in VARIABLES]
    if weightless:
        raise ExportError(
            f"{path}: is a graph whose weights lie elsewhere ({weightless[0]!r} and others): "
            "import the checkpoint's .meta, or the SavedModel's folder"
        )
    current = modernized(path, definition)

    def imported() -> None:
        tf.import_graph_def(current, name="")

    try:
        whole = tf.compat.v1.wrap_function(imported, [])
        graph = whole.graph
        return whole.prune(
            graph.get_tensor_by_name(f"{start}:0"), graph.get_tensor_by_name(f"{end}:0")
        )
    except Exception as error:
        raise ExportError(
            f"{path}: TensorFlow cannot read this graph: {first_line(error)}"
        ) from error


def read_graph(path: Path) -> Any:
    """Read a ``.pb`` file as a GraphDef, without running anything. Raises ExportError."""
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
    check_nodes(path, definition)
    return definition


def check_nodes(path: Path, definition: Any) -> None:
    """Raise ExportError for a graph without nodes, or with names that no graph has."""
    if not definition.node:
        raise ExportError(f"{path}: is a TensorFlow graph without any operation")
    odd = next((n.name for n in definition.node if not _NAME.fullmatch(n.name)), None)
    if odd is not None:
        raise ExportError(f"{path}: is damaged: no node of a graph is called {odd!r}")
