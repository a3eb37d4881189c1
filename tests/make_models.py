"""Makes the tiny models of tests/data: run ``python -m tests.make_models`` with TensorFlow.

Everything in them is synthetic: a network of 3,000 weights learns to tell patches of
cyan, magenta and yellow from others. The files are committed, so that tests need no
TensorFlow; make them again only when the format of model files changes.

Those with another input or output are put together by hand, without TensorFlow:
``python -m tests.make_models by-hand``. They give the label whose color is nearest to the
picture's mean color.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pi_classifier_training.modelfile.golden import golden_vectors  # noqa: E402
from pi_classifier_training.modelfile.writer import write_model_file  # noqa: E402

from pi_classifier.inference.classifier import open_classifier  # noqa: E402
from pi_classifier.inference.settings import ModelSettings  # noqa: E402
from pi_classifier.modelfile.tflite_metadata import RAW_PIXELS, Normalization  # noqa: E402
from tests.unit.pi_classifier_training.small_graphs import Network  # noqa: E402

DATA = Path(__file__).resolve().parent / "data"
LABELS = ["background", "cyan", "magenta", "yellow"]
COLORS = np.array([[0, 200, 200], [200, 0, 200], [200, 200, 0]], np.float32)
SIDE = 16


def pictures(count: int, seed: int) -> tuple[Any, Any]:
    """Noisy patches of the colors, and gray, red, green, blue ones as background."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(LABELS), count)
    gray = rng.uniform(0, 255, (count, 1)) * np.ones(3)
    primary = 220 * np.eye(3)[rng.integers(0, 3, count)]
    other = np.where(rng.random((count, 1)) < 0.5, gray, primary)
    color = np.where(truth[:, None] == 0, other, COLORS[truth - 1])
    light = rng.uniform(0.6, 1.2, (count, 1))
    noise = rng.normal(0, 20, (count, SIDE, SIDE, 3))
    pixels = np.clip((color * light)[:, None, None] + noise, 0, 255)
    return pixels.astype(np.float32), truth


def picture() -> Any:
    import keras

    return keras.Input((SIDE, SIDE, 3), batch_size=1)


