"""`pi-classifier config`: the effective configuration, or the page of all settings."""

from __future__ import annotations

import argparse

from pi_classifier.config import read_configuration
from pi_classifier.config_text import effective_toml, reference_markdown


def main(arguments: argparse.Namespace) -> int:
    """Print it; raises ConfigError."""
    if arguments.reference:
        print(reference_markdown(), end="")
    else:
        print(effective_toml(read_configuration(arguments.config, arguments.set)), end="")
    return 0
