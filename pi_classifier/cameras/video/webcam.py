"""USB webcams: by number, by device, or by the name that stays the same when others come."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.video.live import LiveCamera
from pi_classifier.cameras.video.pyav import Address, Picture, Video, VideoError
from pi_classifier.cameras.video.v4l2 import Webcam, best_mode, modes, webcams
from pi_classifier.errors import CameraError, CameraUnavailable, ConfigError
from pi_classifier.system.device_access import permission_advice
from pi_classifier.system.open_files import holders

_ANY_NUMBER = re.compile(r"(?:/dev/video)?(\d{1,3})")
# JPEG needs a tenth of the bandwidth, which several webcams on one USB 2 port share.
_FORMATS = ("mjpeg", "")

_logger = logging.getLogger(__name__)


def open_webcam(which: str, settings: CameraSettings, side: int) -> LiveCamera:
    """Open the webcam that `which` names: "", a number, or a path below /dev.

    Raises ConfigError when it names nothing a webcam can be, and CameraUnavailable when
    there is no such webcam, it is in use or may not be opened.
    """
    device = find_device(which)
    return LiveCamera(WebcamFeed(device, settings, side), f"webcam {device}", settings)


def find_device(which: str, there: list[Webcam] | None = None) -> Path:
    """Return the device `which` means; "" is the first webcam there is."""
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
    found = webcams() if there is None else there
    if not found:
        raise CameraUnavailable(
            "webcam: there is none; plug one in, and see whether the system knows it: "
            "ls /dev/v4l/by-id"
        )
    return found[0].device


class WebcamFeed:
    """One open webcam. `demuxer` is FFmpeg's name for where pictures come from."""

    def __init__(
        self, device: Path, settings: CameraSettings, side: int, *, demuxer: str = "v4l2"
    ) -> None:
        self._device = device
        self._video = self._opened(settings, side, demuxer)

    def pictures(self) -> Iterator[Picture]:
        """Yield pictures until the webcam goes away; raises CameraError."""
        try:
            yield from self._video.pictures()
        except VideoError as error:
            gone = error.errno in (errno.ENODEV, errno.EIO) or not self._device.exists()
            reason = "was unplugged" if gone else f"failed: {error}"
            raise CameraError(f"webcam {self._device}: {reason}; check its cable") from None

    def close(self) -> None:
        """Let go of the device."""
        if self._video.damaged:
            _logger.warning(
                "webcam %s: %d pictures were damaged", self._device, self._video.damaged
            )
        self._video.close()

    def _opened(self, settings: CameraSettings, side: int, demuxer: str) -> Video:
        width, height = self._size(settings)
        wishes = {"video_size": f"{width}x{height}", "framerate": f"{settings.fps:g}"}
        for pixels in _FORMATS:
            options = wishes | ({"input_format": pixels} if pixels else {})
            address = Address(str(self._device), str(self._device), demuxer, options)
            try:
                return Video(address, side, settings.timeout_s)
            except VideoError as error:
                if error.errno != errno.EINVAL or pixels == _FORMATS[-1]:
                    raise CameraUnavailable(refusal(self._device, error)) from None
                _logger.info("webcam %s gives no JPEG; taking what it gives", self._device)
        raise AssertionError("the last format either opens or is refused")

    def _size(self, settings: CameraSettings) -> tuple[int, int]:
        """The size to ask for: one the webcam has, where it tells them."""
        try:
            best = best_mode(modes(self._device), settings.width, settings.height)
        except OSError:  # said better when it is opened for good
            best = None
        return (settings.width, settings.height) if best is None else (best.width, best.height)


def refusal(device: Path, error: VideoError) -> str:
    """Why a webcam cannot be opened, and what to do."""
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        others = ", ".join(webcam.select for webcam in webcams())
        known = f"there is {others}" if others else "the system knows no webcam"
        return f"webcam {device}: there is no such device; {known}; check its cable"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"webcam {device}: may not be opened; {permission_advice(device)}"
    if error.errno == errno.EBUSY:
        by = ", ".join(holders(device)) or "another program"
        return f"webcam {device}: is used by {by}; end that first"
    if error.errno in (errno.ENOTTY, errno.EINVAL):
        return f"webcam {device}: is no camera that gives pictures ({error})"
    return f"webcam {device}: cannot be opened ({error})"
