"""USB webcams: by number, by device, or by the name that stays the same when others come."""

from __future__ import annotations

import errno
import logging
import re
from functools import partial
from pathlib import Path

from pi_classifier.cameras.orientation import Orientation
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.video.live import LiveCamera
from pi_classifier.cameras.video.pyav import MediaAddress, Video, VideoError
from pi_classifier.cameras.video.v4l2 import Webcam, best_mode, read_modes, webcams
from pi_classifier.errors import CameraBusy, CameraUnavailable, ConfigError
from pi_classifier.system.device_access import permission_advice
from pi_classifier.system.open_files import processes_using

_ANY_NUMBER = re.compile(r"(?:/dev/video)?(\d{1,3})")
# JPEG needs a tenth of the bandwidth, which several webcams on one USB 2 port share.
_FORMATS = ("mjpeg", "")  # "": whatever it gives

_logger = logging.getLogger(__name__)


def open_webcam(
    which: str, settings: CameraSettings, side: int, *, demuxer: str = "v4l2"
) -> LiveCamera:
    """Open the webcam that `which` names: "", a number, or a path below /dev.

    Frames are made smaller until their shorter side is `side`. `demuxer` is FFmpeg's name
    for where pictures come from.
    Raises ConfigError when it names nothing a webcam can be, and CameraUnavailable when
    there is no such webcam, it is in use or may not be opened.
    """
    device = find_device(which)
    video = _open(device, settings, side, demuxer)
    return LiveCamera(video, f"webcam {device}", settings, partial(_interruption, device))


def find_device(which: str, plugged_in: list[Webcam] | None = None) -> Path:
    """Return the device that `which` names; "" is the first webcam there is."""
    number = _ANY_NUMBER.fullmatch(which)
    if number is not None:
        return Path(f"/dev/video{number[1]}")
    if which.startswith("/"):
        return Path(which)
    if which:
        raise ConfigError(
            f"camera 'webcam:{which}': expected a number or a device, such as webcam:0 or "
            "webcam:/dev/v4l/by-id/usb-046d_C270-video-index0; see `pi-classifier cameras`"
        )
    plugged_in = webcams() if plugged_in is None else plugged_in
    if not plugged_in:
        raise CameraUnavailable(
            "webcam: there is none; plug one in, and see whether the system knows it: "
            "ls /dev/v4l/by-id"
        )
    return plugged_in[0].device


def _open(device: Path, settings: CameraSettings, side: int, demuxer: str) -> Video:
    width, height = _size(device, settings)
    wanted = {"video_size": f"{width}x{height}", "framerate": f"{settings.fps:g}"}
    for pixel_format in _FORMATS:
        options = wanted | ({"input_format": pixel_format} if pixel_format else {})
        try:
            address = MediaAddress(str(device), demuxer, options)
            return Video(address, side, settings.timeout_s, Orientation.of(settings))
        except VideoError as error:
            if error.errno != errno.EINVAL or pixel_format == _FORMATS[-1]:
                raise refusal(device, error) from None
            _logger.info("webcam %s: gives no JPEG, so its own format is used", device)
    raise AssertionError("the last format either opens or is refused")


def _size(device: Path, settings: CameraSettings) -> tuple[int, int]:
    """The width and height to ask for: those of a mode, where the webcam lists any."""
    try:
        best = best_mode(read_modes(device), settings.width, settings.height)
    except OSError:  # opening it for good fails with a better message
        best = None
    return (settings.width, settings.height) if best is None else (best.width, best.height)


def _interruption(device: Path, error: VideoError) -> str:
    """Why an open webcam gives no more pictures."""
    gone = error.errno in (errno.ENODEV, errno.EIO) or not device.exists()
    reason = "was unplugged" if gone else f"failed: {error}"
    return f"{reason}; check its cable"


def refusal(device: Path, error: VideoError) -> CameraUnavailable:
    """Return why a webcam cannot be opened, and what to do."""
    if error.errno != errno.EBUSY:
        return CameraUnavailable(f"webcam {device}: {_reason(device, error)}")
    users = processes_using(device)
    by = ", ".join(users) or "another program"
    return CameraBusy(f"webcam {device}: is used by {by}; end that first", users)


def _reason(device: Path, error: VideoError) -> str:
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        others = ", ".join(webcam.select for webcam in webcams())
        known = f"there is {others}" if others else "the system knows no webcam"
        return f"there is no such device; {known}; check its cable"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"may not be opened; {permission_advice(device)}"
    if error.errno in (errno.ENOTTY, errno.EINVAL):
        return f"is no device that gives pictures ({error})"
    return f"cannot be opened ({error})"
