"""picamera2 itself: finding it, listing and opening cameras. The only module that imports it."""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pi_classifier.cameras.raspberry_pi import diagnosis
from pi_classifier.cameras.raspberry_pi.stream_plan import StreamPlan
from pi_classifier.errors import CameraUnavailable

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PiCameraInfo:
    """One connected camera: its place in libcamera's list, its sensor, its name there."""

    number: int
    model: str
    id: str


def connected_cameras() -> list[PiCameraInfo]:
    """Return the cameras libcamera sees, USB cameras left out.

    Raises CameraUnavailable when picamera2 is not there, or too old.
    """
    listed = _picamera2().Picamera2.global_camera_info()
    return [
        PiCameraInfo(number, str(info["Model"]), str(info["Id"]))
        for number, info in enumerate(listed)
        if "/usb" not in info["Id"]
    ]


def open_network(path: Path) -> Any:
    """Return picamera2's IMX500 device with the network at `path`; CameraUnavailable."""
    _picamera2()
    try:
        from picamera2.devices.imx500 import IMX500
    except Exception as error:
        raise diagnosis.no_imx500(error) from error
    try:
        return IMX500(str(path))
    except Exception as error:
        raise diagnosis.explained(error, f"loading {path} into the sensor") from error


def is_pisp() -> bool:
    """Whether this is a Pi 5, whose ISP makes two RGB streams; earlier ones make one."""
    picamera2 = _picamera2()
    return bool(picamera2.get_platform() == picamera2.Platform.PISP)


def mapped_array() -> Any:
    """Return picamera2's view of a frame in the camera's memory."""
    return _picamera2().MappedArray


def is_sound(request: Any) -> bool:
    """Whether the frame is whole; old versions of picamera2 also hand out others."""
    buffer = next(iter(request.request.buffers.values()))
    return bool(buffer.metadata.status.name == "Success")


def configure(device: Any, plan: StreamPlan, buffers: int) -> None:
    """Configure the device as planned; raises what picamera2 and libcamera raise."""
    from libcamera import ColorSpace, Transform

    device.configure(
        device.create_video_configuration(
            main=plan.main,
            lores=plan.lores,
            raw=None,
            transform=Transform(hflip=plan.hflip, vflip=plan.vflip),
            colour_space=ColorSpace.Sycc(),  # full range, as the photos that models learn from
            buffer_count=buffers,
            queue=True,
            sensor=plan.sensor,
            display=None,
            encode=None,
        )
    )


def _picamera2() -> Any:
    """Import picamera2, quiet unless debug messages are wanted; CameraUnavailable."""
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")
    if not _logger.isEnabledFor(logging.DEBUG):
        logging.getLogger("picamera2").setLevel(logging.CRITICAL)
    try:
        import picamera2
    except Exception as error:
        raise diagnosis.import_failure(error) from error
    with contextlib.suppress(metadata.PackageNotFoundError, ValueError):
        version = metadata.version("picamera2")
        if tuple(int(part) for part in version.split(".")[:3]) < diagnosis.PICAMERA2_AT_LEAST:
            raise diagnosis.too_old(version)
    return picamera2


def chosen_camera(choice: str) -> PiCameraInfo:
    """Return the camera of that number, sensor or id; "" is the first. CameraUnavailable."""
    cameras = connected_cameras()
    if not cameras:
        raise diagnosis.no_camera()
    if not choice:
        return cameras[0]
    matches = [
        camera
        for camera in cameras
        if choice in (str(camera.number), camera.id) or camera.model.lower() == choice.lower()
    ]
    if len(matches) == 1:
        return matches[0]
    connected = ", ".join(f"pi:{info.number} ({info.model}, {info.id})" for info in cameras)
    problem = "there are several of these; choose by number" if matches else "no such camera"
    raise CameraUnavailable(f'camera "pi:{choice}": {problem}. Connected: {connected}')


def open_device(number: int) -> Any:
    """Open a camera; what picamera2 leaves behind when it fails is freed. CameraUnavailable."""
    diagnosis.check_heap()
    picamera = _picamera2().Picamera2
    # old versions take a camera away from whoever has it in this program, before they ask
    if picamera.global_camera_info()[number]["Num"] in picamera._cm.cameras:  # noqa: SLF001
        raise diagnosis.in_use_here()
    device = picamera.__new__(picamera)
    try:
        device.__init__(number)
    except Exception as error:
        _abandon(device)
        raise diagnosis.explained(error, "opening it") from error
    return device


def _abandon(device: Any) -> None:
    """Free the descriptors of a device that was never open, tried again and again."""
    with contextlib.suppress(Exception):
        if device.is_open:
            device.close()
            return
    with contextlib.suppress(Exception):
        device.notifymeread.close()
        os.close(device.notifyme_w)
    with contextlib.suppress(Exception):
        # picamera2 before 0.3.27 lists a camera before it is open
        manager = type(device)._cm  # noqa: SLF001
        if manager.cameras.get(device.camera_idx) is device:
            manager.cleanup(device.camera_idx)
