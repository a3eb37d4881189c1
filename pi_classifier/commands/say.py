"""`pi-classifier say TEXT`: speak a text as labels are spoken."""

from __future__ import annotations

import argparse
import logging

from pi_classifier.config import read_configuration
from pi_classifier.journal import setup_logging
from pi_classifier.speech.speaker import say


def main(arguments: argparse.Namespace) -> int:
    """Say the text to its end; raises ConfigError, SinkError."""
    configuration = read_configuration(arguments.config, arguments.set)
    setup_logging("debug" if arguments.debug else "warning")
    result = say(" ".join(arguments.text), configuration.settings.speech)
    logging.getLogger(__name__).debug("said in %.1f s", result.duration_s)
    print(f"said {result.text!r} through {result.output}")
    return 0
