"""Between pixels and scores on one side and a network's tensors on the other.

The project's only quantizer. Into the network goes, after TFLite's affine
quantization and the metadata's NormalizationOptions,

    q = clip(rint((x − mean) / (std · scale)) + zero_point)

and out of it comes score = scale · (q − zero_point).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.picture_input import Channels, PictureShape, picture_shape
from pi_classifier.modelfile.tflite_graph import DType, TensorSpec
from pi_classifier.modelfile.tflite_metadata import RAW_PIXELS, Normalization

Pixels = NDArray[np.uint8]
Scores = NDArray[np.float32]
Tensor = NDArray[np.uint8 | np.int8 | np.int16 | np.float16 | np.float32]

_RANGES: dict[DType, tuple[int, int]] = {
    "uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767),
}  # fmt: skip
# Rec. 601's shares of red, green and blue in 65536ths, and a half to round: what Pillow's "L" is.
_LUMA, _HALF = (19595, 38470, 7471), 0x8000


class PixelEncoder:
    """Turns pixels uint8 ``[height, width, 3]``, red first, into a network's input tensor.

    The tensor has the channels in the order `channels`, before or behind the picture's sides as
    its shape says; the normalization's values are those of red, green, blue. The result of a
    call is valid until the next one: the encoder writes to one array of its own, or passes
    the pixels on where the network takes them as they are.
    """

    def __init__(
        self, spec: TensorSpec, normalization: Normalization | None, channels: Channels = "rgb"
    ) -> None:
        shape = picture_shape(spec.shape)
        self._arrange = _arrangement(shape, channels)
        self._tensor: Tensor = np.zeros(spec.shape, spec.dtype)
        # From red, green, blue to the order of the tensor.
        order = slice(None, None, -1 if channels == "bgr" else 1)
        if spec.dtype == "float32":
            self._prepare_float(shape, normalization or RAW_PIXELS, order)
        else:
            self._prepare_table(spec, encoding_table(spec, normalization)[:, order], shape)

    def _prepare_float(
        self, shape: PictureShape, normalization: Normalization, order: slice
    ) -> None:
        mean = np.array(normalization.mean, np.float32)[order]
        std = np.array(normalization.std, np.float32)[order]
        if shape.channels_first:
            lines = shape.channels, shape.height * shape.width
            self._mean, self._std = mean[:, None], std[:, None]
        else:
            # Whole lines, so that numpy's inner loop is longer than three channels.
            lines = shape.height, shape.width * shape.channels
            self._mean, self._std = np.resize(mean, lines[1]), np.resize(std, lines[1])
        self._lines = self._tensor.reshape(lines)
        self._encode = self._plain if normalization == RAW_PIXELS else self._normalize

    def _prepare_table(self, spec: TensorSpec, table: Tensor, shape: PictureShape) -> None:
        steps = np.arange(256)[:, None]
        if spec.dtype == "uint8" and (table == steps).all():
            self._encode = self._as_is
        elif spec.dtype == "int8" and (table == steps - 128).all():
            self._encode = self._shift
        elif table.shape[1] > 1:
            self._tables = [np.ascontiguousarray(column) for column in table.T]
            self._plane: Tensor = np.zeros(shape.size, spec.dtype)
            self._channels_first = shape.channels_first
            self._encode = self._look_up_planes
        elif spec.spans_bytes and self._tensor.size % 2 == 0:
            # Looked up in pairs: numpy's look-up takes as long for two bytes as for one.
            stored = table[:, 0].view(np.uint8)
            pairs = np.stack(np.meshgrid(stored, stored), axis=-1)
            self._pairs = pairs.reshape(-1).view(np.uint16)
            self._encode = self._look_up_pairs
        else:
            self._tables = [table[:, 0].copy()]
            self._encode = self._look_up

    def __call__(self, pixels: Pixels) -> Tensor:
        """Return the input tensor for `pixels`."""
        return self._encode(pixels if self._arrange is None else self._arrange(pixels))

    def _as_is(self, pixels: Pixels) -> Tensor:
        return pixels.reshape(self._tensor.shape)

    def _shift(self, pixels: Pixels) -> Tensor:
        # x − 128 in two's complement is x with the top bit flipped.
        np.bitwise_xor(pixels, np.uint8(128), out=self._tensor[0].view(np.uint8))
        return self._tensor

    def _look_up_pairs(self, pixels: Pixels) -> Tensor:
        out = self._tensor.reshape(-1).view(np.uint16)
        self._pairs.take(pixels.reshape(-1).view(np.uint16), out=out, mode="clip")
        return self._tensor

    def _look_up(self, pixels: Pixels) -> Tensor:
        self._tables[0].take(pixels, out=self._tensor[0], mode="clip")
        return self._tensor

    def _look_up_planes(self, pixels: Pixels) -> Tensor:
        planes = _planes(self._tensor[0], self._channels_first)
        sources = _planes(pixels, self._channels_first)
        for plane, source, table in zip(planes, sources, self._tables, strict=True):
            # A look-up into every third place would make a copy of its own.
            table.take(source, out=self._plane, mode="clip")
            np.copyto(plane, self._plane)
        return self._tensor

    def _plain(self, pixels: Pixels) -> Tensor:
        np.copyto(self._tensor[0], pixels)
        return self._tensor

    def _normalize(self, pixels: Pixels) -> Tensor:
        np.subtract(pixels.reshape(self._lines.shape), self._mean, out=self._lines)
        np.divide(self._lines, self._std, out=self._lines)
        return self._tensor


def _planes(picture: Tensor, channels_first: bool) -> Tensor:
    """A view of the picture's channels one after the other, ``[channels, height, width]``."""
    return picture if channels_first else picture.transpose(2, 0, 1)


