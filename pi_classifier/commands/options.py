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
from pi_classifier.config.settings import KEYS, SECTIONS
from pi_classifier.setting import setting

Shared = Mapping[str, Sequence[str]]
"""By section, the settings that are options of a command, too."""

MODEL: Shared = {"model": ("path", "labels", "mean", "std")}
SOURCE: Shared = {"camera": ("source",)}
CAMERA: Shared = {"camera": ("source", "seed", "realtime"), "run": ("frames", "duration_s")}

# What is configured for the configured model does not hold for another one.
_OF_ONE_MODEL = {"labels": NONE, "mean": NONE, "std": NONE, "scores": "auto"}
# How the configured camera hangs, and what it can do, says nothing of another one, or of photos.
_OF_ONE_CAMERA = (*OF_ORIENTATION, *OF_PI_CAMERAS)


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
    that is named is another than the configured one, and not turned or cut as that one is.
    """
    given = read_options(arguments, ConfigurationOptions)
    layers = [*defaults, *_layers(arguments, shared)]
    configuration = read_configuration(given.config, given.set, layers)
    unset = _of_another_camera(configuration)
    if not unset:
        return configuration
    configured = read_configuration(given.config, given.set, defaults)
    if configured.settings.camera.source == configuration.settings.camera.source:
        return configuration
    settings = configuration.settings
    camera = replace(settings.camera, **unset)
    sources = {f"camera.{name}": "--camera" for name in unset}
    return Configuration(replace(settings, camera=camera), {**configuration.sources, **sources})


def _of_another_camera(configuration: Configuration) -> dict[str, Any]:
    """What a file says of the configured camera, undone where an option names one."""
    if configuration.sources["camera.source"] != "--camera":
        return {}
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
