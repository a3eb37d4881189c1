"""A SavedModel read as data: its signature's graph and the values of its variables.

TensorFlow's own loader runs what the model's maker wants run when a model is loaded
(initializers, restore functions, assets). Here the graph of one signature is taken out of the
file, checked (`allowed_operations`), and its variables are made from the values in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_classifier_training.conversion.converter import first_line
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.allowed_operations import allowed_functions
from pi_classifier_training.importing.checkpoint import frozen
from pi_classifier_training.importing.frozen_graph import cut_graph
from pi_classifier_training.importing.graph_nodes import node_name

_LARGEST = 2 << 30
_VALUE = "VARIABLE_VALUE"
_INSTEAD = "export the model as TensorFlow Lite, or save it again with model.export"


@dataclass(frozen=True, slots=True)
class Signature:
    """A function from one picture to outputs; `shape` is the picture's, as far as known."""

    call: Callable[[Any], Any]
    shape: tuple[int | None, ...]


def load_saved_model(path: Path) -> Signature:
    """The signature ``serving_default`` of a SavedModel folder, or its first.

    Raises ExportError where it cannot be read or has an operation that is not allowed.
    """
    meta = _meta_graph(path)
    name = _signature_name(path, meta)
    signature = meta.signature_def[name]
    if len(signature.inputs) != 1:
        raise ExportError(f"{path}: takes {len(signature.inputs)} inputs; expected one picture")
    (picture,) = signature.inputs.values()
    shape = _checked_shape(path, picture)
    try:
        if meta.object_graph_def.nodes:
            return Signature(_function(path, meta, name), shape)
        return Signature(_graph(path, meta, signature), shape)
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(
            f"{path}: TensorFlow cannot read this SavedModel: {first_line(error)}"
        ) from error


