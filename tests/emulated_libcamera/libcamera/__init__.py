"""A stand-in for libcamera's Python bindings: see the folder's README."""

import sys

from emulation import hooks as _hooks

from libcamera import controls, properties
from libcamera.camera import Camera
from libcamera.controls import ControlId, ControlInfo, ControlType
from libcamera.geometry import ColorSpace, Orientation, Rectangle, Size, Transform
from libcamera.manager import CameraManager
from libcamera.requests import FrameBuffer, FrameMetadata, Request
from libcamera.streams import (
    CameraConfiguration,
    PixelFormat,
    SensorConfiguration,
    Stream,
    StreamConfiguration,
    StreamFormats,
    StreamRole,
)

__all__ = [
    "Camera",
    "CameraConfiguration",
    "CameraManager",
    "ColorSpace",
    "ControlId",
    "ControlInfo",
    "ControlType",
    "FrameBuffer",
    "FrameBufferAllocator",
    "FrameMetadata",
    "Orientation",
    "PixelFormat",
    "Rectangle",
    "Request",
    "SensorConfiguration",
    "Size",
    "Stream",
    "StreamConfiguration",
    "StreamFormats",
    "StreamRole",
    "Transform",
    "controls",
    "properties",
]


class FrameBufferAllocator:
    """Libcamera's own memory, which picamera2 does not use."""

    def __init__(self, camera: Camera) -> None:
        raise RuntimeError("not emulated")


# picamera2 also looks for names in the compiled part of the real package.
_libcamera = sys.modules[__name__]
sys.modules[f"{__name__}._libcamera"] = _libcamera
_hooks.prepare()