def _arrangement(shape: PictureShape, channels: Channels) -> Callable[[Pixels], Pixels] | None:
    """What brings pixels ``[height, width, 3]`` into the order of a tensor, values unchanged.

    None where they are in it. The result of a call is valid until the next one.
    """
    if channels == "gray":
        return _Luma(shape)
    if channels == "rgb" and not shape.channels_first:
        return None
    sides = (shape.channels, *shape.size) if shape.channels_first else (*shape.size, 3)
    arranged = np.zeros(sides, np.uint8)
    planes = list(_planes(arranged, shape.channels_first))
    if channels == "bgr":
        planes.reverse()

    def arrange(pixels: Pixels) -> Pixels:
        # Channel by channel: numpy's copy of whole pixels loops over three bytes.
        for channel, plane in enumerate(planes):
            np.copyto(plane, pixels[..., channel])
        return arranged

    return arrange


class _Luma:
    """Gray of colors by Rec. 601, rounded as Pillow's "L": 0.299 R + 0.587 G + 0.114 B."""

    def __init__(self, shape: PictureShape) -> None:
        self._sum, self._part = np.zeros((2, *shape.size), np.uint32)
        sides = (1, *shape.size) if shape.channels_first else (*shape.size, 1)
        self._gray = np.zeros(sides, np.uint8)

    def __call__(self, pixels: Pixels) -> Pixels:
        self._sum.fill(_HALF)
        for channel, share in enumerate(_LUMA):
            # numpy 1 would multiply in 16 bits.
            np.multiply(pixels[..., channel], share, out=self._part, dtype=np.uint32)
            np.add(self._sum, self._part, out=self._sum)
        np.right_shift(self._sum, 16, out=self._sum)
        np.copyto(self._gray.reshape(self._sum.shape), self._sum, casting="unsafe")
        return self._gray


def encoding_table(spec: TensorSpec, normalization: Normalization | None) -> Tensor:
    """Return what an input holds for each pixel value, ``[256, 1 or 3]`` of its type.

    Without a normalization the pixel values span the whole range of a byte's input.
    """
    x = np.arange(256, dtype=np.float64)[:, None]
    if spec.is_float:
        real = normalization or RAW_PIXELS
        floats: Tensor = ((x - np.array(real.mean)) / np.array(real.std)).astype(spec.dtype)
        return floats
    low, high = _RANGES[spec.dtype]
    if normalization is None or spec.scale == 0:
        steps = x + low
    else:
        values = (x - np.array(normalization.mean)) / np.array(normalization.std)
        steps = np.clip(np.rint(values / spec.scale) + spec.zero_point, low, high)
    table: Tensor = steps.astype(spec.dtype)
    return table


class ScoreDecoder:
    """Turns a network's output tensor into scores float32 ``[labels]``.

    The result of a call is valid until the next one.
    """

    def __init__(self, spec: TensorSpec) -> None:
        self._scores: Scores = np.zeros(spec.count, np.float32)
        self._zero_point, self._scale = np.float32(spec.zero_point), np.float32(spec.scale)
        self._decode = self._copy if spec.is_float else self._dequantize
        if spec.spans_bytes:
            # Indexed by the stored byte; those of negative int8 values come last.
            steps = np.arange(256, dtype=np.uint8).view(spec.dtype).astype(np.float32)
            self._table = ((steps - self._zero_point) * self._scale).astype(np.float32)
            self._decode = self._look_up

    def __call__(self, tensor: Tensor) -> Scores:
        """Return the scores in `tensor`, the network's output."""
        self._decode(tensor.reshape(-1))
        return self._scores

    def _copy(self, flat: Tensor) -> None:
        np.copyto(self._scores, flat)

    def _look_up(self, flat: Tensor) -> None:
        self._table.take(flat.view(np.uint8), out=self._scores, mode="clip")

    def _dequantize(self, flat: Tensor) -> None:
        np.subtract(flat, self._zero_point, out=self._scores, dtype=np.float32)
        np.multiply(self._scores, self._scale, out=self._scores)
