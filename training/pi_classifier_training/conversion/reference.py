"""How plain TensorFlow Lite runs a ``.tflite`` file of any origin."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.inference.quantization import PixelEncoder
from pi_classifier.modelfile.model_file import ModelFile, upsample_nearest
from pi_classifier.modelfile.model_graph import read_model_graph
from pi_classifier.modelfile.tflite_graph import TensorSpec
from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier_training.errors import ExportError

Pixels = NDArray[np.uint8]
# Network inputs float32, such as [1, height, width, 3], → scores float32 [outputs].
Reference = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def reference(path: Path, data: bytes, *, xnnpack: bool) -> Reference:
    """A function that runs the model by TensorFlow Lite's interpreter, with XNNPACK or without.

    Full-integer networks round differently in the two: on some pictures scores of
    MobileNet v2 differ by 0.12. Raises ExportError for a file that is no model or needs
    an accelerator.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    graph = read_model_graph(data)
    if any("edgetpu" in operation.kind for operation in graph.operations):
        raise ExportError(
            f"{path}: is compiled for the Edge TPU and runs on nothing else; import the file it "
            "was compiled from (Coral's name without _edgetpu)"
        )
    try:
        interpreter = Interpreter(
            model_content=data,
            experimental_op_resolver_type=OpResolverType.AUTO
            if xnnpack
            else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"{path}: TensorFlow Lite cannot run it: {error}") from error
    into, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    dtype = np.dtype(into["dtype"])
    into_scale, into_zero = into["quantization"]
    scale, zero_point = out["quantization"]

    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        interpreter.set_tensor(into["index"], _quantized(image, dtype, into_scale, into_zero))
        interpreter.invoke()
        scores: NDArray[np.float32] = np.asarray(interpreter.get_tensor(out["index"]), np.float32)
        return ((scores - zero_point) * np.float32(scale) if scale else scores).reshape(-1)

    return run


def _quantized(
    image: NDArray[np.float32], dtype: np.dtype[np.generic], scale: float, zero_point: int
) -> NDArray[np.generic]:
    """What goes into an input of `dtype`; pixels as they are where it has no scale."""
    if np.issubdtype(dtype, np.floating):
        return image.astype(dtype, copy=False)
    low, high = np.iinfo(dtype.name).min, np.iinfo(dtype.name).max
    steps = np.rint(image / scale) + zero_point if scale else image + low
    result: NDArray[np.generic] = np.clip(steps, low, high).astype(dtype)
    return result


def kernel_spread(
    vectors: Sequence[dict[str, Any]],
    other_kernels: Reference | None,
    normalization: Normalization,
    size: tuple[int, int],
    model: ModelFile | None = None,
) -> float:
    """How far scores are off on golden vectors where a device computes by other kernels.

    `model` says how the input is arranged; without it, as networks of our own have it.
    """
    if other_kernels is None:
        return 0.0
    off = 0.0
    for vector in vectors:
        pixels = np.frombuffer(base64.b64decode(vector["pixels"]), np.uint8)
        picture = upsample_nearest(pixels.reshape(vector["shape"]), size)
        scores = other_kernels(normalized(picture, normalization, model))
        off = max(off, float(np.abs(scores - np.array(vector["scores"])).max()))
    return off


def normalized(
    pixels: Pixels, normalization: Normalization, model: ModelFile | None = None
) -> NDArray[np.float32]:
    """Network inputs float32 of pixels uint8, arranged as `model` takes them.

    Without a model ``[1, height, width, 3]``, red first.
    """
    if model is not None:
        spec = TensorSpec(model.input.shape, "float32", 0.0, 0)
        arranged = PixelEncoder(spec, normalization, model.channels)(pixels)
        return np.array(arranged, np.float32)
    mean, std = (np.array(x, np.float32) for x in (normalization.mean, normalization.std))
    batch: NDArray[np.float32] = ((pixels.astype(np.float32) - mean) / std)[np.newaxis]
    return batch
