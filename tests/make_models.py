"""Makes the tiny models of tests/data: run ``python -m tests.make_models`` with TensorFlow.

Everything in them is synthetic: a network of 3,000 weights learns to tell patches of
cyan, magenta and yellow from others. The files are committed, so that tests need no
TensorFlow; make them again only when the format of model files changes.
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

from pi_classifier.inference.classifier import ModelSettings, open_classifier  # noqa: E402
from pi_classifier.modelfile.tflite_metadata import Normalization  # noqa: E402

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


def manifest(kind: str, golden: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "name": f"colors-{kind}",
        "version": "1",
        "description": "Tells patches of cyan, magenta and yellow from others",
        "author": "pi-classifier",
        "license": "Apache-2.0",
        "network": {"name": "test", "width": 1.0, "resolution": SIDE},
        "input": {"size": [SIDE, SIDE], "resize": "crop", "channels": "RGB"},
        "silent_labels": ["background"],
        "training": {"data": "synthetic color patches", "n": 2000},
        "evaluation": {"split": "test", "n": 500, "top1": 1.0},
        "calibration": {"temperature": 1.0},
        "thresholds": {"accept": 0.8, "high": 0.6, "low": 0.4},
    } | ({"golden": golden} if golden else {})


def finished(bare: bytes, kind: str, **options: Any) -> bytes:
    """Add metadata and golden vectors, as ``pi-classifier-train`` does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.tflite"
        path.write_bytes(write_model_file(bare, LABELS, manifest(kind, None), **options))
        classifier: Any = open_classifier(ModelSettings(path=str(path), cache_dir=""))
        vectors = golden_vectors(classifier, LABELS, seed=1)
        classifier.close()
    tolerance = 0.06 if kind in ("uint8", "int8") else 0.01
    golden = {"tolerance": tolerance, "vectors": vectors}
    return write_model_file(bare, LABELS, manifest(kind, golden), **options)


def main() -> None:
    import keras

    DATA.mkdir(exist_ok=True)
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
    for name, content in files.items():
        (DATA / name).write_bytes(content)
        print(f"{hashlib.sha256(content).hexdigest()[:16]}  {len(content):6}  {name}")


if __name__ == "__main__":
    main()
