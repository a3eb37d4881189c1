"""The systemd journal: the only module that imports systemd. And the program's own log."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pi_classifier.errors import ConfigError, SinkError

# Sends (message, fields) to the journal; raises SinkError.
Send = Callable[[str, Mapping[str, str]], None]

_SOCKET = Path("/run/systemd/journal/socket")
_IDENTIFIER = "pi-classifier"
_PRIORITY_INFO = "6"  # syslog(3)


def under_journal() -> bool:
    """Whether stdout or stderr goes to the journal, by ``JOURNAL_STREAM`` of systemd.exec(5)."""
    stream = os.environ.get("JOURNAL_STREAM")
    return stream is not None and stream in (_device_and_inode(1), _device_and_inode(2))


def _device_and_inode(fd: int) -> str | None:
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return f"{status.st_dev}:{status.st_ino}"


def journal_sender(socket: Path = _SOCKET) -> Send:
    """A function that sends structured entries to the journal.

    Raises `SinkError` when no journal runs or systemd-python is not installed.
    """
    if not socket.exists():
        raise SinkError(f"no journal: there is no socket {socket}; is systemd-journald running?")
    try:
        from systemd import journal
    except ImportError as error:
        raise SinkError(
            "no journal: Python's systemd module is not installed; "
            "install it with: sudo apt install python3-systemd (or pip install systemd-python)"
        ) from error

    def send(message: str, fields: Mapping[str, str]) -> None:
        try:
            journal.send(message, PRIORITY=_PRIORITY_INFO, SYSLOG_IDENTIFIER=_IDENTIFIER, **fields)
        except OSError as error:
            raise SinkError(f"the journal did not take an entry: {error.strerror}") from error

    return send


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
