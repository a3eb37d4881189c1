"""Models that try to write a file, read a secret or run code, as their formats allow it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from .foreign import SIDE, TeachableNet, keras_net

# Layers and parts by which Keras reads other files or runs code, as they stand in the JSON.
_LOST = "no-such-folder"
LAYERS: dict[str, dict[str, Any]] = {
    "Lambda": {"class_name": "Lambda", "config": {"name": "evil", "function": ["4wEAAAA=", None]}},
    "TFSMLayer": {"class_name": "TFSMLayer", "config": {"name": "evil", "filepath": _LOST}},
    "StringLookup": {"class_name": "StringLookup",
                     "config": {"name": "evil", "vocabulary": "/etc/hostname"}},
    "IntegerLookup": {"class_name": "IntegerLookup",
                      "config": {"name": "evil", "vocabulary": "/etc/hostname"}},
    "TextVectorization": {"class_name": "TextVectorization",
                          "config": {"name": "evil", "vocabulary": "/etc/hostname"}},
    "TimeDistributed": {"class_name": "TimeDistributed", "config": {
        "name": "evil", "layer": {"class_name": "TFSMLayer", "config": {"filepath": _LOST}}}},
    "a module": {"class_name": "Dense", "module": "os", "config": {"name": "evil", "units": 3}},
    "a registered name": {"class_name": "Dense", "registered_name": "builtins>exec",
                          "config": {"name": "evil", "units": 3}},
    "a function": {"class_name": "Dense", "config": {"name": "evil", "units": 3, "activation": {
        "class_name": "function", "module": "os", "config": "system"}}},
    "a named function": {"class_name": "Dense", "config": {
        "name": "evil", "units": 3, "activation": "os.system"}},
    "an initializer": {"class_name": "Dense", "config": {
        "name": "evil", "units": 3, "kernel_initializer": {
            "class_name": "TFSMLayer", "config": {"filepath": _LOST}}}},
    "a nested model": {"class_name": "Sequential", "config": {"name": "evil", "layers": [
        {"class_name": "Lambda", "config": {"name": "inner"}}]}},
}  # fmt: skip


def hostile_net(layer: dict[str, Any]) -> TeachableNet:
    net = TeachableNet()
    net.topology["config"]["layers"].append(layer)
    return net


def write_keras(path: Path, layer: dict[str, Any]) -> Path:
    """A ``.keras`` file of Keras 3 with one layer more in its JSON."""
    honest = path.with_name("honest.keras")
    keras_net().save(honest)
    with zipfile.ZipFile(honest) as source, zipfile.ZipFile(path, "w") as target:
        for member in source.infolist():
            content = source.read(member)
            if member.filename == "config.json":
                topology = json.loads(content)
                topology["config"]["layers"].append({"name": "evil", "inbound_nodes": [], **layer})
                content = json.dumps(topology).encode()
            target.writestr(member, content)
    honest.unlink()
    return path


def write_stealing_module(folder: Path, target: Path, secret: Path) -> Path:
    """A SavedModel of TensorFlow 2 whose function copies `secret` to `target` when it is run."""
    import tensorflow as tf

    class Thief(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32)])  # type: ignore[untyped-decorator]
        def scores(self, image: Any) -> Any:
            with tf.control_dependencies(
                [tf.io.write_file(str(target), tf.io.read_file(str(secret)))]
            ):
                return tf.nn.softmax(tf.reduce_mean(image, (1, 2)))

    thief = Thief()
    tf.saved_model.save(thief, str(folder), signatures=thief.scores)
    return folder


def write_table_module(folder: Path, secret: Path) -> Path:
    """A SavedModel of TensorFlow 2 with a table that is filled from a file when it is loaded."""
    import tensorflow as tf

    class Reader(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            lines = tf.lookup.TextFileInitializer(
                str(secret), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
            )  # fmt: skip
            self.table = tf.lookup.StaticHashTable(lines, -1)

        @tf.function(input_signature=[tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32)])  # type: ignore[untyped-decorator]
        def scores(self, image: Any) -> Any:
            size = tf.cast(self.table.size(), tf.float32)
            return tf.nn.softmax(tf.reduce_mean(image, (1, 2)) + size)

    reader = Reader()
    tf.saved_model.save(reader, str(folder), signatures=reader.scores)
    return folder


def write_initialized_model(folder: Path, target: Path) -> Path:
    """A SavedModel of TensorFlow 1 whose initializer writes `target` when it is loaded."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(tf.float32, (None, SIDE, SIDE, 3), "image")
        kernel = v1.get_variable("kernel", (3, 3), use_resource=False)
        scores = tf.nn.softmax(tf.matmul(tf.reduce_mean(image, (1, 2)) / 99, kernel), name="s")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(
            session, str(folder), {"image": image}, {"scores": scores},
            legacy_init_op=tf.io.write_file(str(target), "written"),
        )  # fmt: skip
    return folder


def write_stealing_graph(path: Path, target: Path, secret: Path) -> Path:
    """A frozen graph whose scores need a copy of `secret` at `target`."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        image = tf.compat.v1.placeholder(tf.float32, (1, SIDE, SIDE, 3), "input")
        copy = tf.io.write_file(str(target), tf.io.read_file(str(secret)))
        with tf.control_dependencies([copy]):
            tf.nn.softmax(tf.reduce_mean(image, (1, 2)), name="final_result")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def write_linked_h5(path: Path, secret: Path, kind: str) -> Path:
    """A Keras 2 ``.h5`` file, one of whose weights lies in another file."""
    import h5py
    import numpy as np

    TeachableNet().write_h5(path.parent)
    path.parent.joinpath("keras_model.h5").rename(path)
    other = path.with_name("other.hdf5")
    with h5py.File(other, "w") as file:
        file["values"] = np.zeros(10, np.float32)
    place = "model_weights/sequential_1/dense_Dense1/bias:0"
    with h5py.File(path, "a") as file:
        del file[place]
        if kind == "external link":
            file[place] = h5py.ExternalLink(str(other), "/values")
        elif kind == "soft link":
            file["values"] = np.zeros(10, np.float32)
            file[place] = h5py.SoftLink("/values")
        elif kind == "external data":
            file.create_dataset(place, (10,), "<f4", external=[(str(secret), 0, 40)])
        else:
            layout = h5py.VirtualLayout((10,), "<f4")
            layout[:] = h5py.VirtualSource(str(other), "values", (10,))
            file.create_virtual_dataset(place, layout)
    return path
