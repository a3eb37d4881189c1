"""What the ISP does to a picture: scale, flip, and write it in a pixel format with strides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

_BYTES_PER_PIXEL = {"RGB888": 3, "BGR888": 3, "XRGB8888": 4, "XBGR8888": 4}
_PLANAR = ("YUV420", "YVU420")
FORMATS = (*_BYTES_PER_PIXEL, *_PLANAR)


def layout(name: str, size: tuple[int, int], platform: str) -> tuple[int, int]:
    """Return stride and size of a frame in bytes.

    VC4's ISP wants rows of 32 bytes, PiSP's of 64; half as long chroma rows double that.
    """
    unit = 32 if platform == "vc4" else 64
    width, height = size
    if name in _PLANAR:
        stride = -(-width // (2 * unit)) * 2 * unit
        return stride, stride * height * 3 // 2
    stride = -(-width * _BYTES_PER_PIXEL[name] // unit) * unit
    return stride, stride * height


def scaled(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """Return the picture at another size (width, height)."""
    if picture.shape[1::-1] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def write(picture: Pixels, out: Pixels, name: str, stride: int, *, full_range: bool) -> None:
    """Write RGB ``[h, w, 3]`` into the bytes of a frame; what lies between rows stays."""
    height, width = picture.shape[:2]
    if name in _PLANAR:
        _write_planes(picture, out, name, stride, full_range=full_range)
        return
    depth = _BYTES_PER_PIXEL[name]
    rows = out[: stride * height].reshape(height, stride)[:, : width * depth]
    view = rows.reshape(height, width, depth)
    # libcamera names formats by the value of a little-endian word: BGR888 is R, G, B in memory
    view[..., :3] = picture if "BGR" in name else picture[..., ::-1]
    if depth == 4:
        view[..., 3] = 255


def _write_planes(
    picture: Pixels, out: Pixels, name: str, stride: int, *, full_range: bool
) -> None:
    height, width = picture.shape[:2]
    red, green, blue = (picture[..., channel].astype(np.float32) for channel in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # BT.601
    chroma = [128 + (blue - luma) / 1.772, 128 + (red - luma) / 1.402]
    if not full_range:
        luma = 16 + luma * 219 / 255
        chroma = [128 + (plane - 128) * 224 / 255 for plane in chroma]
    out[: stride * height].reshape(height, stride)[:, :width] = _bytes(luma)
    offset, half = stride * height, stride // 2
    for plane in chroma if name == "YUV420" else reversed(chroma):
        means = plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
        end = offset + half * height // 2
        out[offset:end].reshape(height // 2, half)[:, : width // 2] = _bytes(means)
        offset = end


def _bytes(values: NDArray[np.float32]) -> Pixels:
    return np.asarray(np.rint(values).clip(0, 255), np.uint8)
