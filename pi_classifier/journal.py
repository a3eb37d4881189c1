"""The program's own log, in the journal or on stderr."""

from __future__ import annotations

import logging
import sys

from pi_classifier.errors import ConfigError
from pi_classifier.systemd import under_journal


class _JournalFormatter(logging.Formatter):
    """Lines with the priority prefix of sd-daemon(3); the journal adds the time itself."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        prefix = f"<{_syslog_priority(record.levelno)}>"
        return "\n".join(prefix + line for line in text.splitlines())


def _syslog_priority(level: int) -> int:
    for at_least, priority in ((50, 2), (40, 3), (30, 4), (20, 6)):
        if level >= at_least:
            return priority
    return 7


def setup_logging(level: str = "info") -> None:
    """Send the program's log to stderr: plain under the journal, with the time elsewhere.

    `level` is debug, info, warning or error; raises `ConfigError` for another.
    A second call replaces what the first set up.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigError(f"log level {level!r}: expected debug, info, warning or error")
    handler = logging.StreamHandler(sys.stderr)
    if under_journal():
        handler.setFormatter(_JournalFormatter("%(message)s"))
    else:
        layout = "%(asctime)s %(levelname)-7s %(message)s"
        handler.setFormatter(logging.Formatter(layout, "%H:%M:%S"))
    root = logging.getLogger()
    for old in root.handlers[:]:
        if getattr(old, "of_pi_classifier", False):
            root.removeHandler(old)
    handler.of_pi_classifier = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(number)
