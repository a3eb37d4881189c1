"""systemd: its journal and its notify socket. The only module that imports systemd-python.

systemd-python sends while it holds the interpreter's lock, so whatever it waits for, every
thread waits for: with a journal that hangs, or is only slow with a worn memory card, no frame
would be classified. It is therefore called only where it is known not to wait
(`_Journal._takes_at_once`); where it would, and where it is not installed, entries go as
datagrams of the documented, stable native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL)
through a socket of our own, which waits without the lock. sd_notify(3) is one such datagram.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import select
import socket
import termios
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pi_classifier.errors import ConfigError, SinkError

_logger = logging.getLogger(__name__)

# Sends (message, fields) to the journal as one entry; raises SinkError.
Send = Callable[[str, Mapping[str, str]], None]

# Priority 6 is LOG_INFO of syslog(3).
_EVERY_ENTRY = {"SYSLOG_IDENTIFIER": "pi-classifier", "PRIORITY": "6"}
_JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
_SEND_TIMEOUT_S = 5.0
_SHORT = 1000
# proc_pid_cgroup(5): "0::/system.slice/ssh.service", and below user@1000.service a user's own.
_SYSTEM_SERVICE = re.compile(r"(?!.*/user@).*?/([^/]+\.service)(?:/.*)?")
# A datagram occupies its sender's buffer until it is read, with what the kernel adds to it.
# libsystemd's own buffer has 212,992 bytes at least (net.core.wmem_default).
_MOST_UNREAD = 65_536
_KERNEL_OVERHEAD = 2048


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
    """A function that sends structured entries to the journal; for one thread.

    It raises `SinkError` while there is no journal or none that reads, and works again
    when there is. It waits some seconds for a busy journal, so call it where waiting does
    no harm. Raises `SinkError` when no journal runs now.
    """
    if not path.exists():
        raise SinkError(f"no journal: there is no socket {path}; is systemd-journald running?")
    # libsystemd knows one journal only
    return _Journal(path, _systemd_python() if path == _JOURNAL_SOCKET else None).send


def _systemd_python() -> Callable[..., None] | None:
    """`sendv` of systemd-python, which passes entries of any size; None where it is missing."""
    try:
        from systemd.journal import sendv
    except ImportError:
        return None
    sender: Callable[..., None] = sendv
    return sender


class _Journal:
    """The journal's socket, written to by systemd-python or with datagrams of our own."""

    def __init__(self, path: Path, sendv: Callable[..., None] | None) -> None:
        self._path = str(path)
        self._sendv = sendv
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._link.settimeout(_SEND_TIMEOUT_S)
        weakref.finalize(self, self._link.close).atexit = False  # the log goes on until the exit
        self._room = select.poll()
        self._room.register(self._link, select.POLLOUT)
        self._unread = 0  # what systemd-python sent and the journal may not have read, in bytes

    def send(self, message: str, fields: Mapping[str, str]) -> None:
        entry = {"MESSAGE": message, **_EVERY_ENTRY, **fields}
        try:
            # every time: a journal that was started again has another socket of the same name
            self._link.connect(self._path)
            if self._sendv is None or not self._send_by(self._sendv, entry):
                self._send_datagram(entry)
        except OSError as error:
            raise SinkError(f"the journal did not take an entry: {error}") from error

    def _send_by(self, sendv: Callable[..., None], entry: Mapping[str, str]) -> bool:
        pairs = [
            f"{name}={value}".encode(errors="backslashreplace") for name, value in entry.items()
        ]
        size = sum(map(len, pairs)) + _KERNEL_OVERHEAD
        if not self._takes_at_once(size):
            return False
        self._unread += size
        try:
            sendv(*pairs)
        except OSError:
            return False
        return True

    def _takes_at_once(self, size: int) -> bool:
        """Whether libsystemd can send `size` bytes now without waiting.

        It would wait for two things. The first is the journal's queue of datagrams, which
        the system fills together: whether it is full, a poll tells, but only of a socket
        that is connected to it. The second is the buffer of libsystemd's own socket, which
        nobody can ask: it holds what the journal has not read yet. So what was sent since
        the last proof that all was read is kept far below it, and the proof is that a
        datagram of ours was read: the journal reads them in order.
        """
        if self._unread and self._unread + size > _MOST_UNREAD:
            return False
        own_unread = int.from_bytes(fcntl.ioctl(self._link, termios.TIOCOUTQ, bytes(4)), "little")
        return own_unread == 0 and bool(self._room.poll(0))

    def _send_datagram(self, entry: Mapping[str, str]) -> None:
        try:
            self._link.send(datagram(entry))
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            self._link.send(datagram({k: v[:_SHORT] for k, v in entry.items()}))
        self._unread = 0  # once this one is read, all before it are


def datagram(entry: Mapping[str, str]) -> bytes:
    """An entry in the journal's native protocol."""
    data = bytearray()
    for name, value in entry.items():
        text = value.encode(errors="backslashreplace")
        data += name.encode()
        if b"\n" in text:
            data += b"\n" + len(text).to_bytes(8, "little") + text + b"\n"
        else:
            data += b"=" + text + b"\n"
    return bytes(data)


def notifier() -> Callable[[str], None]:
    """A function that tells systemd the state of the service: sd_notify(3), such as READY=1.

    Without ``NOTIFY_SOCKET``, so outside a service of ``Type=notify``, it does nothing.
    It never raises: a state that systemd did not take within some seconds is lost.
    Not `systemd.daemon.notify`, which waits for systemd with the interpreter's lock held.
    Raises `ConfigError` for a socket of a kind it does not know.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return lambda _state: None
    if address[0] not in "/@":
        raise ConfigError(f"NOTIFY_SOCKET={address!r}: expected a path or @ and a name")
    target = "\0" + address[1:] if address[0] == "@" else address
    reached = True

    def notify(state: str) -> None:
        nonlocal reached
        try:
            _send(state.encode(errors="backslashreplace"), target)
        except OSError as error:
            if reached:
                _logger.warning("cannot notify systemd of the state of this service: %s", error)
            reached = False
        else:
            reached = True

    return notify


def _send(data: bytes, address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
        link.settimeout(_SEND_TIMEOUT_S)
        # Only a connected socket can wait for room; another one tries again and again.
        link.connect(address)
        link.send(data)


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
