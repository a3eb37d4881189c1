"""systemd: its journal and its notify socket. The only module that imports systemd-python."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from pi_classifier.errors import ConfigError, SinkError

_logger = logging.getLogger(__name__)

# Sends (message, fields) to the journal as one entry; raises SinkError.
Send = Callable[[str, Mapping[str, str]], None]

# Priority 6 is LOG_INFO of syslog(3).
_EVERY_ENTRY = {"SYSLOG_IDENTIFIER": "pi-classifier", "PRIORITY": "6"}
_JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
_INSTALL = "sudo apt install python3-systemd (or pip install systemd-python)"


def under_journal() -> bool:
    """Whether stderr goes to the journal, by ``JOURNAL_STREAM`` of systemd.exec(5)."""
    stream = os.environ.get("JOURNAL_STREAM")
    if stream is None:
        return False
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"


def journal_sender(socket: Path = _JOURNAL_SOCKET) -> Send:
    """A function that sends structured entries to the journal.

    It raises `SinkError` while there is no journal, and works again when there is: it
    holds no connection. It waits while the journal is busy, so call it where waiting
    does no harm. Raises `SinkError` when no journal runs now or systemd-python is not
    installed.
    """
    if not socket.exists():
        raise SinkError(f"no journal: there is no socket {socket}; is systemd-journald running?")
    try:
        from systemd import journal
    except ImportError as error:
        raise SinkError(
            f"no journal: Python's systemd module is not installed; install it with: {_INSTALL}"
        ) from error

    def send(message: str, fields: Mapping[str, str]) -> None:
        if not socket.exists():  # libsystemd would drop the entry without a word
            raise SinkError(f"the journal's socket {socket} has gone")
        entry = {"MESSAGE": message, **_EVERY_ENTRY, **fields}
        try:
            journal.sendv(
                *(
                    f"{key}={value}".encode(errors="backslashreplace")
                    for key, value in entry.items()
                )
            )
        except OSError as error:
            raise SinkError(f"the journal did not take an entry: {error.strerror}") from error

    return send


def notifier() -> Callable[[str], None]:
    """A function that tells systemd the state of the service: sd_notify(3), such as READY=1.

    Without ``NOTIFY_SOCKET``, so outside a service of ``Type=notify``, it does nothing.
    It never raises: a state that systemd did not take is lost. Raises `ConfigError` when
    systemd listens but systemd-python is not installed, for then the start would time out.
    """
    if not os.environ.get("NOTIFY_SOCKET"):
        return lambda _state: None
    try:
        from systemd import daemon
    except ImportError as error:
        raise ConfigError(
            "systemd waits to be told that the service is ready (NOTIFY_SOCKET), but Python's "
            f"systemd module is not installed; install it with: {_INSTALL}"
        ) from error
    heard = True

    def notify(state: str) -> None:
        nonlocal heard
        try:
            daemon.notify(state)
        except OSError as error:
            if heard:
                _logger.warning("systemd does not hear this service: %s", error.strerror)
            heard = False
        else:
            heard = True

    return notify


def watchdog_s() -> float | None:
    """How long systemd waits for a sign of life, in seconds; None when it does not watch.

    By ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` of sd_watchdog_enabled(3): the latter says
    whether this process is meant or the one that started it.
    """
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    process = os.environ.get("WATCHDOG_PID")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if process is not None and process != str(os.getpid()):
        return None
    return int(microseconds) / 1e6
