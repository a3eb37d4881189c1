"""`pi-classifier config`: the effective configuration, whether it is good, or all settings."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import dataclass

from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.commands.options import add_setting_options, effective
from pi_classifier.commands.parser import Parser
from pi_classifier.config.options import add_options, read_options
from pi_classifier.config.reading import Configuration
from pi_classifier.config.settings import Settings
from pi_classifier.config.text import effective_toml, reference_markdown
from pi_classifier.errors import KeyOutOfReach
from pi_classifier.setting import setting


@dataclass(frozen=True, slots=True)
class ConfigOptions:
    """The command's own options."""

    check: bool = setting(
        False,
        "only say whether configuration and model are good, exit code 78 if not, and whether "
        "the camera can be opened, 75 if not",
    )
    camera: bool = setting(
        True,
        "open the camera, too",
        option="--no-camera",
        option_doc="with --check, leave the camera alone: for while the service uses it",
    )
    reference: bool = setting(False, "print the reference page of all settings")
    show_secrets: bool = setting(False, "print names and passwords in addresses, too")


def add_arguments(command: Parser) -> None:
    """Add the command's arguments."""
    add_setting_options(command)
    add_options(command, ConfigOptions, exclusive=("check", "reference"))


def main(arguments: argparse.Namespace) -> int:
    """Print it; raises ConfigError, and with --check whatever a start would."""
    options = read_options(arguments, ConfigOptions)
    if options.reference:
        print(reference_markdown(), end="")
        return 0
    configuration = effective(arguments)
    if options.check:
        print(_checked(configuration, open_camera=options.camera))
    else:
        print(effective_toml(configuration, secrets=options.show_secrets), end="")
    return 0


def _checked(configuration: Configuration, *, open_camera: bool) -> str:
    """Try all that can be tried without a sound; say what was found."""
    from pi_classifier.sinks.speech import check_speech

    settings = configuration.settings
    if settings.speech.enabled:
        check_speech(settings.speech)
    size, model = _model(settings)
    said = [_camera(camera, size, open_camera=open_camera) for camera in settings.watched]
    return f"The configuration is good: {model}; {'; '.join(said)}."


def _camera(settings: CameraSettings, size: tuple[int, int] | None, *, open_camera: bool) -> str:
    """What is found of a camera; raises what a start would."""
    from pi_classifier.cameras import camera_opener
    from pi_classifier.service.camera_trial import try_camera

    if open_camera:
        return try_camera(settings, size)
    camera_opener(settings, size)  # what is wrong in its settings is said in any case
    return f"{settings.title}: {settings.shown_source}"


def _model(settings: Settings) -> tuple[tuple[int, int] | None, str]:
    """The size of the model's frames, and what is found of it; raises what a start would."""
    from pi_classifier.inference.classifier import frame_size, model_names
    from pi_classifier.service.build import open_deciding_classifier
    from pi_classifier.service.per_camera import gate_and_smoother

    try:
        with closing(open_deciding_classifier(settings)) as classifier:
            gate_and_smoother(settings, classifier)
            known = f"{model_names(classifier)} knows {len(classifier.labels)} labels"
            return None if settings.regions else frame_size(classifier), known
    except KeyOutOfReach as error:
        return None, f"{settings.model.path} is left to the service to be tried: {error}"
