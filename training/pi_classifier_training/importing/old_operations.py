"""Operations of the first TensorFlow graphs, put into words that today's TensorFlow knows.

The Inception v3 of TensorFlow for Poets dates from 2015. TensorFlow refuses its batch
normalization, and TensorFlow Lite has no check for numbers.
"""

from __future__ import annotations

from typing import Any


def modernized(definition: Any) -> Any:
    """A copy of a GraphDef without operations that were dropped since."""
    import tensorflow as tf

    result = tf.compat.v1.GraphDef()
    result.versions.CopyFrom(definition.versions)
    # What the new operations are counted as; their meaning has not changed since.
    result.versions.producer = max(result.versions.producer, 21)
    for node in definition.node:
        if node.op == "BatchNormWithGlobalNormalization":
            _batch_norm(result, node)
        elif node.op == "CheckNumerics":
            _add(result, node.name, "Identity", [node.input[0]])
        elif node.op == "Concat":
            _add(result, node.name, "ConcatV2", [*node.input[1:], node.input[0]])
            last = result.node[-1]
            last.attr["N"].i = len(node.input) - 1
            last.attr["Tidx"].type = tf.int32.as_datatype_enum
        else:
            result.node.add().CopyFrom(node)
    result.library.CopyFrom(definition.library)
    return result


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
