"""Cameras by name: `open_camera` makes the one that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pi_classifier.cameras.faults import parse_faults
from pi_classifier.cameras.limits import (
    HIGHEST_FPS,
    LARGEST_SIDE,
    LOWEST_FPS,
    SMALLEST_SIDE,
    check_fps,
    check_size,
)
from pi_classifier.errors import CameraUnavailable, ConfigError
from pi_classifier.settings import setting
from pi_classifier.suggest import suggestion
from pi_classifier.types import Camera

__all__ = ["CameraInfo", "CameraSettings", "list_cameras", "open_camera"]


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Which camera, and what it delivers; what a camera has no use for is ignored."""

    source: str = setting("pi", '"pi", "emulated" or "replay:FOLDER"')
    width: int = setting(
        640, "frame width in pixels, even", minimum=SMALLEST_SIDE, maximum=LARGEST_SIDE
    )
    height: int = setting(
        480, "frame height in pixels, even", minimum=SMALLEST_SIDE, maximum=LARGEST_SIDE
    )
    fps: float = setting(10.0, "frames per second", minimum=LOWEST_FPS, maximum=HIGHEST_FPS)
    timeout_s: float = setting(
        5.0, "without a frame for so long, the camera has failed", minimum=0.0
    )
    realtime: bool = setting(
        True, "emulated, replay: deliver at the frame rate, not as fast as possible"
    )
    frames: int | None = setting(None, "emulated, replay: end after so many frames", minimum=1)
    seed: int = setting(
        0, "emulated: what is shown; the same seed gives the same frames", minimum=0
    )
    faults: tuple[str, ...] = setting(
        (), "emulated: faults to order: stall@N, error@N, disappear@N, drop@N:COUNT, dark@N:COUNT"
    )
    hold_s: float = setting(1.0, "replay: each photo is shown for so long", minimum=0.0)
    loop: bool = setting(False, "replay: start again after the last photo")

    def __post_init__(self) -> None:
        check_size(self.width, self.height)
        check_fps(self.fps)
        parse_faults(self.faults)


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """One camera a user can choose: `select` is what to write as the source."""

    name: str
    description: str
    available: bool
    select: str


def list_cameras() -> list[CameraInfo]:
    """Return every camera this release knows, and whether it can be used here."""
    return [
        CameraInfo("pi", "Raspberry Pi camera; no driver in this release yet", False, "pi"),
        CameraInfo("emulated", "drawn garden scenes with known truth", True, "emulated"),
        CameraInfo("replay", "the photos of a folder, one after another", True, "replay:FOLDER"),
    ]


def open_camera(settings: CameraSettings) -> Camera:
    """Open the camera that `settings.source` names.

    Raises ConfigError for an unknown camera or settings it refuses, and
    CameraUnavailable when it is not there.
    """
    name, colon, argument = settings.source.strip().partition(":")
    opener = _OPENERS.get(name)
    if opener is None:
        known = ", ".join(camera.select for camera in list_cameras())
        raise ConfigError(
            f"camera {settings.source!r}: no such camera.{suggestion(name, _OPENERS)} "
            f"Cameras: {known}"
        )
    if colon and name != "replay":
        raise ConfigError(
            f"camera {settings.source!r}: {name} takes nothing after a colon; write {name}"
        )
    if settings.faults and name != "emulated":
        raise ConfigError(
            f"faults {', '.join(settings.faults)}: only the emulated camera fails to order; "
            f"remove them or use it instead of {settings.source!r}"
        )
    return opener(settings, argument)


def _open_pi(settings: CameraSettings, argument: str) -> Camera:
    del settings, argument
    raise CameraUnavailable(
        'camera "pi": this release has no driver for the Raspberry Pi camera yet; '
        'use "emulated" (drawn garden scenes) or "replay:FOLDER" (your own photos) instead'
    )


def _open_emulated(settings: CameraSettings, argument: str) -> Camera:
    del argument
    from pi_classifier.cameras.emulated import EmulatedCamera, EmulatedSettings

    return EmulatedCamera(
        EmulatedSettings(
            width=settings.width,
            height=settings.height,
            fps=settings.fps,
            seed=settings.seed,
            frames=settings.frames,
            realtime=settings.realtime,
            timeout_s=settings.timeout_s,
            faults=settings.faults,
        )
    )


def _open_replay(settings: CameraSettings, argument: str) -> Camera:
    from pi_classifier.cameras.replay import ReplayCamera, ReplaySettings

    return ReplayCamera(
        ReplaySettings(
            folder=argument,
            fps=settings.fps,
            hold_s=settings.hold_s,
            loop=settings.loop,
            frames=settings.frames,
            realtime=settings.realtime,
            min_side=min(settings.width, settings.height),
        )
    )


_OPENERS: dict[str, Callable[[CameraSettings, str], Camera]] = {
    "pi": _open_pi,
    "emulated": _open_emulated,
    "replay": _open_replay,
}
