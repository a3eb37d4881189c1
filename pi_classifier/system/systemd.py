"""systemd: its journal and its notify socket.

Both take datagrams of a documented, stable form (systemd.io/JOURNAL_NATIVE_PROTOCOL,
sd_notify(3)). They are written here and not with systemd-python because that sends
while it holds the interpreter's lock: with a journal that hangs, or is only slow with
a worn memory card, no frame would be classified either. Sockets of Python wait without it.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pi_classifier.errors import ConfigError, SinkError

_logger = logging.getLogger(__name__)

# Sends (message, fields) to the journal as one entry; raises SinkError.
Send = Callable[[str, Mapping[str, str]], None]

# Priority 6 is LOG_INFO of syslog(3).
_EVERY_ENTRY = {"SYSLOG_IDENTIFIER": "pi-classifier", "PRIORITY": "6"}
_JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
_PATIENCE_S = 5.0
_SHORT = 1000
# proc_pid_cgroup(5): "0::/system.slice/ssh.service", and below user@1000.service a user's own.
_SYSTEM_SERVICE = re.compile(r"(?!.*/user@).*?/([^/]+\.service)(?:/.*)?")


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


def journal_sender(path: Path = _JOURNAL_SOCKET) -> Send:
    """A function that sends structured entries to the journal.

    It raises `SinkError` while there is no journal or none that reads, and works again
    when there is: it holds no connection. It waits some seconds for a busy journal, so
    call it where waiting does no harm. Raises `SinkError` when no journal runs now.
    """
    if not path.exists():
        raise SinkError(f"no journal: there is no socket {path}; is systemd-journald running?")

    def send(message: str, fields: Mapping[str, str]) -> None:
        entry = {"MESSAGE": message, **_EVERY_ENTRY, **fields}
        try:
            try:
                _send(datagram(entry), str(path))
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                _send(datagram({k: v[:_SHORT] for k, v in entry.items()}), str(path))
        except OSError as error:
            raise SinkError(f"the journal did not take an entry: {error}") from error

    return send


def datagram(entry: Mapping[str, str]) -> bytes:
    """An entry in the journal's native protocol."""
    found = bytearray()
    for name, value in entry.items():
        data = value.encode(errors="backslashreplace")
        found += name.encode()
        if b"\n" in data:
            found += b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
        else:
            found += b"=" + data + b"\n"
    return bytes(found)


def notifier() -> Callable[[str], None]:
    """A function that tells systemd the state of the service: sd_notify(3), such as READY=1.

    Without ``NOTIFY_SOCKET``, so outside a service of ``Type=notify``, it does nothing.
    It never raises: a state that systemd did not take within some seconds is lost.
    Raises `ConfigError` for a socket of a kind it does not know.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return lambda _state: None
    if address[0] not in "/@":
        raise ConfigError(f"NOTIFY_SOCKET={address!r}: expected a path or @ and a name")
    target = "\0" + address[1:] if address[0] == "@" else address
    heard = True

    def notify(state: str) -> None:
        nonlocal heard
        try:
            _send(state.encode(errors="backslashreplace"), target)
        except OSError as error:
            if heard:
                _logger.warning("systemd does not hear this service: %s", error)
            heard = False
        else:
            heard = True

    return notify


def _send(data: bytes, address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
        link.settimeout(_PATIENCE_S)
        link.sendto(data, address)


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


def service_unit(process: int | None = None) -> str:
    """The systemd service a process belongs to, such as ``pi-classifier.service``.

    This process without a number. "" outside a service, and in a user's own session,
    whose programs have the user's groups.
    """
    cgroup = Path(f"/proc/{'self' if process is None else process}/cgroup")
    try:
        lines = cgroup.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return unit_of(lines)


def unit_of(cgroup_lines: Iterable[str]) -> str:
    """The system service in the lines of a /proc/PID/cgroup, or ""."""
    for line in cgroup_lines:
        name = _SYSTEM_SERVICE.fullmatch(line.rpartition(":")[2])
        if name is not None:
            return name[1]
    return ""
