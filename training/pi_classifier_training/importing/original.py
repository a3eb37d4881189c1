"""What is imported: a classifier of any origin, as a TFLite flatbuffer and as it ran before."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.manifest import Resize
from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier_training.conversion.converter import to_tflite
from pi_classifier_training.conversion.reference import Reference
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.raw_pixels import function_takes_raw_pixels

Format = Literal["tflite", "keras", "savedmodel", "graph", "checkpoint", "tensorflowjs"]

WORDS: dict[Format, str] = {
    "tflite": "TensorFlow Lite file",
    "keras": "Keras model",
    "savedmodel": "SavedModel",
    "graph": "frozen TensorFlow graph",
    "checkpoint": "TensorFlow checkpoint",
    "tensorflowjs": "TensorFlow.js layers model",
}


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """A model before it becomes one of ours.

    `tflite` is its flatbuffer, possibly with metadata already. `run` computes scores as
    the framework it came from does; `other_kernels` as devices without XNNPACK do, where
    that may differ. `normalization` is what its makers are known to
    use, None where that is not known; `normalization_source` says from where.
    `takes_raw_pixels` where its first steps normalize pixels from 0 to 255.
    """

    format: Format
    path: Path
    tflite: bytes
    run: Reference
    normalization: Normalization | None = None
    normalization_source: str = ""
    resize: Resize = "crop"
    takes_raw_pixels: bool = False
    other_kernels: Reference | None = None


def converted(
    format_: Format,
    path: Path,
    function: Callable[[Any], Any],
    shape: tuple[int | None, ...],
    size: int | None,
) -> Original:
    """Convert a TensorFlow function from pictures to scores.

    `shape` is its input ``[batch, height, width, channels]`` as far as it is known;
    `size` fills an open height and width. Raises ExportError.
    """
    side = _side(path, shape, size)

    def scores(image: Any) -> Any:
        return _one_output(path, function(image))

    data = to_tflite(scores, side, path.name)

    compiled: list[Any] = []

    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        import tensorflow as tf

        if not compiled:
            # Layer by layer, a photo takes a Keras network half a second.
            compiled.append(tf.function(scores, autograph=False))
        return np.asarray(compiled[0](tf.constant(image)), np.float32).reshape(-1)

    raw = function_takes_raw_pixels(scores, side)
    return Original(format_, path, data, run, takes_raw_pixels=raw)


def _side(path: Path, shape: tuple[int | None, ...], size: int | None) -> int:
    if len(shape) != 4 or shape[3] not in (3, None):
        raise ExportError(
            f"{path}: takes an input of the shape {list(shape)}; expected pictures, "
            "[batch, height, width, 3]. Gray ones or channels first: convert it with "
            "tf.lite.TFLiteConverter, and import that file"
        )
    height, width = shape[1], shape[2]
    if height is None or width is None:
        if size is None:
            raise ExportError(
                f"{path}: takes pictures of any size; state the one it was trained with, for "
                "example --size 224"
            )
        return size
    if height != width or (size is not None and size != height):
        wanted = "square pictures" if height != width else f"pictures of --size {size}"
        raise ExportError(
            f"{path}: takes pictures of {width} × {height} pixels; expected {wanted}"
        )
    return height


def _one_output(path: Path, outputs: Any) -> Any:
    values = list(outputs.values()) if isinstance(outputs, dict) else outputs
    values = list(values) if isinstance(values, list | tuple) else [values]
    if len(values) != 1:
        raise ExportError(
            f"{path}: has {len(values)} outputs, as object detectors do; expected a classifier "
            "with one, a score for each label"
        )
    shape = tuple(values[0].shape)
    if not shape or shape[-1] is None or math.prod(int(n or 1) for n in shape[:-1]) != 1:
        raise ExportError(
            f"{path}: its output has the shape {list(shape)}; expected a score for each label"
        )
    return values[0]
