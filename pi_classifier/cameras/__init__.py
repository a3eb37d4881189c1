"""Cameras by name: `open_camera` makes the one that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from pi_classifier.cameras.recovery import STEP_S
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.video.addresses import masked
from pi_classifier.errors import ConfigError
from pi_classifier.suggest import suggestion
from pi_classifier.types import Camera

__all__ = [
    "CameraInfo",
    "CameraSettings",
    "camera_opener",
    "follows_model",
    "list_cameras",
    "open_camera",
    "opening_limit_s",
]

Size = tuple[int, int]
"""Height and width in pixels."""


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
        CameraInfo("replay", "the photos of a folder, or a recording", True, "replay:FOLDER"),
        CameraInfo("replay", f"a video{needs}", video, "replay:FILE"),
        CameraInfo("webcam", f"a USB webcam{needs}", video, "webcam"),
        CameraInfo("rtsp", f"a network camera{needs}", video, "rtsp://HOST/PATH"),
        CameraInfo("http", f"JPEG pictures over HTTP{needs}", video, "http://HOST/PATH"),
    ]


def open_camera(settings: CameraSettings, model_size: Size | None = None) -> Camera:
    """Open the camera that `settings.source` names; see `camera_opener`.

    Raises ConfigError, and CameraUnavailable when it is not there.
    """
    return camera_opener(settings, model_size)()


def camera_opener(
    settings: CameraSettings, model_size: Size | None = None
) -> Callable[[], Camera]:
    """Return what opens the camera that `settings.source` names, as often as it is called.

    `model_size` is the frame size the model looks at: a camera that scales for free
    delivers that. Raises ConfigError for an unknown camera or settings it refuses; the
    opener raises CameraUnavailable when the camera is not there.
    """
    source = settings.source.strip()
    name, colon, argument = _parts(source)
    prepare = _CAMERAS.get(name)
    if prepare is None:
        known = ", ".join(camera.select for camera in list_cameras())
        raise ConfigError(
            f"camera {masked(source)!r}: no such camera.{suggestion(name, _CAMERAS)} "
            f"Cameras: {known}"
        )
    if colon and name not in _WITH_ARGUMENT:
        raise ConfigError(
            f"camera {settings.source!r}: {name} takes nothing after a colon; write {name}"
        )
    if settings.faults and name != "emulated":
        raise ConfigError(
            f"faults {', '.join(settings.faults)}: only the emulated camera fails to order; "
            f"remove them or use it instead of {masked(source)!r}"
        )
    return prepare(settings, argument, model_size)


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
    return name in _SCALED or (name == "replay" and Path(argument).expanduser().is_file())


def _parts(source: str) -> tuple[str, str, str]:
    """The camera's name, a colon if there is one, and what it is given."""
    source = source.strip()
    return ("webcam", ":", source) if source.startswith("/dev/") else source.partition(":")


def _pi(settings: CameraSettings, argument: str, model_size: Size | None) -> Callable[[], Camera]:
    from pi_classifier.cameras.raspberry_pi.camera import PiCamera

    return partial(PiCamera, settings, argument, model_size)


def _imx500(
    settings: CameraSettings, argument: str, model_size: Size | None
) -> Callable[[], Camera]:
    del model_size  # the network is in the sensor
    from pi_classifier.cameras.raspberry_pi.imx500 import network_file, open_imx500

    return partial(open_imx500, network_file(argument), settings)


def _emulated(
    settings: CameraSettings, argument: str, model_size: Size | None
) -> Callable[[], Camera]:
    del argument, model_size
    from pi_classifier.cameras.emulated.camera import EmulatedCamera, Garden

    return partial(EmulatedCamera, settings, garden=Garden(settings))


def _replay(
    settings: CameraSettings, argument: str, model_size: Size | None
) -> Callable[[], Camera]:
    from pi_classifier.cameras.replay.photo_folder import ENDINGS, ReplayCamera
    from pi_classifier.cameras.replay.recorded import RecordedCamera
    from pi_classifier.cameras.replay.recording import is_recording

    path = Path(argument).expanduser()
    if argument and is_recording(path):
        return partial(RecordedCamera, path, settings)
    if path.is_file() and path.suffix.lower() not in ENDINGS:
        from pi_classifier.cameras.video.file import VideoFileCamera

        return partial(VideoFileCamera, path, settings, _side(settings, model_size))
    return partial(ReplayCamera, argument, settings)


def _webcam(
    settings: CameraSettings, argument: str, model_size: Size | None
) -> Callable[[], Camera]:
    from pi_classifier.cameras.video.webcam import open_webcam

    return partial(open_webcam, argument, settings, _side(settings, model_size))


def _network(
    settings: CameraSettings, argument: str, model_size: Size | None
) -> Callable[[], Camera]:
    del argument
    from pi_classifier.cameras.video.network import open_network_camera

    return partial(
        open_network_camera, settings.source.strip(), settings, _side(settings, model_size)
    )


def _side(settings: CameraSettings, model_size: Size | None) -> int:
    """The shorter side of the frames a video is scaled to."""
    return min(settings.width, settings.height) if model_size is None else max(model_size)


_CAMERAS: dict[str, Callable[[CameraSettings, str, Size | None], Callable[[], Camera]]] = {
    "pi": _pi,
    "imx500": _imx500,
    "emulated": _emulated,
    "replay": _replay,
    "webcam": _webcam,
    "rtsp": _network,
    "rtsps": _network,
    "http": _network,
    "https": _network,
}
_WITH_ARGUMENT = ("pi", "imx500", "replay", "webcam", "rtsp", "rtsps", "http", "https")
_SCALED = ("pi", "webcam", "rtsp", "rtsps", "http", "https")