def network() -> Any:
    import keras

    layers = [
        keras.Input((SIDE, SIDE, 3)),
        keras.layers.Rescaling(1 / 127.5, -1.0),
        keras.layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
        keras.layers.DepthwiseConv2D(3, strides=2, padding="same", activation="relu"),
        keras.layers.Conv2D(80, 1, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(len(LABELS), name="logits"),
        keras.layers.Softmax(name="scores"),
    ]
    return keras.Sequential(layers)


def trained() -> Any:
    """Train a network whose first layer is the normalization."""
    import keras

    keras.utils.set_random_seed(1)
    pixels, truth = pictures(2000, seed=1)
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(pixels, truth, batch_size=50, epochs=6, verbose=0)
    return keras.Sequential([picture(), *model.layers])


def converted(model: Any, kind: str) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind in ("uint8", "int8"):
        converter.representative_dataset = calibration
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = getattr(tf, kind)
        converter.inference_output_type = getattr(tf, kind)
    data: bytes = converter.convert()
    return data


def calibration() -> Iterator[list[Any]]:
    for picture in pictures(100, seed=2)[0]:
        picture[0, 0], picture[0, 1] = 0.0, 255.0
        yield [picture[None]]


def manifest(kind: str, golden: dict[str, Any] | None, channels: str = "RGB") -> dict[str, Any]:
    return {
        "name": f"colors-{kind}",
        "version": "1",
        "description": "Tells patches of cyan, magenta and yellow from others",
        "author": "pi-classifier",
        "license": "Apache-2.0",
        "network": {"name": "test", "width": 1.0, "resolution": SIDE},
        "input": {"size": [SIDE, SIDE], "resize": "crop", "channels": channels},
        "silent_labels": ["background"],
        "training": {"data": "synthetic color patches", "n": 2000},
        "evaluation": {"split": "test", "n": 500, "top1": 1.0},
        "calibration": {"temperature": 1.0},
        "thresholds": {"accept": 0.8, "high": 0.6, "low": 0.4},
    } | ({"golden": golden} if golden else {})


def finished(
    bare: bytes,
    kind: str,
    labels: list[str] = LABELS,
    channels: str = "RGB",
    **options: Any,
) -> bytes:
    """Add metadata and golden vectors, as ``pi-classifier-train`` does."""
    contents = manifest(kind, None, channels)
    contents["silent_labels"] = [label for label in labels if label == "background"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.tflite"
        path.write_bytes(write_model_file(bare, labels, contents, **options))
        classifier: Any = open_classifier(ModelSettings(path=str(path), cache_dir=""))
        vectors = golden_vectors(classifier, labels, seed=1)
        classifier.close()
    tolerance = 0.06 if kind in ("uint8", "int8", "int16") else 0.01
    contents["golden"] = {"tolerance": tolerance, "vectors": vectors}
    return write_model_file(bare, labels, contents, **options)


# By Rec. 601 their grays are 120, 140, 83 and 177.
NEAREST = np.array([[120, 120, 120], *COLORS.tolist()])
GRAYS = np.array([[120], [140], [83], [177]])
CAFFE = Normalization((123.68, 116.779, 103.939), (1.0, 1.0, 1.0))
IMAGENET = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
# How much a distance counts: the grays are nearer to one another.
SHARP = 100.0


def nearest(colors: Any, normalization: Normalization = RAW_PIXELS) -> tuple[Any, Any]:
    """Weights and biases that give each of `colors` minus its squared distance to a mean color.

    That color is normalized; the square of it is the same for all and left out.
    """
    mean, std = np.array(normalization.mean), np.array(normalization.std)
    weights = 2 * colors * std / SHARP
    return weights, ((2 * colors * mean - colors**2) / SHARP).sum(axis=1)


def means(network: Network, picture: int, count: int) -> int:
    axes = network.constant(np.array([1, 2], np.int32))
    return network.operation("MEAN", (picture, axes), (1, count), keepDims=0)


def softmax(network: Network, color: int, weights: Any, biases: Any) -> int:
    logits = network.dense(color, weights, biases)
    return network.operation("SOFTMAX", (logits,), (1, len(biases)), beta=1.0)


def channels_first() -> bytes:
    """As from PyTorch: ``[1, 3, height, width]`` in, ``[1, labels, 1, 1]`` out."""
    network = Network()
    picture = network.input(1, 3, SIDE, SIDE)
    order = network.constant(np.array([0, 2, 3, 1], np.int32))
    turned = network.operation("TRANSPOSE", (picture, order), (1, SIDE, SIDE, 3))
    scores = softmax(network, means(network, turned, 3), *nearest(NEAREST, IMAGENET))
    shape = network.constant(np.array([1, 4, 1, 1], np.int32))
    network.operation("RESHAPE", (scores, shape), (1, 4, 1, 1))
    return network.data()


def gray() -> bytes:
    network = Network()
    picture = network.input(1, SIDE, SIDE, 1)
    softmax(network, means(network, picture, 1), *nearest(GRAYS))
    return network.data()


def blue_first() -> bytes:
    """As from Caffe: blue, green, red minus their means."""
    network = Network()
    picture = network.input(1, SIDE, SIDE, 3)
    weights, biases = nearest(NEAREST, CAFFE)
    softmax(network, means(network, picture, 3), weights[:, ::-1], biases)
    return network.data()


def half_floats() -> bytes:
    network = Network()
    picture = network.input(1, SIDE, SIDE, 3, dtype="float16")
    wide = network.tensor("wide", (1, SIDE, SIDE, 3))
    network.operation("CAST", (picture,), wide, inDataType=1, outDataType=0)
    scores = softmax(network, means(network, wide, 3), *nearest(NEAREST))
    halves = network.tensor("halves", (1, 4), "float16")
    network.operation("CAST", (scores,), halves, inDataType=0, outDataType=1)
    return network.data()


def sixteen_bits() -> bytes:
    """int16 activations, int8 weights."""
    network = Network()
    pixel, steps = 255 / 32767, 2**15
    picture = network.input(1, SIDE, SIDE, 3, dtype="int16", scales=(pixel,), zero_points=(0,))
    axes = network.constant(np.array([1, 2], np.int32))
    color = network.tensor("color", (1, 3), "int16", scales=(pixel,), zero_points=(0,))
    network.operation("MEAN", (picture, axes), color, keepDims=0)
    weights, biases = nearest(NEAREST)
    scale = np.abs(weights).max() / 127
    kernel = np.rint(weights / scale).astype(np.int8)
    bias = np.rint(biases / (scale * pixel)).astype(np.int64)
    inputs = (
        color,
        network.constant(kernel, scales=(scale,), zero_points=(0,)),
        network.constant(bias, scales=(scale * pixel,), zero_points=(0,)),
    )
    logits = network.tensor("logits", (1, 4), "int16", scales=(3000 / steps,), zero_points=(0,))
    network.operation("FULLY_CONNECTED", inputs, logits)
    scores = network.tensor("scores", (1, 4), "int16", scales=(1 / steps,), zero_points=(0,))
    network.operation("SOFTMAX", (logits,), scores, beta=1.0)
    return network.data()


def independent() -> bytes:
    """Whether a picture has red, green, blue: several may be, or none."""
    network = Network()
    picture = network.input(1, SIDE, SIDE, 3)
    logits = network.dense(means(network, picture, 3), np.eye(3) / 16, np.full(3, -6.25))
    network.operation("LOGISTIC", (logits,), (1, 3))
    return network.data()


def by_hand() -> dict[str, bytes]:
    return {
        "channels-first.tflite": finished(
            channels_first(), "channels-first", normalization=IMAGENET
        ),
        "gray.tflite": finished(gray(), "gray", channels="gray"),
        "bgr.tflite": finished(blue_first(), "bgr", channels="BGR", normalization=CAFFE),
        "float16.tflite": finished(half_floats(), "float16"),
        "int16.tflite": finished(sixteen_bits(), "int16"),
        "independent.tflite": finished(
            independent(), "independent", labels=["red", "green", "blue"]
        ),
    }


def main() -> None:
    DATA.mkdir(exist_ok=True)
    files = by_hand()
    if sys.argv[1:] != ["by-hand"]:
        files |= learned()
    for name, content in files.items():
        (DATA / name).write_bytes(content)
        print(f"{hashlib.sha256(content).hexdigest()[:16]}  {len(content):6}  {name}")


def learned() -> dict[str, bytes]:
    import keras

    model = trained()
    files = {
        f"{kind}.tflite": finished(converted(model, kind), kind)
        for kind in ("float32", "uint8", "int8", "dynamic")
    }
    normalized = keras.Sequential([picture(), *model.layers[1:]])
    files["normalized.tflite"] = finished(
        converted(normalized, "float32"),
        "normalized",
        normalization=Normalization((127.5,) * 3, (127.5,) * 3),
    )
    logits = keras.Sequential([picture(), *model.layers[:-1]])
    files["logits.tflite"] = finished(converted(logits, "float32"), "logits")
    files["bare.tflite"] = converted(model, "uint8")
    image = picture()
    features = keras.layers.Conv2D(4, 3)(image)
    boxes = keras.layers.GlobalAveragePooling2D()(features)
    detector = keras.Model(image, [boxes, keras.layers.Softmax()(boxes)])
    files["detector.tflite"] = converted(detector, "float32")
    return files


if __name__ == "__main__":
    main()
