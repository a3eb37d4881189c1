"""From a trained network to model files: converted, checked, labelled, written whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pi_classifier.classifier import ModelSettings, open_model
from pi_classifier.tflite import read_graph
from training.data.dataset import Images
from training.delivery.golden import golden_vectors
from training.delivery.metadata import write_model_file
from training.delivery.model_card import ModelCard
from training.errors import ExportError
from training.files import write_whole
from training.networks.network import Network

Kind = Literal["float32", "int8"]
KINDS: tuple[Kind, ...] = ("float32", "int8")

# A full-integer model differs between processors by a few of its 256 steps.
GOLDEN_TOLERANCE: dict[Kind, float] = {"float32": 1e-3, "int8": 0.06}
# By custom such a folder holds pictures of nothing in particular.
SILENT_LABELS = ("background",)


Evaluation = Callable[[Path], dict[str, Any]]


def export(
    network: Network,
    kind: Kind,
    card: ModelCard,
    calibration: Images,
    information: dict[str, Any],
    evaluation: Evaluation,
    path: Path,
) -> dict[str, Any]:
    """Convert a network and write it as one model file to `path`, whole or not at all.

    `calibration` are training photos as the device sees them, from which a full-integer
    model takes its ranges. `information` are further entries
    of ``pi_classifier.json``. `evaluation` is called with the path of the finished
    file under a temporary name, and what it returns is written into the file. Returns
    the contents of ``pi_classifier.json``. Raises ExportError.
    """
    bare = convert(network, kind, calibration)
    contents = _contents(network, kind, card) | information
    labels = list(network.labels)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / path.name
        trial.write_bytes(write_model_file(bare, labels, contents))
        contents["golden"] = _golden(trial, network, kind)
        trial.write_bytes(write_model_file(bare, labels, contents))
        contents["evaluation"] = evaluation(trial)
    write_whole(path, write_model_file(bare, labels, contents))
    return contents


def _contents(network: Network, kind: Kind, card: ModelCard) -> dict[str, Any]:
    side = network.spec.resolution
    return {
        "schema_version": 1,
        "name": card.name,
        "version": card.version,
        "description": card.description,
        "author": card.author,
        "license": card.license,
        "network": network.spec.as_dict(),
        "kind": kind,
        "input": {"size": [side, side], "resize": "crop", "channels": "RGB"},
        "silent_labels": [x for x in network.labels if x in SILENT_LABELS],
        "calibration": {"temperature": 1.0},
    }


def _golden(trial: Path, network: Network, kind: Kind) -> dict[str, Any]:
    with contextlib.closing(open_model(trial, ModelSettings())) as classifier:
        vectors = golden_vectors(classifier, list(network.labels), seed=1)
    return {"tolerance": GOLDEN_TOLERANCE[kind], "vectors": vectors}


def convert(network: Network, kind: Kind, calibration: Images) -> bytes:
    """Convert a network to a bare TFLite flatbuffer: raw RGB in, scores out.

    ``float32`` takes float32 0–255; ``int8`` is full-integer with uint8 input of scale
    exactly 1 and zero point 0, so a camera's pixels go in as they are. Raises
    ExportError where the converter fails or the input is not quantised so.
    """
    import tensorflow as tf

    model = network.inference_model()
    side = network.spec.resolution

    @tf.function(input_signature=[tf.TensorSpec((1, side, side, 3), tf.float32, "image")])  # type: ignore[untyped-decorator]
    def scores(image: Any) -> Any:
        return {"scores": model(image, training=False)}

    function = scores.get_concrete_function()
    with _quiet():
        # Without the model beside it the converter freezes variables and folds the batch norms.
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
        if kind == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _representative(calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.uint8
        try:
            data: bytes = converter.convert()
        except Exception as error:
            raise ExportError(f"the TFLite converter failed on {model.name}: {error}") from error
    if kind == "int8":
        require_raw_pixels(data)
    return data


def _representative(images: Images) -> Iterator[list[NDArray[np.float32]]]:
    """The calibration photos, each with one black and one white pixel.

    The two pixels make every photo span 0–255, which fixes the input's scale at 1.
    """
    for pixels in images.pixels:
        image = pixels.astype(np.float32)
        image[0, 0], image[0, 1] = 0.0, 255.0
        yield [image[np.newaxis]]


def require_raw_pixels(data: bytes) -> None:
    """Check that a full-integer model takes pixels as they are: scale 1, zero point 0."""
    pixels = read_graph(memoryview(data)).input
    if pixels.dtype != "uint8" or (pixels.scale, pixels.zero_point) != (1.0, 0):
        raise ExportError(
            f"the input is {pixels.dtype} with scale {pixels.scale} and zero point "
            f"{pixels.zero_point}, not uint8 with 1.0 and 0: the first layer must be the "
            "Rescaling of raw 0–255 pixels"
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converter's chatter off standard error; its C++ part comes back on failure."""
    import absl.logging

    absl.logging.set_verbosity(absl.logging.ERROR)
    with tempfile.TemporaryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            file.seek(0)
            os.write(2, file.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
