"""Models as other programs write them: tiny networks, real file formats."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pi_classifier_training.importing.original import Original
from pi_classifier_training.importing.sources import Choices, Recognized, read_original

# What the importer reads a model with.
IMPORTER_READS = "pi_classifier_training.importing.importer.read_confined"
SIDE = 32
LABELS = ("cyan", "magenta", "yellow")


def values(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.4, shape).astype(np.float32)


def positive(shape: tuple[int, ...], seed: int, least: float) -> NDArray[np.float32]:
    return np.asarray(np.abs(values(shape, seed)) + least, np.float32)


@contextlib.contextmanager
def read_in_this_process(
    recognized: Recognized, choices: Choices, *, trusted: bool = False
) -> Iterator[Original]:
    """What `read_confined` gives, without a child."""
    yield read_original(recognized, choices)


class TeachableNet:
    """A MobileNet v2 block and a head, as Teachable Machine nests them, in Keras 2's JSON."""

    def __init__(self) -> None:
        c = SIDE
        self.weights: dict[str, dict[str, NDArray[np.float32]]] = {
            "Conv1": {"kernel": values((3, 3, 3, 8), 1)},
            "bn_Conv1": self._norm(8, 2),
            "dw": {"depthwise_kernel": values((3, 3, 8, 1), 3)},
            "dw_BN": self._norm(8, 4),
            "project": {"kernel": values((1, 1, 8, 8), 5)},
            "dense_Dense1": {"kernel": values((8, 10), 6), "bias": values((10,), 7)},
            "dense_Dense2": {"kernel": values((10, 3), 8)},
        }
        nodes: list[Any] = [
            ("InputLayer", "input_1", {"batch_input_shape": [None, c, c, 3]}, []),
            ("ZeroPadding2D", "Conv1_pad", {"padding": [[0, 1], [0, 1]]}, ["input_1"]),
            (
                "Conv2D", "Conv1",
                {"filters": 8, "kernel_size": [3, 3], "strides": [2, 2], "padding": "valid",
                 "use_bias": False, "activation": "linear", "kernel_initializer":
                 {"class_name": "VarianceScaling", "config": {"mode": "fan_avg"}}},
                ["Conv1_pad"],
            ),
            ("BatchNormalization", "bn_Conv1", {"axis": [3], "epsilon": 0.001}, ["Conv1"]),
            ("ReLU", "Conv1_relu", {"max_value": 6.0}, ["bn_Conv1"]),
            (
                "DepthwiseConv2D", "dw",
                {"kernel_size": [3, 3], "strides": [1, 1], "padding": "same", "groups": 1,
                 "use_bias": False, "depth_multiplier": 1, "depthwise_initializer": None},
                ["Conv1_relu"],
            ),
            ("BatchNormalization", "dw_BN", {"axis": -1, "epsilon": 0.001}, ["dw"]),
            ("ReLU", "dw_relu", {"max_value": 6.0}, ["dw_BN"]),
            ("Conv2D", "project", {"filters": 8, "kernel_size": [1, 1], "use_bias": False},
             ["dw_relu"]),
            ("Add", "add", {}, ["Conv1_relu", "project"]),
            ("Activation", "out_relu", {"activation": "relu"}, ["add"]),
        ]  # fmt: skip
        body = [
            {"class_name": kind, "name": name, "config": {"name": name, **config},
             "inbound_nodes": [[[source, 0, 0, {}] for source in sources]] if sources else []}
            for kind, name, config, sources in nodes
        ]  # fmt: skip
        model = {
            "class_name": "Model",
            "config": {"name": "model1", "layers": body, "input_layers": [["input_1", 0, 0]],
                       "output_layers": [["out_relu", 0, 0]]},
        }  # fmt: skip
        self.topology = self._sequential("sequential_4", [
            self._sequential("sequential_1", [
                model, self._layer("GlobalAveragePooling2D", "gap"),
            ]),
            self._sequential("sequential_3", [
                self._layer("Dense", "dense_Dense1", units=10, activation="relu"),
                self._layer("Dropout", "dropout", rate=0.2),
                self._layer("Dense", "dense_Dense2", units=3, activation="softmax",
                            use_bias=False),
            ]),
        ])  # fmt: skip

    @staticmethod
    def _norm(channels: int, seed: int) -> dict[str, NDArray[np.float32]]:
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        return {n: positive((channels,), seed + i, 0.2) for i, n in enumerate(names)}

    @staticmethod
    def _layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
        return {"class_name": kind, "config": {"name": name, **config}}

    @staticmethod
    def _sequential(name: str, layers: list[Any]) -> dict[str, Any]:
        return {"class_name": "Sequential", "config": {"name": name, "layers": layers}}

    def scores(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network computed by numpy from float32 ``[n, side, side, 3]``."""
        w = self.weights
        x = np.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)))
        x = self._convolved(x, w["Conv1"]["kernel"], 2)
        x = np.clip(self._normed(x, w["bn_Conv1"]), 0, 6)
        kernel = w["dw"]["depthwise_kernel"][..., 0]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        n = x.shape[1]
        y = sum(padded[:, i : i + n, j : j + n] * kernel[i, j] for i in range(3) for j in range(3))
        y = np.clip(self._normed(np.asarray(y), w["dw_BN"]), 0, 6) @ w["project"]["kernel"][0, 0]
        x = np.maximum(x + y, 0).mean(axis=(1, 2))
        x = np.maximum(x @ w["dense_Dense1"]["kernel"] + w["dense_Dense1"]["bias"], 0)
        z = np.exp(x @ w["dense_Dense2"]["kernel"])
        return np.asarray(z / z.sum(axis=1, keepdims=True), np.float32)

    @staticmethod
    def _convolved(x: NDArray[Any], kernel: NDArray[Any], stride: int) -> NDArray[Any]:
        n = (x.shape[1] - kernel.shape[0]) // stride + 1
        rows = [x[:, i : i + n * stride : stride] for i in range(kernel.shape[0])]
        return np.asarray(sum(
            row[:, :, j : j + n * stride : stride] @ kernel[i, j]
            for i, row in enumerate(rows) for j in range(kernel.shape[1])
        ))  # fmt: skip

    @staticmethod
    def _normed(x: NDArray[Any], w: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        factor = w["gamma"] / np.sqrt(w["moving_variance"] + 0.001)
        return np.asarray((x - w["moving_mean"]) * factor + w["beta"])

    def write_h5(self, folder: Path) -> Path:
        """``keras_model.h5`` as Keras 2 writes it, ``labels.txt`` as Teachable Machine does."""
        import h5py

        path = folder / "keras_model.h5"
        with h5py.File(path, "w") as file:
            file.attrs["keras_version"] = "2.3.0-tf"
            file.attrs["model_config"] = json.dumps(self.topology)
            for layer, weights in self.weights.items():
                for name, array in weights.items():
                    file[f"model_weights/sequential_1/{layer}/{name}:0"] = array
        write_labels(folder)
        return path

    def write_tensorflowjs(self, folder: Path) -> Path:
        """``model.json``, ``weights.bin`` and ``metadata.json``."""
        entries, data = [], b""
        for layer, weights in self.weights.items():
            for name, array in weights.items():
                shape = list(array.shape)
                entries.append({"name": f"{layer}/{name}", "shape": shape, "dtype": "float32"})
                data += array.tobytes()
        (folder / "weights.bin").write_bytes(data)
        topology = self.topology | {"keras_version": "tfjs-layers 1.3.1"}
        (folder / "model.json").write_text(json.dumps({
            "modelTopology": topology,
            "weightsManifest": [{"paths": ["./weights.bin"], "weights": entries}],
        }))  # fmt: skip
        (folder / "metadata.json").write_text(json.dumps({
            "packageName": "@teachablemachine/image", "labels": list(LABELS), "imageSize": SIDE,
        }))  # fmt: skip
        return folder / "model.json"


def write_labels(folder: Path, name: str = "labels.txt", *, numbered: bool = True) -> None:
    lines = (f"{i} {label}" if numbered else label for i, label in enumerate(LABELS))
    (folder / name).write_text("\n".join(lines) + "\n")


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def write_poets_graph(
    path: Path,
    inputs: str = "input",
    output: str = "final_result",
    outputs: int = 1,
    kernel: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """A frozen TF1 graph; returns its kernel ``[3, labels]`` on the mean color."""
    import tensorflow as tf

    kernel = values((3, 3), 11) if kernel is None else kernel
    graph = tf.Graph()
    with graph.as_default():
        image = tf.compat.v1.placeholder(tf.float32, (1, SIDE, SIDE, 3), inputs)
        pooled = tf.reduce_mean(image, (1, 2))
        tf.nn.softmax(tf.matmul(pooled, tf.constant(kernel * 8)), name=output)
        for i in range(1, outputs):
            tf.nn.softmax(tf.matmul(pooled, tf.constant(kernel)), name=f"{output}_{i}")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return kernel


def write_eight_bit_weights(source: Path, path: Path) -> NDArray[np.float32]:
    """Pack a graph's one kernel as quantize_graph --mode=weights did; return its new values."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(source.read_bytes())
    (kernel,) = (n for n in graph.node if n.op == "Const" and n.attr["dtype"].type == 1)
    values = tf.make_ndarray(kernel.attr["value"].tensor)
    low, step = values.min(), np.ptp(values) / 255
    stored = np.rint((values - low) / step).astype(np.uint8)
    for name, value in (("stored", stored), ("low", low), ("high", values.max())):
        constant = graph.node.add()
        constant.name, constant.op = name, "Const"
        tensor = tf.make_tensor_proto(value)
        if name == "stored":
            tensor.dtype = tf.quint8.as_datatype_enum
        constant.attr["value"].tensor.CopyFrom(tensor)
        constant.attr["dtype"].type = tensor.dtype
    kernel.op = "Dequantize"
    kernel.attr.clear()
    kernel.attr["T"].type = tf.quint8.as_datatype_enum
    kernel.attr["mode"].s = b"MIN_FIRST"
    kernel.input.extend(["stored", "low", "high"])
    path.write_bytes(graph.SerializeToString())
    # MIN_FIRST moves the range so that zero is one of its values.
    return np.asarray((stored + np.rint(low / step)) * step, np.float32)


def write_checkpoint(folder: Path, kernel: NDArray[np.float32]) -> Path:
    """A graph that was trained with, and its weights, as TensorFlow 1 saves them."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        image = tf.compat.v1.placeholder(tf.float32, (None, SIDE, SIDE, 3), "input")
        variable = tf.compat.v1.get_variable("kernel", initializer=kernel, use_resource=False)
        bias = tf.compat.v1.get_variable("bias", (3,), use_resource=True)
        logits = tf.matmul(tf.reduce_mean(image, (1, 2)), variable) + 0 * bias
        tf.nn.softmax(logits, name="final_result")
        truth = tf.compat.v1.placeholder(tf.int64, (None,), "truth")
        loss = tf.compat.v1.losses.sparse_softmax_cross_entropy(truth, logits)
        tf.compat.v1.train.AdamOptimizer().minimize(loss)
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver()
        return Path(saver.save(session, str(folder / "model.ckpt"), global_step=1000))


def write_inception_graph(path: Path) -> Mapping[str, NDArray[np.float32]]:
    """The shape of the 2015 Inception graph: JPEG in, `Mul` normalized, old batch norm.

    Returns its arrays: scores are softmax(mean(batch norm(input)) · kernel).
    """
    import tensorflow as tf

    arrays = {n: positive((3,), i, 0.5) for i, n in enumerate(("m", "v", "b", "g"))}
    arrays["kernel"] = values((3, 3), 21) * 8
    graph = tf.Graph()
    with graph.as_default():
        jpeg = tf.compat.v1.placeholder(tf.string, (), "DecodeJpeg/contents")
        pixels = tf.raw_ops.DecodeJpeg(contents=jpeg, channels=3, name="DecodeJpeg")
        image = tf.expand_dims(tf.cast(pixels, tf.float32, name="Cast"), 0, name="ExpandDims")
        sized = tf.raw_ops.ResizeBilinear(images=image, size=[SIDE, SIDE], name="ResizeBilinear")
        x = tf.multiply(tf.subtract(sized, 128.0, name="Sub"), 1 / 128, name="Mul")
        for name in "mvbg":
            tf.constant(arrays[name], name=name)
        x = tf.debugging.check_numerics(tf.identity(x, "norm"), "bad", name="check")
        pooled = tf.reshape(tf.reduce_mean(x, (1, 2)), (-1, 3))
        pooled = tf.compat.v1.placeholder_with_default(
            pooled, (None, 3), "input/BottleneckInputPlaceholder"
        )
        tf.nn.softmax(tf.matmul(pooled, tf.constant(arrays["kernel"])), name="final_result")
    definition = graph.as_graph_def()
    (norm,) = (node for node in definition.node if node.name == "norm")
    norm.op = "BatchNormWithGlobalNormalization"
    norm.input.extend("mvbg")
    norm.attr["variance_epsilon"].f = 0.001
    norm.attr["scale_after_normalization"].b = True
    definition.versions.producer = 8
    path.write_bytes(definition.SerializeToString())
    return arrays


def keras_net(
    *, rescaling: bool = True, offset: float = -1, side: int | None = SIDE, outputs: int = 1
) -> Any:
    """A small Keras 3 network with a normalization inside, or without."""
    import keras

    image = keras.Input((side, side, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset)(image) if rescaling else image
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    ends = [keras.layers.Dense(3, activation="softmax")(x) for _ in range(outputs)]
    net = keras.Model(image, ends if outputs > 1 else ends[0])
    for i, weights in enumerate(net.weights):
        weights.assign(np.abs(values(tuple(weights.shape), i)) if "norm" in weights.path
                       else values(tuple(weights.shape), i) * (2 if rescaling else 1))  # fmt: skip
    return net
