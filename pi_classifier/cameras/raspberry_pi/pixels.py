"""Frames in the camera's memory as RGB pixels, and the numbers of frames from their times."""

from __future__ import annotations

import numpy as np
from PIL import Image

from pi_classifier.errors import CameraError
from pi_classifier.preprocessing.area_average import Pixels

# libcamera names a format by a little-endian word: "BGR888" is R, G, B in memory.
# Bytes per pixel, and the order that makes R, G, B of them.
_PACKED = {
    "BGR888": (3, slice(None)),
    "RGB888": (3, slice(None, None, -1)),
    "XBGR8888": (4, slice(0, 3)),
    "XRGB8888": (4, slice(2, None, -1)),
}
_PLANAR = {"YUV420": (0, 1), "YVU420": (1, 0)}


class PixelReader:
    """Copies frames of one stream out of the camera's memory, once, as RGB.

    `pixel_format`, `size` (width, height) and `stride` are those of the configuration that
    libcamera returned. The picture is turned by `quarter_turns` clockwise, and its middle
    cut to `shape` = (height, width) where that is smaller.
    """

    def __init__(
        self,
        pixel_format: str,
        size: tuple[int, int],
        stride: int,
        quarter_turns: int = 0,
        shape: tuple[int, int] | None = None,
    ) -> None:
        if pixel_format not in _PACKED and pixel_format not in _PLANAR:
            known = ", ".join((*_PACKED, *_PLANAR))
            raise CameraError(
                f"the camera delivers the pixel format {pixel_format}, which is not understood; "
                f"expected one of {known}"
            )
        self._format = pixel_format
        self._width, self._height = size
        self._stride = stride
        self._turns = quarter_turns % 4
        turned = (self._width, self._height) if self._turns % 2 else (self._height, self._width)
        wanted = shape or turned
        self.shape = min(turned[0], wanted[0]), min(turned[1], wanted[1])
        top, left = ((turned[side] - self.shape[side]) // 2 for side in range(2))
        self._middle = slice(top, top + self.shape[0]), slice(left, left + self.shape[1])

    def __call__(self, memory: Pixels) -> Pixels:
        """Return uint8 RGB ``[height, width, 3]``, read-only, from the frame's bytes."""
        view = self._planar(memory) if self._format in _PLANAR else self._packed(memory)
        if self._turns:
            view = np.rot90(view, -self._turns)
        # The view must not outlive the request: its memory goes back to the camera.
        pixels = np.empty((*self.shape, 3), np.uint8)
        np.copyto(pixels, view[self._middle])
        pixels.flags.writeable = False
        return pixels

    def _packed(self, memory: Pixels) -> Pixels:
        depth, order = _PACKED[self._format]
        rows = memory[: self._stride * self._height].reshape(self._height, self._stride)
        row_bytes = self._width * depth
        view = rows[:, :row_bytes].reshape(self._height, self._width, depth)
        return view[..., order]

    def _planar(self, memory: Pixels) -> Pixels:
        """Convert full-range BT.601, which is what Pillow takes YCbCr for, as JPEG does.

        Memory is the luma plane, then the two chroma planes: half as wide, half as high, and
        with rows of half the stride, so a quarter of its bytes each.
        """
        size = (self._width, self._height)
        half = (self._width // 2, self._height // 2)
        luma_end = self._stride * self._height
        plane_bytes = luma_end // 4
        luma = _plane(memory[:luma_end], size, self._stride)
        chroma = [
            _plane(
                memory[luma_end + place * plane_bytes : luma_end + (place + 1) * plane_bytes],
                half,
                self._stride // 2,
            ).resize(size, Image.Resampling.BILINEAR)
            for place in _PLANAR[self._format]  # blue, then red
        ]
        return np.asarray(Image.merge("YCbCr", (luma, *chroma)).convert("RGB"))


def _plane(memory: Pixels, size: tuple[int, int], stride: int) -> Image.Image:
    return Image.frombuffer("L", size, memory, "raw", "L", stride, 1)


class FrameNumbering:
    """Gives each frame its number from its time, so that frames nobody fetched leave a gap.

    Frames that come in less than half of `period_ns` after the last are surplus: the
    sensor has not slowed down yet. They get no number, and leave no gap.
    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._sequence = -1
        self._last_ns: int | None = None
        self._last_duration_ns = 0
        self._delivered_ns = 0

    def number(self, timestamp_ns: int, duration_ns: int) -> int | None:
        """Return the frame's number; None for a surplus frame.

        `duration_ns` is how long this frame took, 0 where that is not known.
        """
        duration_ns = duration_ns or self._period_ns
        if self._last_ns is None:
            steps, early = 1, False
        elif timestamp_ns <= self._last_ns:
            return None
        else:
            passed_ns = timestamp_ns - self._last_ns
            # while the sensor changes its pace the two differ: the longer one loses no frame
            steps = max(1, round(passed_ns / max(duration_ns, self._last_duration_ns)))
            early = timestamp_ns - self._delivered_ns < self._period_ns / 2
        self._last_ns, self._last_duration_ns = timestamp_ns, duration_ns
        self._sequence += steps - early
        if early:
            return None
        self._delivered_ns = timestamp_ns
        return self._sequence
