"""Cameras by name: `open_camera` makes the one that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import CameraUnavailable, ConfigError
from pi_classifier.suggest import suggestion
from pi_classifier.types import Camera

__all__ = ["CameraInfo", "CameraSettings", "list_cameras", "open_camera"]


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
    from pi_classifier.cameras.emulated import EmulatedCamera

    return EmulatedCamera(settings)


def _open_replay(settings: CameraSettings, argument: str) -> Camera:
    from pi_classifier.cameras.replay import ReplayCamera

    return ReplayCamera(argument, settings)


_OPENERS: dict[str, Callable[[CameraSettings, str], Camera]] = {
    "pi": _open_pi,
    "emulated": _open_emulated,
    "replay": _open_replay,
}
