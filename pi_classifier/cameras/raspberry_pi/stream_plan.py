"""What is asked of the camera: streams, sensor mode, part of the view, controls.

Pure: from the settings and what the camera says of itself to what picamera2 takes.

Of each sensor the mode is asked for that sees everything and is fast: its full field of
view, binned. libcamera left to itself takes the mode nearest the size of the frames, which
for small frames is a narrow part of the view. Asking picamera2 for the list would configure
the camera once for each, so the modes are written here, as `rpicam-hello --list-cameras`
prints them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pi_classifier.cameras.settings import WHITE_BALANCES, CameraSettings, Region
from pi_classifier.errors import ConfigError
from pi_classifier.suggest import suggestion

Box = tuple[int, int, int, int]
ControlValue: TypeAlias = bool | int | float | tuple[float, ...]
Advertised: TypeAlias = Mapping[str, tuple[Any, Any, Any]]
"""Controls by name with lowest, highest and usual value: picamera2's `camera_controls`."""

# Exposure control works by frames, not seconds: at a low frame rate it would take long.
START_FPS = 30.0
_CONTINUOUS_FOCUS = 2  # libcamera's AfModeEnum
_MANUAL_FOCUS = 0


@dataclass(frozen=True, slots=True)
class SensorMode:
    """What comes out of the sensor: `size` (width, height), and bits per pixel.

    `bit_depth` None is whatever the sensor has. `known` is False for a guess.
    """

    size: tuple[int, int]
    bit_depth: int | None
    known: bool = True


_FULL_VIEW = {
    "imx219": SensorMode((1640, 1232), 10),
    "imx290": SensorMode((1920, 1080), 12),
    "imx296": SensorMode((1456, 1088), 10),
    "imx378": SensorMode((2028, 1520), 12),
    "imx477": SensorMode((2028, 1520), 12),
    "imx500": SensorMode((2028, 1520), 10),
    "imx519": SensorMode((2328, 1748), 10),
    "imx708": SensorMode((2304, 1296), 10),
    "ov5647": SensorMode((1296, 972), 10),
    "ov9281": SensorMode((1280, 800), 10),
}


