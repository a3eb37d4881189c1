"""Where pictures go into a TensorFlow 1 graph, where scores come out, what lies before a cut.

A cut leaves out what stands before the input node. Where that is arithmetic with constants,
as in ``(x - 128) * (1 / 128)``, it is the normalization that the device must do instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier.suggest import suggestion
from pi_classifier_training.errors import ExportError

Nodes = Mapping[str, Any]
Values = NDArray[np.float64]

# Inputs of the graphs that TensorFlow for Poets' retrain.py wrote, behind any decoding:
# MobileNet (input), Inception v3 (Mul).
POETS_INPUTS = ("input", "Mul")
POETS_OUTPUT = "final_result"
POETS = Normalization((128.0,), (128.0,))
POETS_SOURCE = "as TensorFlow for Poets trains and calls its graphs"
# By convention an image module of TensorFlow Hub takes values from 0 to 1.
HUB = Normalization((0.0,), (255.0,))
_HUB_SCOPE = "module_apply_default/"
_SCORES = ("Softmax", "Sigmoid")
_ARITHMETIC = ("Add", "AddV2", "BiasAdd", "Sub", "Mul", "RealDiv")
# The pixels' values stay as they are, at another place or of another type.
_PASSING = (
    "Identity", "Cast", "ExpandDims", "Squeeze", "Reshape", "PlaceholderWithDefault",
    "ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea",
)  # fmt: skip
_SOURCES = ("Placeholder", "PlaceholderV2", "DecodeJpeg", "DecodePng", "DecodeImage", "DecodeBmp")
_STEPS = 24
_PIXELS = (1, 4)  # DT_FLOAT and DT_UINT8 of TensorFlow's types.proto
_PICTURE = 4  # batch, height, width, channels


def input_node(path: Path, nodes: Nodes, stated: str | None) -> str:
    """The node that takes pictures: as stated, else the one placeholder of pictures.

    Raises ExportError where that is not clear.
    """
    if stated is not None:
        return _known(path, nodes, stated, "--input-node")
    pictures = likely_inputs(nodes)
    if len(pictures) == 1:
        return pictures[0]
    for name in POETS_INPUTS:
        if name in pictures or (name in nodes and not pictures):
            return name
    raise ExportError(
        f"{path}: where the picture goes in is not clear (inputs: {_listed(pictures)}); name "
        "the node with --input-node"
    )


def likely_inputs(nodes: Nodes) -> list[str]:
    """The placeholders that may take pictures."""
    shapes = {name: _picture_shape(node) for name, node in nodes.items()}
    pictures = [name for name, dimensions in shapes.items() if dimensions == _PICTURE]
    return pictures or [name for name, dimensions in shapes.items() if dimensions == 0]


def _picture_shape(node: Any) -> int | None:
    """The dimensions of a placeholder of pixels, 0 where they are open; None for other nodes."""
    if node.op not in ("Placeholder", "PlaceholderV2") or node.attr["dtype"].type not in _PIXELS:
        return None
    return len(node.attr["shape"].shape.dim)


def output_node(path: Path, definition: Any, nodes: Nodes, stated: str | None) -> str:
    """The node that gives the scores. Raises ExportError where that is not clear."""
    if stated is not None:
        return _known(path, nodes, stated, "--output-node")
    if POETS_OUTPUT in nodes:
        return POETS_OUTPUT
    likely = likely_outputs(definition, nodes)
    if len(likely) == 1:
        return likely[0]
    raise ExportError(
        f"{path}: which node gives the scores is not clear; name it with --output-node (likely: "
        f"{_listed(likely)})"
    )


def likely_outputs(definition: Any, nodes: Nodes) -> list[str]:
    """The nodes that may give scores: the one open end, else those that end in scores."""
    read = {node_name(reference) for node in definition.node for reference in node.input}
    ends = [
        name
        for name, node in nodes.items()
        if name not in read and node.op not in ("Const", "NoOp")
    ]
    if len(ends) == 1:
        return ends
    # A graph that was trained with has many ends: losses, steps, what saves and restores.
    scores = [n for n in nodes if nodes[n].op in _SCORES and not n.startswith("gradients/")]
    return scores if len(scores) > 1 else [*scores, *(end for end in ends if end not in scores)]


def normalization_before(nodes: Nodes, start: str) -> Normalization | None:
    """The normalization that the nodes up to `start`, itself included, do to pixels.

    None where there is none, or something else stands between the pixels and `start`.
    """
    factor, offset = np.ones(1), np.zeros(1)
    name, normalizes = start, False
    for _ in range(_STEPS):
        node = nodes.get(name)
        if node is None:
            return None
        inputs = [reference for reference in node.input if not reference.startswith("^")]
        if node.op in _SOURCES or not inputs:
            break
        if node.op in _ARITHMETIC:
            step = _step(nodes, node.op, inputs)
            if step is None:
                return None
            own_factor, own_offset, name = step
            factor, offset, normalizes = factor * own_factor, offset + factor * own_offset, True
        elif node.op in _PASSING:
            name = node_name(inputs[0])
        else:
            return None
    # What goes in is factor · pixel + offset, and so (pixel − mean) / std.
    if not normalizes or not np.all((factor > 0) & np.isfinite(factor)):
        return None
    mean, std = np.broadcast_arrays(-offset / factor, 1 / factor)
    return Normalization(_rounded(mean), _rounded(std))


def _rounded(values: Values) -> tuple[float, ...]:
    # 1/255 as a float32 gives 254.99998.
    return tuple(float(f"{value:.6g}") + 0.0 for value in values)


def _step(nodes: Nodes, operation: str, inputs: list[str]) -> tuple[Values, Values, str] | None:
    """Factor and offset of arithmetic with one constant, and the node it is done to."""
    constants = [_constant(nodes, reference) for reference in inputs[:2]]
    known = [constant for constant in constants if constant is not None]
    if len(known) != 1 or (operation == "RealDiv" and constants[1] is None):
        return None
    (constant,), one, none = known, np.ones(1), np.zeros(1)
    behind = constants[1] is not None
    factor, offset = {
        "Mul": (constant, none),
        "RealDiv": (1 / np.where(constant == 0, np.nan, constant), none),
        "Sub": (one, -constant) if behind else (-one, constant),
    }.get(operation, (one, constant))
    return factor, offset, node_name(inputs[0] if behind else inputs[1])


def _constant(nodes: Nodes, reference: str) -> Values | None:
    """A constant of one number, or one for each of three channels."""
    import tensorflow as tf

    node = nodes.get(node_name(reference))
    for _ in range(_STEPS):
        if node is None or node.op != "Identity" or not node.input:
            break
        node = nodes.get(node_name(node.input[0]))
    if node is None or node.op != "Const":
        return None
    values: Values = np.asarray(tf.make_ndarray(node.attr["value"].tensor))
    if values.size not in (1, 3) or values.dtype.kind not in "fiu":
        return None
    return values.astype(np.float64).reshape(-1)


def known_normalization(nodes: Nodes, start: str) -> tuple[Normalization, str] | None:
    """What the graph's maker is known to do before `start`, and how that is known."""
    if not nodes[start].op.startswith("Placeholder"):
        return None
    if POETS_OUTPUT in nodes and any(name.startswith(_HUB_SCOPE) for name in nodes):
        return HUB, "as modules of TensorFlow Hub take it"
    # Cut by optimize_for_inference, the Inception's Mul is a placeholder of that name.
    if POETS_OUTPUT in nodes and start in POETS_INPUTS:
        return POETS, POETS_SOURCE
    return None


def node_name(reference: str) -> str:
    """The node that a reference such as ``^name`` or ``name:1`` stands for."""
    return reference.lstrip("^").partition(":")[0]


def _known(path: Path, nodes: Nodes, name: str, option: str) -> str:
    # TensorFlow calls a node's first result "name:0".
    name = name.removesuffix(":0")
    if name in nodes:
        return name
    raise ExportError(
        f"{path}: has no node {name!r} ({option}).{suggestion(name, nodes)} 'pi-classifier-train "
        f"inspect {path}' lists the likely ones"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "none"
