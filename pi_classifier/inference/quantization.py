"""Between pixels and scores on one side and a network's tensors on the other.

The project's only quantizer. Into the network goes, after TFLite's affine
quantization and the metadata's NormalizationOptions,

    q = clip(rint((x − mean) / (std · scale)) + zero_point)

and out of it comes score = scale · (q − zero_point).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.tflite_graph import DType, TensorSpec
from pi_classifier.modelfile.tflite_metadata import RAW_PIXELS, Normalization

Pixels = NDArray[np.uint8]
Scores = NDArray[np.float32]
Tensor = NDArray[np.uint8] | NDArray[np.int8] | NDArray[np.float32]

_RANGES: dict[DType, tuple[int, int]] = {"uint8": (0, 255), "int8": (-128, 127)}


class PixelEncoder:
    """Turns pixels uint8 ``[height, width, 3]`` into a network's input tensor.

    The result of a call is valid until the next one: the encoder writes to one array
    of its own, or passes the pixels on where the network takes them as they are.
    """

    def __init__(self, spec: TensorSpec, normalization: Normalization | None) -> None:
        self._shape = spec.shape
        self._tensor: Tensor = np.zeros(spec.shape, spec.dtype)
        if spec.dtype == "float32":
            real = normalization or RAW_PIXELS
            lines = spec.shape[1], spec.shape[2] * 3
            # Whole lines, so that numpy's inner loop is longer than three channels.
            self._mean = np.resize(np.array(real.mean, np.float32), lines[1])
            self._std = np.resize(np.array(real.std, np.float32), lines[1])
            self._lines = self._tensor.reshape(lines)
            self._encode = self._plain if real == RAW_PIXELS else self._normalize
            return
        self._table = encoding_table(spec, normalization)
        steps = np.arange(256)[:, None]
        if (self._table == steps).all():
            self._encode = self._as_is
        elif spec.dtype == "int8" and (self._table == steps - 128).all():
            self._encode = self._shift
        elif self._table.shape[1] == 1 and self._tensor.size % 2 == 0:
            # Looked up in pairs: numpy's look-up takes as long for two bytes as for one.
            stored = self._table[:, 0].view(np.uint8)
            pairs = np.stack(np.meshgrid(stored, stored), axis=-1)
            self._pairs = pairs.reshape(-1).view(np.uint16)
            self._encode = self._look_up_pairs
        else:
            self._encode = self._look_up

    def __call__(self, pixels: Pixels) -> Tensor:
        """Return the input tensor ``[1, height, width, 3]`` for `pixels`."""
        return self._encode(pixels)

    def _as_is(self, pixels: Pixels) -> Tensor:
        return pixels.reshape(self._shape)

    def _shift(self, pixels: Pixels) -> Tensor:
        # x − 128 in two's complement is x with the top bit flipped.
        np.bitwise_xor(pixels, np.uint8(128), out=self._tensor[0].view(np.uint8))
        return self._tensor

    def _look_up_pairs(self, pixels: Pixels) -> Tensor:
        out = self._tensor.reshape(-1).view(np.uint16)
        self._pairs.take(pixels.reshape(-1).view(np.uint16), out=out, mode="clip")
        return self._tensor

    def _look_up(self, pixels: Pixels) -> Tensor:
        for channel in range(3):
            table = self._table[:, min(channel, self._table.shape[1] - 1)]
            self._tensor[0, ..., channel] = table.take(pixels[..., channel])
        return self._tensor

    def _plain(self, pixels: Pixels) -> Tensor:
        np.copyto(self._tensor[0], pixels)
        return self._tensor

    def _normalize(self, pixels: Pixels) -> Tensor:
        np.subtract(pixels.reshape(self._lines.shape), self._mean, out=self._lines)
        np.divide(self._lines, self._std, out=self._lines)
        return self._tensor


def encoding_table(
    spec: TensorSpec, normalization: Normalization | None
) -> NDArray[np.uint8] | NDArray[np.int8]:
    """Return what a quantized input holds for each pixel value, ``[256, 1 or 3]``.

    Without a normalization the pixel values span the whole range of the input.
    """
    low, high = _RANGES[spec.dtype]
    x = np.arange(256, dtype=np.float64)[:, None]
    if normalization is None or spec.scale == 0:
        steps = x + low
    else:
        real = (x - np.array(normalization.mean)) / np.array(normalization.std)
        steps = np.clip(np.rint(real / spec.scale) + spec.zero_point, low, high)
    return steps.astype(np.uint8) if spec.dtype == "uint8" else steps.astype(np.int8)


class ScoreDecoder:
    """Turns a network's output tensor into scores float32 ``[labels]``.

    The result of a call is valid until the next one.
    """

    def __init__(self, spec: TensorSpec) -> None:
        self._scores: Scores = np.zeros(spec.shape[-1], np.float32)
        self._table: Scores | None = None
        if spec.dtype != "float32":
            # Indexed by the stored byte; those of negative int8 values come last.
            steps = np.arange(256, dtype=np.uint8).view(spec.dtype).astype(np.float32)
            self._table = ((steps - spec.zero_point) * np.float32(spec.scale)).astype(np.float32)

    def __call__(self, tensor: Tensor) -> Scores:
        """Return the scores in `tensor`, the network's output."""
        flat = tensor.reshape(-1)
        if self._table is None:
            np.copyto(self._scores, flat)
        else:
            self._table.take(flat.view(np.uint8), out=self._scores, mode="clip")
        return self._scores