def full_view(model: str, pixel_array: tuple[int, int]) -> SensorMode:
    """Return the mode for a sensor; `model` may be a variant such as ``imx708_wide_noir``.

    For a sensor not in the table it is half of `pixel_array` (width, height) each way:
    nearly every sensor can bin two by two pixels over its whole field of view.
    """
    mode = _FULL_VIEW.get(model.lower().partition("_")[0])
    if mode is not None:
        return mode
    return SensorMode((pixel_array[0] // 2, pixel_array[1] // 2), None, known=False)


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One configuration: `frames` names the stream that frames come from.

    `shape` is the frames' (height, width) after `quarter_turns` clockwise.
    """

    main: dict[str, Any]
    lores: dict[str, Any] | None
    frames: str
    sensor: dict[str, Any]
    hflip: bool
    vflip: bool
    quarter_turns: int
    shape: tuple[int, int]
    known_sensor: bool


def make_plan(
    settings: CameraSettings,
    model_size: tuple[int, int] | None,
    model: str,
    pixel_array: tuple[int, int],
    *,
    rgb_lores: bool,
) -> StreamPlan:
    """Plan the streams for a sensor `model` of `pixel_array` = (width, height).

    With `model_size` = (height, width) the ISP makes frames of that size, and nothing is
    scaled by the CPU; without, frames are pictures of the configured size. `rgb_lores`:
    the second stream may be RGB (Pi 5). Raises ConfigError for a size it cannot do.
    """
    turns = settings.rotation // 90
    half_turn = turns == 2  # done by both flips, in the sensor
    picture = (settings.height, settings.width)
    shape = model_size or picture
    size = _stream_size(shape, turns)
    small = None
    if model_size is not None and settings.picture:
        size, small = _stream_size(picture, turns), _small_size(settings, size, turns)
    if size[0] > pixel_array[0] or size[1] > pixel_array[1]:
        raise ConfigError(
            f"camera.width = {settings.width}, camera.height = {settings.height}: the sensor "
            f"{model} has {pixel_array[0]} by {pixel_array[1]} pixels; ask for no more"
        )
    mode = full_view(model, pixel_array)
    bit_depth = {} if mode.bit_depth is None else {"bit_depth": mode.bit_depth}
    return StreamPlan(
        main={"size": size, "format": "BGR888"},
        lores={"size": small, "format": "BGR888" if rgb_lores else "YUV420"} if small else None,
        frames="lores" if small else "main",
        sensor={"output_size": mode.size} | bit_depth,
        hflip=settings.hflip != half_turn,
        vflip=settings.vflip != half_turn,
        quarter_turns=0 if half_turn else turns,
        shape=shape,
        known_sensor=mode.known,
    )


def _stream_size(shape: tuple[int, int], turns: int) -> tuple[int, int]:
    """Width and height before turning; even, as the ISP wants, and never less."""
    height, width = shape[::-1] if turns % 2 else shape
    return width + width % 2, height + height % 2


def _small_size(settings: CameraSettings, frame: tuple[int, int], turns: int) -> tuple[int, int]:
    """The least even size with the aspect of the picture that `frame` can be cut from.

    There is one crop for both streams: a second one of another aspect would be squashed.
    """
    size = _stream_size((settings.height, settings.width), turns)
    scale = max(frame[0] / size[0], frame[1] / size[1])
    if scale > 1:
        raise ConfigError(
            f"camera.picture of {settings.width} by {settings.height}: is smaller than the "
            f"{frame[0]} by {frame[1]} the model looks at; set camera.width and camera.height "
            "higher"
        )
    width, height = (2 * math.ceil(side * scale / 2 - 1e-9) for side in size)
    return width, height


def crop_for(roi: Region, whole: Box, size: tuple[int, int]) -> Box:
    """Return the part of `whole` for `roi`, in its middle cut to the aspect of `size`.

    A part of another aspect would be squashed. `whole` and the result are x, y, width
    and height in pixels of the sensor, `size` is the width and height of the frames.
    """
    x, y, width, height = whole
    left, top = x + roi[0] * width, y + roi[1] * height
    wide, tall = roi[2] * width, roi[3] * height
    scale = min(wide / size[0], tall / size[1])
    cut_wide, cut_tall = size[0] * scale, size[1] * scale
    return (
        round(left + (wide - cut_wide) / 2),
        round(top + (tall - cut_tall) / 2),
        round(cut_wide),
        round(cut_tall),
    )


def wanted_controls(settings: CameraSettings, advertised: Advertised) -> dict[str, ControlValue]:
    """Return the controls to set, all within what the camera advertises.

    Raises ConfigError for one that it does not have, or a value outside its limits.
    """
    wanted: dict[str, ControlValue] = {}
    for key, value in settings.controls.items():
        wanted[key] = _check(f"camera.controls.{key}", key, _parsed(key, value), advertised)
    if settings.exposure_us is not None:
        longest_us = int(1e6 / settings.fps)
        if settings.exposure_us > longest_us:
            raise ConfigError(
                f"camera.exposure_us = {settings.exposure_us}: longer than a frame, which at "
                f"camera.fps = {settings.fps:g} takes {longest_us}; lower camera.fps"
            )
        wanted["ExposureTime"] = _check(
            "camera.exposure_us", "ExposureTime", settings.exposure_us, advertised
        )
    if settings.gain is not None:
        wanted["AnalogueGain"] = _check("camera.gain", "AnalogueGain", settings.gain, advertised)
    if settings.white_balance != "auto":
        mode = WHITE_BALANCES.index(settings.white_balance)
        wanted["AwbMode"] = _check("camera.white_balance", "AwbMode", mode, advertised)
    return wanted | _focus(settings.focus, advertised)


def _focus(focus: str, advertised: Advertised) -> dict[str, ControlValue]:
    if focus == "auto":
        return {"AfMode": _CONTINUOUS_FOCUS} if "AfMode" in advertised else {}
    try:
        dioptres = float(focus)
    except ValueError:
        raise ConfigError(
            f'camera.focus = "{focus}": expected "auto" or a distance in dioptres, such as "0.5" '
            "for two meters"
        ) from None
    _check("camera.focus", "LensPosition", dioptres, advertised)
    return {"AfMode": _MANUAL_FOCUS, "LensPosition": dioptres}


def _check(key: str, name: str, value: ControlValue, advertised: Advertised) -> ControlValue:
    if name not in advertised:
        raise ConfigError(
            f"{key}: this camera has no control {name}.{suggestion(name, advertised)} "
            f"It has: {', '.join(sorted(advertised))}; remove the setting"
        )
    low, high, _ = advertised[name]
    values = value if isinstance(value, tuple) else (value,)
    plain = isinstance(low, int | float) and isinstance(high, int | float)
    if plain and not all(low <= number <= high for number in values):
        shown = ", ".join(f"{number:g}" for number in values)
        raise ConfigError(f"{key} = {shown}: this camera takes {name} from {low:g} to {high:g}")
    return value


def _parsed(key: str, text: str) -> ControlValue:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        numbers = [float(part) if "." in part else int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(
            f'camera.controls.{key} = "{text}": expected a number, numbers with commas between '
            'them, "true" or "false"'
        ) from None
    return numbers[0] if len(numbers) == 1 else tuple(numbers)
