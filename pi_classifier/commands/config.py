"""`pi-classifier config`: the effective configuration, whether it is good, or all settings."""

from __future__ import annotations

import argparse
from contextlib import closing

from pi_classifier.config.reading import Configuration, read_configuration
from pi_classifier.config.text import effective_toml, reference_markdown


def main(arguments: argparse.Namespace) -> int:
    """Print it; raises ConfigError, and with --check whatever a start would."""
    if arguments.reference:
        print(reference_markdown(), end="")
        return 0
    configuration = read_configuration(arguments.config, arguments.set)
    if arguments.check:
        print(_checked(configuration))
    else:
        print(effective_toml(configuration), end="")
    return 0


def _checked(configuration: Configuration) -> str:
    """Try all that can be tried without a camera and without a sound; say what was found."""
    from pi_classifier.cameras import camera_opener
    from pi_classifier.cameras.video.addresses import masked
    from pi_classifier.inference.classifier import frame_size, model_names, open_classifier

    settings = configuration.settings
    with closing(open_classifier(settings.model)) as classifier:
        camera_opener(settings.camera, frame_size(classifier))
        return (
            f"The configuration is good: {model_names(classifier)} knows "
            f"{len(classifier.labels)} labels; camera: {masked(settings.camera.source)}."
        )
