"""Cameras by name: `open_camera` makes the one that the settings ask for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from pi_classifier.cameras.recovery import STEP_S, Opener
from pi_classifier.cameras.settings import OF_ORIENTATION, OF_PI_CAMERAS, CameraSettings
from pi_classifier.errors import ConfigError
from pi_classifier.suggest import suggestion
from pi_classifier.system.folders import expanded
from pi_classifier.types import Camera

__all__ = [
    "CameraInfo",
    "CameraSettings",
    "camera_opener",
    "device_of",
    "follows_model",
    "is_live",
    "list_cameras",
    "open_camera",
    "opening_limit_s",
    "sets_frame_size",
]

_PI_CAMERAS = ("pi", "imx500")

ModelSize = tuple[int, int]
"""Height and width in pixels of the frames that a model looks at."""


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """One camera a user can choose: `select` is what to write as the source."""

    name: str
    description: str
    available: bool
    select: str


def list_cameras() -> list[CameraInfo]:
    """Return every camera this release knows, and whether it can be used here."""
    video = find_spec("av") is not None
    needs = "" if video else "; needs PyAV: sudo apt install python3-av"
    return [
        CameraInfo(
            "pi",
            "Raspberry Pi camera, through picamera2",
            find_spec("picamera2") is not None,
            "pi",
        ),
        CameraInfo(
            "imx500",
            "AI Camera: the network FILE runs in the sensor",
            find_spec("picamera2") is not None,
            "imx500:FILE",
        ),
        CameraInfo("emulated", "drawn garden scenes with known truth", True, "emulated"),
        CameraInfo("emulated", "small flowers in a wide view", True, "emulated:meadow"),
        CameraInfo("replay", "the photos of a folder, or a recording", True, "replay:FOLDER"),
        CameraInfo("replay", f"a video{needs}", video, "replay:FILE"),
        CameraInfo("webcam", f"a USB webcam{needs}", video, "webcam"),
        CameraInfo("rtsp", f"a network camera{needs}", video, "rtsp://HOST/PATH"),
        CameraInfo("http", "pictures over HTTP, one by one or streamed", True, "http://HOST/PATH"),
    ]


def open_camera(settings: CameraSettings, model_size: ModelSize | None = None) -> Camera:
    """Open the camera that `settings.source` names; see `camera_opener`.

    Raises ConfigError, and CameraUnavailable when it is not there.
    """
    return camera_opener(settings, model_size)()


def camera_opener(settings: CameraSettings, model_size: ModelSize | None = None) -> Opener:
    """Return what opens the camera that `settings.source` names.

    `model_size` is the frame size the model looks at: a camera that scales for free
    delivers that. Raises ConfigError for an unknown camera or settings it refuses.
    """
    name, colon, argument = _parts(settings.source)
    kind = _KINDS.get(name)
    if kind is None:
        known = ", ".join(camera.select for camera in list_cameras())
        raise ConfigError(
            f"camera {settings.shown_source!r}: no such camera."
            f"{suggestion(name, _KINDS)} Cameras: {known}"
        )
    if colon and not kind.takes_argument:
        raise ConfigError(
            f"camera {settings.shown_source!r}: {name} takes nothing after a colon; write {name}"
        )
    if settings.faults and name != "emulated":
        raise ConfigError(
            f"faults {', '.join(settings.faults)}: only the emulated camera has faults to order; "
            f"remove them or use it instead of {settings.shown_source!r}"
        )
    if name not in _PI_CAMERAS:
        _refuse(settings, OF_PI_CAMERAS, "only the Raspberry Pi's own cameras can be told that")
    return kind.prepare(settings, argument, model_size)


def opening_limit_s(settings: CameraSettings) -> float:
    """How long opening the camera may take before it counts as a hang, in seconds."""
    name, _, _ = _parts(settings.source)
    if name == "imx500":  # its network is uploaded into the sensor
        return 300.0
    # a network camera's time-out counts for connecting and for the first picture
    return max(STEP_S, 2 * settings.timeout_s + 5.0)


def follows_model(settings: CameraSettings) -> bool:
    """Whether the camera delivers frames of the model's size, and so depends on the model."""
    name, _, argument = _parts(settings.source)
    if name == "replay":  # a video is scaled, photos and recordings are not
        return expanded(argument).is_file()
    return name in _KINDS and _KINDS[name].scales


def is_live(settings: CameraSettings) -> bool:
    """Whether the camera looks at the world, and leaves classifying to us."""
    name, _, _ = _parts(settings.source)
    return name in _KINDS and _KINDS[name].live


