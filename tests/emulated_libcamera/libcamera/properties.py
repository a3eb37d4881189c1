"""The properties of libcamera that picamera2 reads."""

from __future__ import annotations

import enum
from types import SimpleNamespace

from libcamera.controls import ControlId, ControlType


class ColorFilterArrangementEnum(enum.IntEnum):
    """The order of the color filters; MONO has none."""

    RGGB = 0
    GRBG = 1
    GBRG = 2
    BGGR = 3
    RGB = 4
    MONO = 5


Model = ControlId("Model", 1, ControlType.String)
Location = ControlId("Location", 2, ControlType.Integer32)
Rotation = ControlId("Rotation", 3, ControlType.Integer32)
PixelArraySize = ControlId("PixelArraySize", 4, ControlType.Size)
PixelArrayActiveAreas = ControlId("PixelArrayActiveAreas", 5, ControlType.Rectangle)
ScalerCropMaximum = ControlId("ScalerCropMaximum", 6, ControlType.Rectangle)
draft = SimpleNamespace(
    ColorFilterArrangementEnum=ColorFilterArrangementEnum,
    ColorFilterArrangement=ControlId("ColorFilterArrangement", 7, ControlType.Integer32),
)
