"""From a trained network to a bare TFLite flatbuffer of one kind."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.model_graph import read_model_graph
from pi_classifier.modelfile.tflite_graph import read_graph
from pi_classifier_training.conversion.bias_correction import full_integer
from pi_classifier_training.conversion.converter import Function, to_tflite
from pi_classifier_training.conversion.execution import UnknownOperation
from pi_classifier_training.data.dataset import Images
from pi_classifier_training.errors import ExportError

log = logging.getLogger(__name__)

Kind = Literal["float32", "float16", "dynamic", "int8", "qat"]
KINDS: tuple[Kind, ...] = ("float32", "float16", "dynamic", "int8", "qat")
FULL_INTEGER: tuple[Kind, ...] = ("int8", "qat")


class Convertible(Protocol):
    """A network that takes raw pixels ``[n, side, side, 3]``."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def side(self) -> int: ...

    def scoring(self) -> Function:
        """The network as a TensorFlow function from pixels to scores."""
        ...


def convert(network: Convertible, kind: Kind, calibration: Images) -> bytes:
    """Convert a network to a bare TFLite flatbuffer: raw RGB in, scores out.

    ``float32``, ``float16`` and ``dynamic`` take float32 0–255; ``int8`` is full-integer
    with uint8 input of scale exactly 1 and zero point 0, so a camera's pixels go in as
    they are; its ranges come from `calibration`, training photos as the device sees
    them. Raises ExportError where the converter fails or the input is not raw pixels.
    """
    import tensorflow as tf

    scores, side, name = network.scoring(), network.side, network.name

    def settings(converter: Any) -> None:
        if kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "dynamic":
            # One scale for the head's weights: tflite-runtime 2.14 cannot load one for each.
            one_scale = "_experimental_disable_per_channel_quantization_for_dense_layers"
            vars(converter)[one_scale] = True
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]

    if kind not in ("float32", "float16", "dynamic", "int8"):
        raise ExportError(f"kind {kind!r} is not made by conversion alone; see 'quantize'")
    if kind == "int8":
        data = _full_integer(scores, calibration, side, name)
    else:
        data = to_tflite(scores, side, name, settings)
    require_raw_pixels(data, kind)
    return data


def _full_integer(scores: Any, calibration: Images, side: int, name: str) -> bytes:
    graph = read_model_graph(to_tflite(scores, side, name))
    try:
        return full_integer(graph, calibration.pixels).write(name)
    except UnknownOperation as error:
        log.info("%s: full-integer by the converter's own calibration (%s)", name, error)
    return calibrated_by_converter(scores, calibration, side, name)


def calibrated_by_converter(scores: Any, calibration: Images, side: int, name: str) -> bytes:
    """Full-integer quantization as the TFLite converter does it, without corrected biases."""
    import tensorflow as tf

    def settings(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _representative(calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8

    return to_tflite(scores, side, name, settings)


def _representative(images: Images) -> Iterator[list[NDArray[np.float32]]]:
    """The calibration photos, each with one black and one white pixel.

    The two pixels make every photo span 0–255, which fixes the input's scale at 1.
    """
    for pixels in images.pixels:
        image = pixels.astype(np.float32)
        image[0, 0], image[0, 1] = 0.0, 255.0
        yield [image[np.newaxis]]


def require_raw_pixels(data: bytes, kind: Kind) -> None:
    """Check that a model takes pixels 0–255 as they are; raise ExportError otherwise.

    A full-integer model must have a uint8 input of scale exactly 1 and zero point 0,
    the others a float32 input. That a float network was normalized for raw
    pixels only its scores can show: `parity.require_parity` compares them.
    """
    pixels = read_graph(memoryview(data)).input
    if kind not in FULL_INTEGER:
        if pixels.dtype != "float32":
            raise ExportError(f"the input of a {kind} model is {pixels.dtype}, not float32")
    elif pixels.dtype != "uint8" or (pixels.scale, pixels.zero_point) != (1.0, 0):
        raise ExportError(
            f"the input is {pixels.dtype} with scale {pixels.scale} and zero point "
            f"{pixels.zero_point}, not uint8 with 1.0 and 0: the first layer must be the "
            "Rescaling of raw 0–255 pixels"
        )
