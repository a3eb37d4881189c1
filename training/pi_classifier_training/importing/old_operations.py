"""Operations of the first TensorFlow graphs, put into words that today's TensorFlow knows.

The Inception v3 of TensorFlow for Poets dates from 2015. TensorFlow refuses its batch
normalization, and TensorFlow Lite has no check for numbers. quantize_graph and
transform_graph, the tools of its second part, kept weights in eight bits behind a
Dequantize, which TensorFlow Lite does not know in this form: the floats take their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pi_classifier_training.errors import ExportError

# What --mode=eight_bit and quantize_nodes leave in a graph.
_EIGHT_BIT = ("Quantized", "QuantizeV2", "QuantizeDownAndShrinkRange", "Requantiz")


def modernized(path: Path, definition: Any) -> Any:
    """A copy of a GraphDef without operations that were dropped since. Raises ExportError."""
    import tensorflow as tf

    nodes = {node.name: node for node in definition.node}
    computing = next((n for n in definition.node if n.op.startswith(_EIGHT_BIT)), None)
    if computing is not None:
        raise ExportError(
            f"{path}: computes in eight bits as only TensorFlow 1 could ({computing.op}, made by "
            "quantize_graph --mode=eight_bit or quantize_nodes). Import the graph it was made "
            "from; 'pi-classifier-train quantize' then makes a full-integer file of it"
        )

    result = tf.compat.v1.GraphDef()
    result.versions.CopyFrom(definition.versions)
    # What the new operations are counted as; their meaning has not changed since.
    result.versions.producer = max(result.versions.producer, 21)
    for node in definition.node:
        if node.op == "BatchNormWithGlobalNormalization":
            _batch_norm(result, node)
        elif node.op == "CheckNumerics":
            _add(result, node.name, "Identity", [node.input[0]])
        elif node.op == "Dequantize":
            _real_weights(path, result, node, nodes)
        elif node.op == "Concat":
            _add(result, node.name, "ConcatV2", [*node.input[1:], node.input[0]])
            last = result.node[-1]
            last.attr["N"].i = len(node.input) - 1
            last.attr["Tidx"].type = tf.int32.as_datatype_enum
        else:
            result.node.add().CopyFrom(node)
    result.library.CopyFrom(definition.library)
    return result


def _real_weights(path: Path, graph: Any, node: Any, nodes: Mapping[str, Any]) -> None:
    """Put in the real values of weights kept in eight bits, as Dequantize computes them."""
    import tensorflow as tf

    constants = [nodes.get(name.partition(":")[0]) for name in node.input[:3]]
    if len(constants) != 3 or any(part is None or part.op != "Const" for part in constants):
        raise ExportError(
            f"{path}: its node {node.name!r} dequantizes what is no constant; import the graph "
            "from before it was quantized"
        )
    values, least, greatest = (tf.make_ndarray(c.attr["value"].tensor) for c in constants if c)
    kind = tf.dtypes.as_dtype(node.attr["T"].type)
    if kind not in (tf.quint8, tf.qint8):
        raise ExportError(
            f"{path}: its node {node.name!r} keeps weights as {kind.name}, not in 8 bits"
        )
    plain = np.frombuffer(np.asarray(values).tobytes(), np.uint8 if kind == tf.quint8 else np.int8)
    plain = plain.reshape(np.shape(values))
    real = tf.raw_ops.Dequantize(
        input=tf.bitcast(plain, kind),
        min_range=float(least),
        max_range=float(greatest),
        mode=(node.attr["mode"].s or b"MIN_COMBINED").decode(),
    )
    constant = graph.node.add()
    constant.name, constant.op = node.name, "Const"
    constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(real.numpy()))
    constant.attr["dtype"].type = _FLOAT


def _batch_norm(graph: Any, node: Any) -> None:
    """Put in factor = gamma / √(variance + ε); result = x · factor + (beta − mean · factor)."""
    x, mean, variance, beta, gamma = node.input[:5]
    name = node.name
    epsilon = _add(graph, f"{name}/epsilon", "Const", [])
    tensor = epsilon.attr["value"].tensor
    tensor.dtype = epsilon.attr["dtype"].type = _FLOAT
    del epsilon.attr["T"]
    tensor.float_val.append(node.attr["variance_epsilon"].f)
    tensor.tensor_shape.SetInParent()
    _add(graph, f"{name}/spread", "AddV2", [variance, f"{name}/epsilon"])
    factor = _add(graph, f"{name}/root", "Rsqrt", [f"{name}/spread"]).name
    if node.attr["scale_after_normalization"].b:
        factor = _add(graph, f"{name}/factor", "Mul", [factor, gamma]).name
    _add(graph, f"{name}/shift", "Mul", [mean, factor])
    _add(graph, f"{name}/bias", "Sub", [beta, f"{name}/shift"])
    _add(graph, f"{name}/scaled", "Mul", [x, factor])
    _add(graph, name, "AddV2", [f"{name}/scaled", f"{name}/bias"])


# DT_FLOAT of TensorFlow's types.proto.
_FLOAT = 1


def _add(graph: Any, name: str, operation: str, inputs: list[str]) -> Any:
    node = graph.node.add()
    node.name, node.op = name, operation
    node.input.extend(inputs)
    node.attr["T"].type = _FLOAT
    return node
