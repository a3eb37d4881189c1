"""Every camera that is here now: what it delivers, which mode would be used of it and why."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.cameras import list_cameras
from pi_classifier.cameras.raspberry_pi.diagnosis import no_camera
from pi_classifier.cameras.raspberry_pi.picamera2_api import PiCameraInfo, connected_cameras
from pi_classifier.cameras.raspberry_pi.stream_plan import full_view
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.video.v4l2 import Webcam, WebcamMode, best_mode, read_modes, webcams
from pi_classifier.errors import CameraUnavailable
from pi_classifier.system.device_access import permission_advice
from pi_classifier.system.folders import expanded
from pi_classifier.system.open_files import processes_using

_NEEDS_PYAV = "needs PyAV: sudo apt install python3-av"
_NEEDED = {
    "imx500": "needs the camera's own software: sudo apt install python3-picamera2 imx500-all"
}
ReadModes = Callable[[Path], list[WebcamMode]]


@dataclass(frozen=True, slots=True)
class DiscoveredCamera:
    """A camera, or a kind of camera; `select` is what to write as the source.

    `use` is the mode that would be used and why; `problem` why it cannot be used, and
    what to do.
    """

    name: str
    select: str
    description: str
    modes: tuple[str, ...] = ()
    use: str = ""
    problem: str = ""

    @property
    def available(self) -> bool:
        """Whether it can be used here."""
        return not self.problem


def discover_cameras(
    settings: CameraSettings,
    *,
    plugged_in: Sequence[Webcam] | None = None,
    read_modes: ReadModes = read_modes,
    connected: Callable[[], list[PiCameraInfo]] = connected_cameras,
) -> list[DiscoveredCamera]:
    """List every camera that is here or could be; none is opened for pictures.

    A camera that cannot be used is listed with the reason: nothing is raised.
    """
    plugged_in = webcams() if plugged_in is None else plugged_in
    cameras = [
        *_pi_cameras(settings, connected),
        *(_webcam(webcam, settings, read_modes) for webcam in plugged_in),
    ]
    if not plugged_in:
        problem = "none is plugged in; whether the system knows one: ls /dev/v4l/by-id"
        cameras.append(DiscoveredCamera("webcam", "webcam", "a USB webcam", problem=problem))
    for kind in list_cameras():
        if kind.name not in {"pi", "webcam"}:
            problem = "" if kind.available else _NEEDED.get(kind.name, _NEEDS_PYAV)
            description = kind.description.partition(";")[0]
            cameras.append(DiscoveredCamera(kind.name, kind.select, description, problem=problem))
    return cameras


def match_source(source: str, cameras: Sequence[DiscoveredCamera]) -> DiscoveredCamera | None:
    """Return the one of `cameras` that a source names; "pi" and "webcam" alone are the first."""
    source = source.strip()
    if source.startswith("/dev/"):
        source = f"webcam:{source}"
    name, _, argument = source.partition(":")
    same_kind = [camera for camera in cameras if camera.name == name.removesuffix("s")]
    if name == "replay":
        kind = "replay:FILE" if expanded(argument).is_file() else "replay:FOLDER"
        return next((camera for camera in same_kind if camera.select == kind), None)
    if not argument or argument.startswith("//"):
        return next(iter(same_kind), None)
    names = {source, argument.lower(), f"(/dev/video{argument})", f"({argument})"}
    return next((camera for camera in same_kind if names & _words(camera)), None)


def _words(camera: DiscoveredCamera) -> set[str]:
    """What a camera can be called by: as it is listed, and the words of its description."""
    return {camera.select, *camera.description.lower().split()}


def _pi_cameras(
    settings: CameraSettings, connected: Callable[[], list[PiCameraInfo]]
) -> list[DiscoveredCamera]:
    try:
        cameras = connected()
        problem = "" if cameras else str(no_camera())
    except CameraUnavailable as error:
        cameras, problem = [], str(error)
    if problem:
        return [DiscoveredCamera("pi", "pi", "a Raspberry Pi camera", problem=problem)]
    return [_pi_camera(camera.number, camera.model, settings) for camera in cameras]


def _pi_camera(number: int, model: str, settings: CameraSettings) -> DiscoveredCamera:
    mode = full_view(model, (0, 0))
    size = f"{mode.size[0]}x{mode.size[1]}"
    view = f"{size}, its full field of view"
    if not mode.known:
        view = "half its pixels each way, as its sensor is not in the table"
    use = (
        f"the sensor's {view}; the camera's own hardware makes it smaller: to the model's size "
        f"to classify, to {settings.width}x{settings.height} for pictures"
    )
    modes = (size,) if mode.known else ()
    return DiscoveredCamera("pi", f"pi:{number}", f"Raspberry Pi camera {model}", modes, use)


def _webcam(webcam: Webcam, settings: CameraSettings, read_modes: ReadModes) -> DiscoveredCamera:
    kind, select = "webcam", webcam.select
    name = f"webcam {webcam.name} ({webcam.device})"
    try:
        modes = read_modes(webcam.device)
    except OSError as error:
        return DiscoveredCamera(kind, select, name, problem=_refusal(webcam.device, error))
    best = best_mode(modes, settings.width, settings.height)
    use = "whatever it gives; it does not list its modes"
    if best is not None:
        use = f"{best}: {_reason(best, settings)}"
    usable = any(camera.available for camera in list_cameras() if camera.name == kind)
    problem = "" if usable else _NEEDS_PYAV
    return DiscoveredCamera(kind, select, name, tuple(str(mode) for mode in modes), use, problem)


def _reason(best: WebcamMode, settings: CameraSettings) -> str:
    wanted = f"{settings.width}x{settings.height}"
    size = f"the smallest that covers {wanted}"
    if best.width < settings.width or best.height < settings.height:
        size = f"the largest, as none covers {wanted}"
    if best.format == "MJPG":
        return f"{size}; JPEG, which needs a tenth of the USB bandwidth of raw pictures"
    return f"{size}; it gives no JPEG"


def _refusal(device: Path, error: OSError) -> str:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"may not be opened; {permission_advice(device)}"
    if error.errno == errno.EBUSY:
        return (
            f"is used by {', '.join(processes_using(device)) or 'another program'}; end that first"
        )
    return f"cannot be opened ({error.strerror})"
