"""The controls of libcamera that picamera2 or a program on it names."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any


class ControlType(enum.Enum):
    """What kind of value a control takes."""

    Null = 0
    Bool = 1
    Byte = 2
    Integer32 = 3
    Integer64 = 4
    Float = 5
    String = 6
    Rectangle = 7
    Size = 8
    Point = 9


class ControlId:
    """A control or property by name."""

    def __init__(self, name: str, number: int, type: ControlType) -> None:  # noqa: A002
        self.name = name
        self.id = number
        self.type = type
        self.vendor = "libcamera"

    def __repr__(self) -> str:
        return f"libcamera.ControlId({self.id}, {self.name}, {self.type})"


class ControlInfo:
    """The values a control may take."""

    def __init__(self, min: Any, max: Any, default: Any, values: Sequence[Any] = ()) -> None:  # noqa: A002
        self.min = min
        self.max = max
        self.default = default
        self.values = list(values)


class NoiseReductionModeEnum(enum.IntEnum):
    """How much noise is removed."""

    Off = 0
    Fast = 1
    HighQuality = 2
    Minimal = 3
    ZSL = 4


class AfModeEnum(enum.IntEnum):
    """Who moves the lens."""

    Manual = 0
    Auto = 1
    Continuous = 2


_TYPES = {
    ControlType.Bool: "AeEnable AwbEnable AeLocked",
    ControlType.Byte: "CnnOutputTensorInfo",
    ControlType.Integer32: (
        "AwbMode AeExposureMode ExposureTime ExposureTimeMode AnalogueGainMode ColourTemperature "
        "NoiseReductionMode AfMode AfTrigger AfState AeState FocusFoM SensorBlackLevels CnnKpiInfo"
    ),
    ControlType.Integer64: "FrameDurationLimits FrameDuration SensorTimestamp FrameWallClock",
    ControlType.Float: (
        "AnalogueGain DigitalGain ColourGains Brightness Contrast Saturation Sharpness "
        "LensPosition Lux SensorTemperature CnnOutputTensor"
    ),
    ControlType.Rectangle: "ScalerCrop ScalerCrops",
}
ALL: dict[str, ControlId] = {}
for _type, _names in _TYPES.items():
    for _name in _names.split():
        ALL[_name] = ControlId(_name, len(ALL) + 1, _type)
globals().update(ALL)
draft = SimpleNamespace(
    NoiseReductionModeEnum=NoiseReductionModeEnum, NoiseReductionMode=ALL["NoiseReductionMode"]
)