def _meta_graph(path: Path) -> Any:
    """The MetaGraphDef that is meant for use rather than training."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    file = path / "saved_model.pb"
    try:
        if file.stat().st_size > _LARGEST:
            raise ExportError(f"{path}: its saved_model.pb is implausibly large")
        saved.ParseFromString(file.read_bytes())
    except OSError as error:
        raise ExportError(f"{path}: cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise ExportError(f"{path}: is not a sound SavedModel; download it again") from error
    if not saved.meta_graphs:
        raise ExportError(f"{path}: is a SavedModel without a graph; {_INSTEAD}")
    served = [meta for meta in saved.meta_graphs if "serve" in meta.meta_info_def.tags]
    return (served or saved.meta_graphs)[0]


def _signature_name(path: Path, meta: Any) -> str:
    names = sorted(name for name in meta.signature_def if not name.startswith("__"))
    if not names:
        raise ExportError(
            f"{path}: this SavedModel offers nothing to call (no signature); save it with "
            "model.export"
        )
    return "serving_default" if "serving_default" in names else names[0]


def _checked_shape(path: Path, picture: Any) -> tuple[int | None, ...]:
    import tensorflow as tf

    dtype = tf.dtypes.as_dtype(picture.dtype)
    if dtype != tf.float32:
        raise ExportError(
            f"{path}: takes {dtype.name}, not float32 pictures; save the model itself rather "
            "than a function that decodes files"
        )
    if picture.tensor_shape.unknown_rank:
        return (None, None, None, 3)
    return tuple(d.size if d.size >= 0 else None for d in picture.tensor_shape.dim)


def _function(path: Path, meta: Any, name: str) -> Callable[[Any], Any]:
    """A signature of TensorFlow 2: a function of the picture and of variables."""
    import tensorflow as tf
    from tensorflow.python.saved_model import function_deserialization as functions

    bare, bound = _signature_function(path, meta, name)
    values = _Values(path, meta).of(bound)
    library = type(meta.graph_def.library)()
    called = [bare.concrete_function_name]
    library.function.extend(allowed_functions(path, meta.graph_def.library, called))
    made = functions.load_function_def_library(library, meta.object_graph_def)
    function = functions.setup_bare_concrete_function(bare, made)
    function.set_variables([value for value in values if isinstance(value, tf.Variable)])
    function.set_external_captures([getattr(value, "handle", value) for value in values])
    (picture,) = bare.argument_keywords

    def call(image: Any) -> Any:
        return function(**{picture: image})

    call.values = values  # type: ignore[attr-defined]  # A function does not keep its variables.
    return call


def _signature_function(path: Path, meta: Any, name: str) -> tuple[Any, list[int]]:
    """The function of a signature, and the objects it is bound to, by number."""
    objects = meta.object_graph_def
    number: int | None = 0
    for step in ("signatures", name):
        number = _child(objects.nodes[number], step)
        if number is None:
            raise ExportError(f"{path}: its signature {name!r} has no function; {_INSTEAD}")
    bare = objects.nodes[number].bare_concrete_function
    called = bare.concrete_function_name
    if called not in objects.concrete_functions or len(bare.argument_keywords) != 1:
        raise ExportError(f"{path}: its signature {name!r} is no function of one picture")
    return bare, list(objects.concrete_functions[called].bound_inputs)


def _child(node: Any, name: str) -> int | None:
    return next((child.node_id for child in node.children if child.local_name == name), None)


class _Values:
    """The objects that functions are bound to: variables with their values, and constants."""

    def __init__(self, path: Path, meta: Any) -> None:
        from tensorflow.core.protobuf import trackable_object_graph_pb2

        self._path, self._meta = path, meta
        self._reader = _checkpoint(path)
        self._saved = trackable_object_graph_pb2.TrackableObjectGraph()
        if self._reader is not None:
            self._saved.ParseFromString(self._reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))

    def of(self, numbers: list[int]) -> list[Any]:
        """Variables and constants; one object bound twice stays one. Raises ExportError."""
        saved = self._in_checkpoint()
        made = {number: self._made(number, saved.get(number)) for number in set(numbers)}
        return [made[number] for number in numbers]

    def _made(self, number: int, saved: Any) -> Any:
        import tensorflow as tf

        node = self._meta.object_graph_def.nodes[number]
        kind = node.WhichOneof("kind")
        if kind == "constant":
            return self._constant(node.constant.operation)
        if kind != "variable":
            raise ExportError(
                f"{self._path}: depends on a file, a table or another object ({kind}) beside its "
                f"weights, which is refused; {_INSTEAD}"
            )
        attributes = () if saved is None else saved.attributes
        key = next((a.checkpoint_key for a in attributes if a.name == _VALUE), None)
        if key is None or self._reader is None or not self._reader.has_tensor(key):
            raise ExportError(
                f"{self._path}: the values of {node.variable.name!r} are missing; copy the whole "
                "folder, variables included"
            )
        return tf.Variable(self._reader.get_tensor(key), trainable=False)

    def _constant(self, operation: str) -> Any:
        import tensorflow as tf

        for node in self._meta.graph_def.node:
            if node.name == operation and node.op == "Const":
                return tf.constant(tf.make_ndarray(node.attr["value"].tensor))
        raise ExportError(f"{self._path}: its constant {operation!r} is missing; {_INSTEAD}")

    def _in_checkpoint(self) -> dict[int, Any]:
        """The checkpoint's objects by the number that the SavedModel gives them.

        Both are graphs with names on their edges and one root.
        """
        nodes = self._meta.object_graph_def.nodes
        matched: dict[int, Any] = {}
        waiting = [(0, 0)] if self._saved.nodes else []
        while waiting:
            number, other = waiting.pop()
            if number in matched:
                continue
            matched[number] = self._saved.nodes[other]
            for child in nodes[number].children:
                same = _child(self._saved.nodes[other], child.local_name)
                if same is not None:
                    waiting.append((child.node_id, same))
        return matched


def weights_prefix(path: Path) -> Path | None:
    """The checkpoint of a SavedModel folder, as TensorFlow names it; None where it has none."""
    prefix = path / "variables" / "variables"
    return prefix if prefix.with_suffix(".index").is_file() else None


def _checkpoint(path: Path) -> Any:
    import tensorflow as tf

    prefix = weights_prefix(path)
    return None if prefix is None else tf.train.load_checkpoint(str(prefix))


def _graph(path: Path, meta: Any, signature: Any) -> Callable[[Any], Any]:
    """A signature of TensorFlow 1: a part of the graph, its variables found by their names."""
    if len(signature.outputs) != 1:
        raise ExportError(
            f"{path}: has {len(signature.outputs)} outputs, as object detectors do; expected a "
            "classifier with one, a score for each label"
        )
    start, end = (
        node_name(value.name)
        for values in (signature.inputs, signature.outputs)
        for value in values.values()
    )
    definition = meta.graph_def
    prefix = weights_prefix(path)
    if prefix is not None:
        definition = frozen(prefix, definition)
    function: Callable[[Any], Any] = cut_graph(path, definition, start, end).function
    return function