def device_of(settings: CameraSettings) -> str:
    """What the camera opens for itself alone, "" where others may look through it, too."""
    name, _, argument = _parts(settings.source)
    if name == "pi":
        return f"pi:{argument or 0}"
    if name == "webcam":
        device = f"/dev/video{argument}" if argument.isdecimal() else argument
        return os.path.realpath(device) if device else name
    return name if name in _PI_CAMERAS else ""


def sets_frame_size(settings: CameraSettings) -> bool:
    """Whether `width` and `height` say how large its frames are at most; else its files do."""
    name, _, _ = _parts(settings.source)
    return name != "replay"


def _parts(source: str) -> tuple[str, str, str]:
    """Return the camera's name, a colon if there is one, and the argument behind it."""
    source = source.strip()
    return ("webcam", ":", source) if source.startswith("/dev/") else source.partition(":")


# Each imports its camera when it is chosen: a camera's libraries may be missing or slow to load.


def _pi(settings: CameraSettings, argument: str, model_size: ModelSize | None) -> Opener:
    from pi_classifier.cameras.raspberry_pi.camera import PiCamera

    return partial(PiCamera, settings, argument, model_size)


def _imx500(settings: CameraSettings, argument: str, model_size: ModelSize | None) -> Opener:
    del model_size  # the network is in the sensor
    from pi_classifier.cameras.raspberry_pi.imx500 import network_file, open_imx500

    quarter = ("rotation",) if settings.rotation % 180 else ()
    _refuse(settings, ("roi", *quarter), "the network in the sensor sees all the sensor sees")
    return partial(open_imx500, network_file(argument), settings)


def _emulated(settings: CameraSettings, argument: str, model_size: ModelSize | None) -> Opener:
    del model_size
    from pi_classifier.cameras.emulated.camera import MEADOW, Garden, open_emulated_camera

    if argument not in ("", MEADOW):
        raise ConfigError(
            f"camera {settings.shown_source!r}: has no view {argument!r}; write emulated, or "
            f"emulated:{MEADOW} for small flowers in a wide view"
        )
    garden = Garden(settings, wide=argument == MEADOW)
    return partial(open_emulated_camera, settings, garden=garden)


def _replay(settings: CameraSettings, argument: str, model_size: ModelSize | None) -> Opener:
    from pi_classifier.cameras.replay.photo_folder import ENDINGS, open_photo_folder
    from pi_classifier.cameras.replay.recording import is_recording, open_recording

    path = expanded(argument)
    if argument and is_recording(path):
        _refuse(settings, OF_ORIENTATION, "a recording is played as the camera saw it")
        return partial(open_recording, path, settings)
    if path.is_file() and path.suffix.lower() not in ENDINGS:
        from pi_classifier.cameras.video.file import open_video_file

        return partial(open_video_file, path, settings, _side(settings, model_size))
    return partial(open_photo_folder, argument, settings)


def _webcam(settings: CameraSettings, argument: str, model_size: ModelSize | None) -> Opener:
    from pi_classifier.cameras.video.webcam import open_webcam

    return partial(open_webcam, argument, settings, _side(settings, model_size))


def _network(settings: CameraSettings, argument: str, model_size: ModelSize | None) -> Opener:
    del argument
    from pi_classifier.cameras.video.network import open_network_camera

    side = _side(settings, model_size)
    return partial(open_network_camera, settings.source.strip(), settings, side)


def _refuse(settings: CameraSettings, names: Sequence[str], reason: str) -> None:
    """Raise ConfigError where a setting of these is set, which this camera cannot honor."""
    usual = CameraSettings()
    asked = [f"camera.{name}" for name in names if getattr(settings, name) != getattr(usual, name)]
    if asked:
        raise ConfigError(
            f"camera {settings.shown_source!r}: {reason}; remove {' and '.join(asked)}"
        )


def _side(settings: CameraSettings, model_size: ModelSize | None) -> int:
    """The shorter side, in pixels, of the frames that a video is scaled to."""
    return min(settings.width, settings.height) if model_size is None else max(model_size)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the cameras of one name are opened.

    `takes_argument`: something may follow the name and a colon. `scales`: frames come at
    the model's size. `live`: it looks at the world, not at what was drawn or recorded, and
    every frame that is classified costs something here.
    """

    prepare: Callable[[CameraSettings, str, ModelSize | None], Opener]
    takes_argument: bool = True
    scales: bool = False
    live: bool = False


_KINDS = {
    "pi": _Kind(_pi, scales=True, live=True),
    "imx500": _Kind(_imx500),
    "emulated": _Kind(_emulated),
    "replay": _Kind(_replay),
    "webcam": _Kind(_webcam, scales=True, live=True),
    "rtsp": _Kind(_network, scales=True, live=True),
    "rtsps": _Kind(_network, scales=True, live=True),
    "http": _Kind(_network, scales=True, live=True),
    "https": _Kind(_network, scales=True, live=True),
}
