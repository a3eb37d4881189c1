"""The cameras that are here now: what each delivers, what would be used of it and why."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.cameras import list_cameras
from pi_classifier.cameras.raspberry_pi.diagnosis import no_camera
from pi_classifier.cameras.raspberry_pi.picamera2_api import PiCameraInfo, connected_cameras
from pi_classifier.cameras.raspberry_pi.sensor_modes import full_view
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.video.v4l2 import Mode, Webcam, best_mode, modes, webcams
from pi_classifier.errors import CameraUnavailable
from pi_classifier.system.device_access import permission_advice
from pi_classifier.system.open_files import holders

_NEEDS_PYAV = "needs PyAV: sudo apt install python3-av"
_NEEDED = {
    "imx500": "needs the camera's own software: sudo apt install python3-picamera2 imx500-all"
}


@dataclass(frozen=True, slots=True)
class FoundCamera:
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


def found_cameras(
    settings: CameraSettings,
    *,
    there: Sequence[Webcam] | None = None,
    ask: Callable[[Path], list[Mode]] = modes,
    connected: Callable[[], list[PiCameraInfo]] = connected_cameras,
) -> list[FoundCamera]:
    """Look for every camera there is; nothing is opened for pictures, nothing fails."""
    plugged = webcams() if there is None else there
    found = [
        *_pi_cameras(settings, connected),
        *(_webcam(each, settings, ask) for each in plugged),
    ]
    if not plugged:
        problem = "none is plugged in; whether the system knows one: ls /dev/v4l/by-id"
        found.append(FoundCamera("webcam", "webcam", "a USB webcam", problem=problem))
    for kind in list_cameras():
        if kind.name not in {"pi", "webcam"}:
            problem = "" if kind.available else _NEEDED.get(kind.name, _NEEDS_PYAV)
            description = kind.description.partition(";")[0]
            found.append(FoundCamera(kind.name, kind.select, description, problem=problem))
    return found


def meant(source: str, found: Sequence[FoundCamera]) -> FoundCamera | None:
    """The one of `found` that a source means; "pi" and "webcam" alone mean the first."""
    source = source.strip()
    if source.startswith("/dev/"):
        source = f"webcam:{source}"
    name, _, argument = source.partition(":")
    same = [each for each in found if each.name == name.removesuffix("s")]
    if name == "replay":
        kind = "replay:FILE" if Path(argument).expanduser().is_file() else "replay:FOLDER"
        return next((each for each in same if each.select == kind), None)
    if not argument or argument.startswith("//"):
        return same[0] if same else None
    words = {source, argument.lower(), f"(/dev/video{argument})", f"({argument})"}
    return next(
        (each for each in same if words & {each.select, *each.description.lower().split()}), None
    )


def _pi_cameras(
    settings: CameraSettings, connected: Callable[[], list[PiCameraInfo]]
) -> list[FoundCamera]:
    try:
        found = connected()
        problem = str(no_camera()) if not found else ""
    except CameraUnavailable as error:
        found, problem = [], str(error)
    if problem:
        return [FoundCamera("pi", "pi", "a Raspberry Pi camera", problem=problem)]
    return [_pi_camera(each.number, each.model, settings) for each in found]


def _pi_camera(number: int, model: str, settings: CameraSettings) -> FoundCamera:
    readout = full_view(model, (0, 0))
    view = f"{readout.size[0]}x{readout.size[1]}, its full field of view"
    if not readout.known:
        view = "half its pixels each way, as its sensor is not in the table"
    use = (
        f"the sensor's {view}; the camera's own hardware makes it smaller: to the model's size "
        f"to classify, to {settings.width}x{settings.height} for pictures"
    )
    known = (f"{readout.size[0]}x{readout.size[1]}",) if readout.known else ()
    return FoundCamera("pi", f"pi:{number}", f"Raspberry Pi camera {model}", known, use)


def _webcam(
    webcam: Webcam, settings: CameraSettings, ask: Callable[[Path], list[Mode]]
) -> FoundCamera:
    kind, select = "webcam", webcam.select
    name = f"webcam {webcam.name} ({webcam.device})"
    try:
        found = ask(webcam.device)
    except OSError as error:
        return FoundCamera(kind, select, name, problem=_why_not(webcam.device, error))
    best = best_mode(found, settings.width, settings.height)
    use = "whatever it gives; it does not tell its modes"
    if best is not None:
        use = f"{best}: {_reason(best, settings)}"
    problem = "" if {each.select: each.available for each in list_cameras()}[kind] else _NEEDS_PYAV
    return FoundCamera(kind, select, name, tuple(str(mode) for mode in found), use, problem)


def _reason(best: Mode, settings: CameraSettings) -> str:
    wanted = f"{settings.width}x{settings.height}"
    size = f"the smallest that covers {wanted}"
    if best.width < settings.width or best.height < settings.height:
        size = f"the largest, as none covers {wanted}"
    if best.format == "MJPG":
        return f"{size}; JPEG, which needs a tenth of the USB bandwidth of raw pictures"
    return f"{size}; it gives no JPEG"


def _why_not(device: Path, error: OSError) -> str:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"may not be opened; {permission_advice(device)}"
    if error.errno == errno.EBUSY:
        return f"is used by {', '.join(holders(device)) or 'another program'}; end that first"
    return f"cannot be opened ({error.strerror})"
