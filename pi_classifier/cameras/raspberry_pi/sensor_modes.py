"""The readout of each sensor that sees everything and is fast: its full field of view, binned.

libcamera left to itself takes the readout nearest the size of the frames, which for small
frames is a narrow part of the view. Asking picamera2 for the list would configure the camera
once for each. So the readouts are written here, as `rpicam-hello --list-cameras` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, slots=True)
class Readout:
    """What comes out of the sensor: `size`, and bits per pixel (None: whatever there is).

    `known` is False for a guess.
    """

    size: Size
    bit_depth: int | None
    known: bool = True


_FULL_VIEW = {
    "imx219": Readout((1640, 1232), 10),
    "imx290": Readout((1920, 1080), 12),
    "imx296": Readout((1456, 1088), 10),
    "imx378": Readout((2028, 1520), 12),
    "imx477": Readout((2028, 1520), 12),
    "imx500": Readout((2028, 1520), 10),
    "imx519": Readout((2328, 1748), 10),
    "imx708": Readout((2304, 1296), 10),
    "ov5647": Readout((1296, 972), 10),
    "ov9281": Readout((1280, 800), 10),
}


def full_view(model: str, pixel_array: Size) -> Readout:
    """Return the readout for a sensor; `model` may be a variant such as ``imx708_wide_noir``.

    For a sensor not in the table it is half the pixels each way: nearly every sensor can
    put four neighbors together, over its whole field of view.
    """
    known = _FULL_VIEW.get(model.lower().partition("_")[0])
    if known is not None:
        return known
    return Readout((pixel_array[0] // 2, pixel_array[1] // 2), None, known=False)
