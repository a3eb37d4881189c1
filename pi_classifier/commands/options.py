"""The options through which commands are configured: which there are, and what they say."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pi_classifier.cameras.settings import OF_ORIENTATION, OF_PI_CAMERAS, CameraSettings
from pi_classifier.commands.parser import Parser
from pi_classifier.config.options import add_options, flag_of, given_options, read_options
from pi_classifier.config.reading import DEFAULT, Configuration, Layer, read_configuration
from pi_classifier.config.schema import NONE
from pi_classifier.config.settings import KEYS, SECTIONS, Settings
from pi_classifier.errors import ConfigError
from pi_classifier.setting import setting

Shared = Mapping[str, Sequence[str]]
"""By section, the settings that are options of a command, too."""

MODEL: Shared = {"model": ("path", "labels", "mean", "std")}
SOURCE: Shared = {"camera": ("source",)}
CAMERA: Shared = {"camera": ("source", "seed", "realtime"), "run": ("frames", "duration_s")}

# What is configured for the configured model does not hold for another one.
_OF_ONE_MODEL = {"labels": NONE, "mean": NONE, "std": NONE, "scores": "auto"}
# How the configured camera hangs, and what it can do, says nothing of another one, or of photos.
_OF_ONE_CAMERA = ("name", *OF_ORIENTATION, *OF_PI_CAMERAS)
# The layer of the option that names a camera.
_NAMED = "--camera"


@dataclass(frozen=True, slots=True)
class ConfigurationOptions:
    """What every command takes that reads the configuration."""

    config: Path | None = setting(None, "a configuration file to read as well", metavar="FILE")
    set: tuple[str, ...] = setting(
        (),
        "one setting, such as decision.patience=5; see `pi-classifier config`",
        metavar="SECTION.KEY=VALUE",
    )


def add_setting_options(command: Parser, *shared: Shared) -> None:
    """Add ``--config``, ``--set`` and the options that stand for settings to a command."""
    add_options(command, ConfigurationOptions)
    for section, names in _sections(shared):
        add_options(command, SECTIONS[section], names, configured=True)


def effective(
    arguments: argparse.Namespace, *shared: Shared, defaults: Sequence[Layer] = ()
) -> Configuration:
    """The configuration with what the command line says; raises ConfigError.

    `defaults` are what the command itself wants where its options say nothing else. A camera
    that is named is another than the configured one, and not turned or cut as that one is; but
    the name of one of several that are configured means that one.
    """
    given = read_options(arguments, ConfigurationOptions)
    layers = [*defaults, *_layers(arguments, shared)]
    configuration = read_configuration(given.config, given.set, layers)
    if configuration.sources["camera.source"] != _NAMED:
        return configuration
    name = configuration.settings.camera.source
    configured = read_configuration(
        given.config, given.set, [layer for layer in layers if layer.source != _NAMED]
    )
    if any(camera.name == name for camera in configured.settings.cameras):
        return _looking_through(configured, name)
    settings = configuration.settings
    another = name != configured.settings.camera.source
    unset = _of_another_camera(configuration) if another else {}
    camera = replace(settings.camera, **unset)
    sources = {f"camera.{setting}": _NAMED for setting in unset}
    return Configuration(
        replace(settings, camera=camera, cameras=()), {**configuration.sources, **sources}
    )


def of_one_camera(settings: Settings) -> Settings:
    """The settings of a command that looks through one camera; ConfigError for several."""
    if len(settings.cameras) > 1:
        names = ", ".join(camera.name for camera in settings.cameras)
        raise ConfigError(
            f"several cameras are configured ({names}), and this command looks through one: "
            "choose it with --camera NAME"
        )
    return replace(settings, camera=next(iter(settings.cameras), settings.camera), cameras=())


def _looking_through(configuration: Configuration, name: str) -> Configuration:
    """The configuration with one of its cameras alone."""
    settings, sources = configuration.settings, dict(configuration.sources)
    camera = next(camera for camera in settings.cameras if camera.name == name)
    for key in KEYS["camera"]:
        own = sources[f"cameras.{name}.{key}"]
        if own != "[camera]":
            sources[f"camera.{key}"] = own
    return Configuration(replace(settings, camera=camera, cameras=()), sources)


def _of_another_camera(configuration: Configuration) -> dict[str, Any]:
    """What a file says of the configured camera, undone where an option names another."""
    usual = CameraSettings()
    return {
        name: getattr(usual, name)
        for name in _OF_ONE_CAMERA
        if configuration.sources[f"camera.{name}"] not in (DEFAULT, "--set")
    }


def _layers(arguments: argparse.Namespace, shared: Sequence[Shared]) -> Iterator[Layer]:
    """What the options say, one layer each, so that an error names the option.

    A model that is named is another than the configured one, whose labels and
    normalization do not hold for it: they are unset unless given as well, in either way.
    """
    also_set = {text.partition("=")[0].strip() for text in arguments.set or ()}
    for section, names in _sections(shared):
        given = given_options(arguments, SECTIONS[section], names)
        if section == "model" and "path" in given:
            unset = {k: v for k, v in _OF_ONE_MODEL.items() if f"model.{k}" not in also_set}
            yield Layer("--model", {"model": unset})
        for name, value in given.items():
            yield Layer(flag_of(KEYS[section][name]), {section: {name: value}})


def _sections(shared: Sequence[Shared]) -> Iterator[tuple[str, Sequence[str]]]:
    for sections in shared:
        yield from sections.items()
