"""TensorFlow 1 checkpoints: a graph in ``.meta``, its weights in ``.index`` and ``.data-…``.

What TensorFlow's freeze_graph did: each variable becomes a constant. Nothing is run.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pi_classifier_training.conversion.converter import first_line
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.frozen_graph import VARIABLES, check_nodes

_PART = re.compile(r"(.+?)(\.meta|\.index|\.data-\d{5}-of-\d{5})")


def checkpoint_prefix(path: Path) -> Path | None:
    """``model.ckpt-1000`` for any of a checkpoint's files, or that itself; None for others."""
    match = _PART.fullmatch(path.name)
    prefix = path.with_name(match[1]) if match else path
    files = [prefix.with_name(prefix.name + suffix) for suffix in (".meta", ".index")]
    return prefix if match or any(file.is_file() for file in files) else None


def read_checkpoint(prefix: Path) -> Any:
    """Read a checkpoint as a GraphDef with its weights as constants. Raises ExportError."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    meta = prefix.with_name(f"{prefix.name}.meta")
    description = tf.compat.v1.MetaGraphDef()
    try:
        description.ParseFromString(meta.read_bytes())
    except FileNotFoundError:
        raise ExportError(
            f"{prefix}: holds weights without the network they belong to: {meta.name} is "
            "missing beside them; copy it there, or save the whole model (model.save)"
        ) from None
    except OSError as error:
        raise ExportError(f"{meta}: cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise ExportError(
            f"{meta}: is not the graph of a TensorFlow checkpoint; copy it again"
        ) from error
    check_nodes(meta, description.graph_def)
    return frozen(prefix, description.graph_def)


def frozen(prefix: Path, definition: Any) -> Any:
    """The GraphDef with constants in the place of the variables that the checkpoint has.

    Raises ExportError where the checkpoint cannot be read.
    """
    import tensorflow as tf

    weights = _weights(prefix)
    result = tf.compat.v1.GraphDef()
    result.CopyFrom(definition)
    for node in result.node:
        if node.op in VARIABLES:
            name = node.attr["shared_name"].s.decode("utf-8", "replace") or node.name
            if name not in weights:
                # Only needed ones are missed: what trains may have variables that were not saved.
                continue
            value = tf.make_tensor_proto(weights[name]())
            node.op = "Const"
            del node.input[:]
            node.attr.clear()
            node.attr["value"].tensor.CopyFrom(value)
            node.attr["dtype"].type = value.dtype
        elif node.op == "ReadVariableOp":
            node.op = "Identity"
            dtype = node.attr["dtype"].type
            node.attr.clear()
            node.attr["T"].type = dtype
    return result


def _weights(prefix: Path) -> dict[str, Any]:
    """A function for each variable of the checkpoint, which reads its values."""
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = reader.get_variable_to_shape_map()
    except Exception as error:
        raise ExportError(
            f"{prefix}: its weights cannot be read ({first_line(error)}); its .index and all its "
            ".data- files must lie beside the .meta"
        ) from error

    def read(name: str) -> Any:
        try:
            return reader.get_tensor(name)
        except Exception as error:
            raise ExportError(
                f"{prefix}: the weights {name!r} cannot be read ({first_line(error)}); copy its "
                ".data- files again"
            ) from error

    return {name: (lambda name=name: read(name)) for name in names}
