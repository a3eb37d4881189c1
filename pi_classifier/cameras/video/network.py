"""Cameras on the network: RTSP, and JPEG pictures over HTTP."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from pi_classifier.cameras.orientation import Orientation
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.video.http import HttpConnection, HttpStream
from pi_classifier.cameras.video.live import LiveCamera
from pi_classifier.cameras.video.pyav import MediaAddress, Video, VideoError
from pi_classifier.cameras.video.still_pictures import StillPictures, is_still
from pi_classifier.errors import CameraUnavailable, ConfigError
from pi_classifier.masking import masked, masked_address
from pi_classifier.system.systemd import service_unit

SCHEMES = ("rtsp", "rtsps", "http", "https")

# Nothing here needs the frame rate, and measuring it would take a second.
_NO_RATE = {"fpsprobesize": "0"}
_RTSP_PROTOCOLS = "rtsp,rtsps,rtp,srtp,udp,tcp,tls"

# What a sandbox without network answers; a name that cannot be looked up is an EIO.
_NO_NETWORK = (errno.EAFNOSUPPORT, errno.ENETUNREACH, errno.EPERM, errno.EIO)


def open_network_camera(url: str, settings: CameraSettings, side: int) -> LiveCamera:
    """Open the camera at `url`; frames are made smaller until their shorter side is `side`.

    Raises ConfigError for what is no address, CameraUnavailable when it does not answer.
    """
    shown = masked_address(url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if "@" in url and (not host or "@" in parts.fragment):
        raise ConfigError(
            f"camera {shown!r}: its name or password holds a character that means something else "
            "in an address; write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A, % as %25"
        )
    if not host:
        raise ConfigError(
            f"camera {shown!r}: no host in it; expected such as rtsp://192.168.1.20:554/stream "
            "or http://192.168.1.20:8080/stream.mjpg"
        )
    name = f"camera {shown}"
    is_rtsp = parts.scheme.lower().startswith("rtsp")
    try:
        video = (_rtsp if is_rtsp else _http)(_with_password(url), settings, side)
    except VideoError as error:
        raise CameraUnavailable(f"{name}: {_advice(error, settings.timeout_s)}") from None
    return LiveCamera(
        video, name, settings, lambda error: masked(f"the connection broke: {error}")
    )


def _rtsp(url: str, settings: CameraSettings, side: int) -> Video:
    """A stream that FFmpeg asks for, by RTSP and what that uses, and by nothing else."""
    # Over TCP no packet is lost on the way; cameras that know only UDP get that.
    options = _NO_RATE | {"rtsp_flags": "prefer_tcp"}
    address = MediaAddress(url, options=options, protocols=_RTSP_PROTOCOLS, formats="rtsp")
    return Video(address, side, settings.timeout_s, Orientation.of(settings))


def _http(url: str, settings: CameraSettings, side: int) -> Video | StillPictures:
    """One picture after the other: those of a stream, or each asked for."""
    connection = HttpConnection(url, settings.timeout_s)
    try:
        answer = connection.ask()
        if is_still(answer):
            return StillPictures(connection, answer, settings, side)
        several = answer.headers.get_content_type() == "multipart/x-mixed-replace"
        stream = HttpStream(connection, answer)
        address = MediaAddress(stream, "mpjpeg" if several else None, _NO_RATE, protocols="none")
        return Video(address, side, settings.timeout_s, Orientation.of(settings))
    except BaseException:
        connection.close()
        raise


def password_is_elsewhere(url: str) -> bool:
    """Whether the password of an address is the service's credential, and this is not it."""
    parts = urlsplit(url)
    named = parts.scheme.lower() in SCHEMES and parts.username and parts.password is None
    return bool(named) and not os.environ.get("CREDENTIALS_DIRECTORY")


def _with_password(url: str) -> str:
    """Put the service's credential ``camera-password`` into an address with a name alone.

    systemd.exec(5), LoadCredential=: so it stands in no configuration and no process list.
    """
    parts = urlsplit(url)
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not parts.username or parts.password is not None or not folder:
        return url
    try:
        password = Path(folder, "camera-password").read_text(encoding="utf-8").rstrip("\r\n")
    except FileNotFoundError:
        return url
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}:{quote(password, safe='')}@{place}").geturl()


def _advice(error: VideoError, timeout_s: float) -> str:
    reason, unit = masked(str(error)), service_unit()
    if unit and error.errno in _NO_NETWORK:
        return (
            f"{reason}; the service {unit} has no network unless it is given one: "
            "/usr/share/pi-classifier/examples/network.conf says how"
        )
    lower = reason.lower()
    if "401" in reason or "403" in reason:
        return f"{reason}; check the name and password in scheme://name:password@host/path"
    if "404" in reason:
        return f"{reason}; check the path: the camera's manual or its web page names it"
    if "invalid data" in lower or "no pictures" in lower:
        return f"{reason}: its answer is no video; check the path"
    if "time allowed" in lower:
        return (
            f"no picture within {timeout_s:g} s; check that it is switched on and "
            "reachable, or raise camera.timeout_s"
        )
    return f"{reason}; check the address, and that the camera is switched on and reachable"
