"""What an emulated camera says of itself: properties, controls, metadata."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import Any

from libcamera import controls, properties
from libcamera.controls import ControlId, ControlInfo
from libcamera.geometry import Rectangle, Size

from emulation.hardware import EmulatedSensor
from emulation.sensors import SensorMode, SensorModel

_SETTLED_AFTER = 6  # frames that exposure control takes, about


def properties_of(model: SensorModel) -> dict[ControlId, Any]:
    """What never changes."""
    width, height = model.pixel_array
    arrangement = properties.ColorFilterArrangementEnum[model.bayer]
    return {
        properties.Model: model.name,
        properties.Location: 2,
        properties.Rotation: model.rotation,
        properties.PixelArraySize: Size(width, height),
        properties.PixelArrayActiveAreas: (Rectangle(0, 0, width, height),),
        properties.draft.ColorFilterArrangement: int(arrangement),
    }


def controls_of(
    sensor: EmulatedSensor, mode: SensorMode, platform: str, crops: Sequence[Rectangle]
) -> dict[ControlId, ControlInfo]:
    """The controls and their limits in `mode`."""
    whole = Rectangle(*mode.crop)
    fastest_us = int(1e6 / mode.fps)
    infos = {
        "AeEnable": ControlInfo(min=False, max=True, default=True),
        "AwbEnable": ControlInfo(min=False, max=True, default=None),
        "AwbMode": ControlInfo(0, 7, 0),
        "ExposureTime": ControlInfo(1, 112_015_443, 20_000),
        "ExposureTimeMode": ControlInfo(0, 1, 0),
        "AnalogueGainMode": ControlInfo(0, 1, 0),
        "AnalogueGain": ControlInfo(1.0, 16.0, 1.0),
        "ColourGains": ControlInfo(0.0, 32.0, None),
        "Brightness": ControlInfo(-1.0, 1.0, 0.0),
        "Contrast": ControlInfo(0.0, 32.0, 1.0),
        "Saturation": ControlInfo(0.0, 32.0, 1.0),
        "Sharpness": ControlInfo(0.0, 16.0, 1.0),
        "FrameDurationLimits": ControlInfo(fastest_us, 220_416_802, 33_333),
        "ScalerCrop": ControlInfo(Rectangle(0, 0, 64, 64), whole, crops[0]),
        "NoiseReductionMode": ControlInfo(0, 4, 0),
    }
    if sensor.model.autofocus:
        infos["AfMode"] = ControlInfo(0, 2, 0)
        infos["AfTrigger"] = ControlInfo(0, 1, 0)
        infos["LensPosition"] = ControlInfo(0.0, 32.0, 1.0)
    if sensor.model.bayer == "MONO":
        for name in ("AwbEnable", "AwbMode", "ColourGains", "Saturation"):
            del infos[name]
    if platform == "pisp":
        # picamera2 reads the two streams' own crops out of minimum and maximum
        infos["ScalerCrops"] = ControlInfo(crops[0], crops[-1], crops[0])
    return {
        controls.ALL[name]: info
        for name, info in infos.items()
        if name not in sensor.faults.absent
    }


def centered(crop: tuple[int, int, int, int], size: tuple[int, int]) -> Rectangle:
    """Return the largest part in the middle of `crop` with the aspect of `size`."""
    left, top, width, height = crop
    scale = min(width / size[0], height / size[1])
    wide, tall = round(size[0] * scale), round(size[1] * scale)
    return Rectangle(left + (width - wide) // 2, top + (height - tall) // 2, wide, tall)


def metadata_of(
    sensor: EmulatedSensor, number: int, timestamp_ns: int, period_ns: int, crop: Rectangle
) -> dict[ControlId, Any]:
    """What is known of one frame."""
    settings = sensor.settings
    values: dict[str, Any] = {
        "SensorTimestamp": timestamp_ns,
        "FrameDuration": period_ns // 1000,
        "ExposureTime": settings.get("ExposureTime") or 20_000,
        "AnalogueGain": settings.get("AnalogueGain") or 1.0,
        "DigitalGain": 1.0,
        "ColourGains": (1.5, 1.5),
        "ColourTemperature": 4000,
        "Lux": 123.0,
        "AeLocked": number >= _SETTLED_AFTER,
        "FocusFoM": 900,
        "ScalerCrop": crop,
        "FrameWallClock": time.time_ns(),
    }
    if sensor.model.autofocus:
        values["LensPosition"] = settings.get("LensPosition", 1.0)
        values["AfState"] = 2
    if sensor.model.thermometer:
        values["SensorTemperature"] = 41.0
    if sensor.scores is not None:
        scores = [float(score) for score in sensor.scores(timestamp_ns / 1e9)]
        values["CnnOutputTensor"] = scores
        values["CnnOutputTensorInfo"] = bytes(_tensor_info(len(scores)))
    return {
        controls.ALL[name]: value
        for name, value in values.items()
        if name not in sensor.faults.absent
    }


class _Tensor(ctypes.LittleEndianStructure):
    """One tensor, as libcamera's rpi controls describe it."""

    _fields_ = (
        ("tensor_data_num", ctypes.c_uint32),
        ("num_dimensions", ctypes.c_uint32),
        ("size", ctypes.c_uint16 * 16),
    )


class _TensorInfo(ctypes.LittleEndianStructure):
    """All tensors of a network."""

    _fields_ = (
        ("network_name", ctypes.c_char * 64),
        ("num_tensors", ctypes.c_uint32),
        ("info", _Tensor * 16),
        ("frame_count", ctypes.c_uint8),
    )


def _tensor_info(length: int) -> _TensorInfo:
    info = _TensorInfo(network_name=b"emulated", num_tensors=1)
    info.info[0].tensor_data_num = length
    info.info[0].num_dimensions = 1
    info.info[0].size[0] = length
    return info
