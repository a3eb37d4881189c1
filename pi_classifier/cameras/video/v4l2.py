"""Webcams as Video4Linux lists them, and the modes they deliver.

The kernel's answers are read with plain ioctls; the structures' sizes and numbers are
those of <linux/videodev2.h>, the same on 32-bit and 64-bit processors.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Ioctl = Callable[[int, int, bytearray], object]

ENUM_FMT, ENUM_FMT_BYTES = 0xC0405602, 64
ENUM_FRAMESIZES, ENUM_FRAMESIZES_BYTES = 0xC02C564A, 44
ENUM_FRAMEINTERVALS, ENUM_FRAMEINTERVALS_BYTES = 0xC034564B, 52
_CAPTURE = 1
_DISCRETE = 1
_MOST = 64  # entries of one list; a driver that never ends its list must not hang the program


@dataclass(frozen=True, slots=True)
class Webcam:
    """One webcam: its name, its device, and the name that stays when others are plugged in."""

    name: str
    device: Path
    stable: Path | None

    @property
    def select(self) -> str:
        """What to write as the camera's source."""
        return f"webcam:{self.stable or self.device}"


@dataclass(frozen=True, slots=True)
class WebcamMode:
    """A format and size a webcam delivers, and the highest frame rate with it (0: unknown).

    `format` is a Video4Linux code such as MJPG, sizes are in pixels.
    """

    format: str
    width: int
    height: int
    fps: float

    def __str__(self) -> str:
        rate = f" at {self.fps:g} frames/s" if self.fps else ""
        return f"{self.width}x{self.height} {self.format}{rate}"


def webcams(sys: Path = Path("/sys/class/video4linux"), dev: Path = Path("/dev")) -> list[Webcam]:
    """Return the USB webcams, in the order of their devices.

    A Pi's own codecs and camera receivers are video devices too, but give no pictures
    by themselves; a webcam's second device carries only data about the pictures.
    """
    listed = []
    for node in sorted(sys.glob("video*"), key=_number):
        if _text(node / "index") == "0" and _is_usb(node):
            device = dev / node.name
            name = _text(node / "name") or node.name
            listed.append(Webcam(name, device, _stable_name(device, dev / "v4l/by-id")))
    return listed


def read_modes(device: Path, ioctl: Ioctl = fcntl.ioctl) -> list[WebcamMode]:
    """Ask the device what it delivers; raises OSError where it cannot be asked."""
    fd = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return [
            WebcamMode(fourcc.decode("ascii", "replace").strip(), width, height, rate)
            for fourcc in _formats(fd, ioctl)
            for width, height in _sizes(fd, ioctl, fourcc)
            for rate in [_highest_rate(fd, ioctl, fourcc, width, height)]
        ]
    finally:
        os.close(fd)


def best_mode(modes: list[WebcamMode], width: int, height: int) -> WebcamMode | None:
    """The mode to use: JPEG before raw, the smallest that covers the size, else the largest."""

    def rank(mode: WebcamMode) -> tuple[bool, bool, int]:
        pixels = mode.width * mode.height
        covers = mode.width >= width and mode.height >= height
        return mode.format != "MJPG", not covers, pixels if covers else -pixels

    return min(modes, key=rank, default=None)


def _answers(fd: int, ioctl: Ioctl, request: int, question: bytearray) -> Iterator[bytearray]:
    """Ask for entry 0, 1, 2 … of a list whose index stands first in the question."""
    for index in range(_MOST):
        answer = bytearray(question)
        struct.pack_into("<I", answer, 0, index)
        try:
            ioctl(fd, request, answer)
        except OSError:
            return
        yield answer


def _formats(fd: int, ioctl: Ioctl) -> Iterator[bytes]:
    question = bytearray(ENUM_FMT_BYTES)
    struct.pack_into("<I", question, 4, _CAPTURE)
    for answer in _answers(fd, ioctl, ENUM_FMT, question):
        yield bytes(answer[44:48])


def _sizes(fd: int, ioctl: Ioctl, fourcc: bytes) -> Iterator[tuple[int, int]]:
    question = bytearray(ENUM_FRAMESIZES_BYTES)
    question[4:8] = fourcc
    for answer in _answers(fd, ioctl, ENUM_FRAMESIZES, question):
        kind, *values = struct.unpack_from("<7I", answer, 8)
        if kind != _DISCRETE:  # a range: width from, to, step; height from, to, step
            yield values[1], values[4]
            return
        yield values[0], values[1]


def _highest_rate(fd: int, ioctl: Ioctl, fourcc: bytes, width: int, height: int) -> float:
    question = bytearray(ENUM_FRAMEINTERVALS_BYTES)
    question[4:8] = fourcc
    struct.pack_into("<II", question, 8, width, height)
    highest = 0.0
    for answer in _answers(fd, ioctl, ENUM_FRAMEINTERVALS, question):
        _, numerator, denominator = struct.unpack_from("<3I", answer, 16)
        if numerator:
            highest = max(highest, denominator / numerator)
    return round(highest, 2)


def _is_usb(node: Path) -> bool:
    subsystem = node / "device/subsystem"
    try:
        return subsystem.resolve(strict=True).name == "usb"
    except OSError:
        return False


def _stable_name(device: Path, folder: Path) -> Path | None:
    wanted = device.resolve()
    try:
        links = sorted(folder.iterdir())
    except OSError:
        return None
    return next((link for link in links if link.resolve() == wanted), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _number(node: Path) -> int:
    digits = node.name.removeprefix("video")
    return int(digits) if digits.isdigit() else 0
