"""All sections of the configuration, each the settings dataclass of the part it configures."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from pi_classifier.cameras import CameraSettings, device_of
from pi_classifier.cameras.regions import RegionSettings
from pi_classifier.config.schema import Key, keys_of
from pi_classifier.decision import SmootherSettings
from pi_classifier.errors import ConfigError
from pi_classifier.gate import GateSettings
from pi_classifier.inference.budget import CascadeSettings
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.inference.tiles import TilesSettings
from pi_classifier.setting import setting, tables
from pi_classifier.sinks.jsonl import JsonlSettings
from pi_classifier.sinks.log import LogSettings
from pi_classifier.sinks.stdout import StdoutSettings
from pi_classifier.speech.settings import SpeechSettings


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How long it runs (without limits until it is stopped), and how much it logs."""

    frames: int | None = setting(None, "end after so many frames", minimum=1)
    duration_s: float | None = setting(
        None, "end after so many seconds of frames", minimum=0.0, option="--duration", metavar="S"
    )
    log_level: str = setting(
        "info",
        "how much is logged: info on change, debug every frame",
        choices=("debug", "info", "warning", "error"),
    )
    state_dir: str = setting(
        "",
        "the folder that only one copy of the program may use at a time; as a service the one "
        "that systemd gives it (STATE_DIRECTORY), otherwise none",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All sections of the configuration."""

    camera: CameraSettings = field(default_factory=CameraSettings)
    cameras: tuple[CameraSettings, ...] = tables(
        "Several cameras looked through at once, each with a name; `--camera NAME` takes one.",
        like="camera",
    )
    regions: tuple[RegionSettings, ...] = tables(
        "Parts of the picture by name, each looked at as if it were a camera of its own.", like=""
    )
    gate: GateSettings = field(default_factory=GateSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    cascade: CascadeSettings = field(default_factory=CascadeSettings)
    tiles: TilesSettings = field(default_factory=TilesSettings)
    decision: SmootherSettings = field(default_factory=SmootherSettings)
    stdout: StdoutSettings = field(default_factory=StdoutSettings)
    log: LogSettings = field(default_factory=LogSettings)
    jsonl: JsonlSettings = field(default_factory=JsonlSettings)
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        names: dict[str, str] = {}
        for camera in self.cameras:
            device = device_of(camera)
            other = names.setdefault(device, camera.name) if device else camera.name
            if other != camera.name:
                raise ConfigError(
                    f"[[cameras]] {camera.name}: source = {camera.shown_source!r} is the camera "
                    f"of {other}, and one at a time can look through it; name another one "
                    "('pi-classifier cameras' lists them), or parts of its picture in [[regions]]"
                )

    @property
    def watched(self) -> tuple[CameraSettings, ...]:
        """The cameras that are looked through: those with names, else the one."""
        return self.cameras or (self.camera,)

    @property
    def slowest(self) -> CameraSettings:
        """The camera whose frames may keep one waiting longest."""
        return max(self.watched, key=lambda camera: camera.timeout_s + 1 / camera.fps)


@dataclass(frozen=True, slots=True)
class Array:
    """An array of tables, ``[[name]]``: its settings, and the section that each is like."""

    name: str
    settings: type
    keys: Mapping[str, Key]
    like: str
    doc: str


_HINTS = typing.get_type_hints(Settings)
ARRAYS: Mapping[str, Array] = {
    field.name: Array(
        field.name,
        settings := typing.get_args(_HINTS[field.name])[0],
        keys_of(field.name, settings),
        field.metadata["like"],
        field.metadata["tables"],
    )
    for field in fields(Settings)
    if "tables" in field.metadata
}
SECTIONS: Mapping[str, type] = {name: hint for name, hint in _HINTS.items() if name not in ARRAYS}
KEYS: Mapping[str, Mapping[str, Key]] = {
    section: keys_of(section, settings) for section, settings in SECTIONS.items()
}
