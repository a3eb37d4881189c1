"""The journal's and systemd's sockets, against sockets of the test's own."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.errors import ConfigError, SinkError
from pi_classifier.system import systemd as tested
from pi_classifier.system.systemd import (
    datagram,
    journal_sender,
    notifier,
    under_journal,
    watchdog_s,
)


def journal_stream(fd: int) -> str:
    status = os.fstat(fd)
    return f"{status.st_dev}:{status.st_ino}"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What listens at NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_under_the_journal_only_when_stderr_is_the_journals(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    assert not under_journal()
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    assert not under_journal()
    monkeypatch.setenv("JOURNAL_STREAM", journal_stream(2))
    assert under_journal()
    with (tmp_path / "log").open("wb") as elsewhere:
        monkeypatch.setenv("JOURNAL_STREAM", journal_stream(elsewhere.fileno()))
        assert not under_journal()


def test_no_socket_no_journal(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="there is no socket"):
        journal_sender(tmp_path / "socket")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    """What listens where the journal does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "journal"))
        listener.settimeout(10)
        yield listener


def test_an_entry_on_the_wire(journal: socket.socket, tmp_path: Path) -> None:
    send = journal_sender(tmp_path / "journal")
    send("I see a daisy", {"LABEL": "daisy", "PRIORITY": "4"})
    assert journal.recv(65536) == (
        b"MESSAGE=I see a daisy\nSYSLOG_IDENTIFIER=pi-classifier\nPRIORITY=4\nLABEL=daisy\n"
    )
    send("two\nlines", {})
    assert journal.recv(65536).startswith(b"MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\nSYSLOG_")


def fields_of(wire: bytes) -> dict[str, bytes]:
    """Read the journal's protocol, as the journal does."""
    found = {}
    while wire:
        name, _, _ = wire.partition(b"\n")
        if b"=" in name:
            key, _, value = name.partition(b"=")
            wire = wire[len(name) + 1 :]
        else:
            length = int.from_bytes(wire[len(name) + 1 : len(name) + 9], "little")
            key, value = name, wire[len(name) + 9 : len(name) + 9 + length]
            wire = wire[len(name) + 9 + length :]
            assert wire[:1] == b"\n"
            wire = wire[1:]
        found[key.decode()] = value
    return found


@given(
    st.dictionaries(
        st.sampled_from(["MESSAGE", "LABEL", "A1_"]),
        st.text(st.sampled_from(["\n", "=", "a", "é", "\0", "\ud800"])),
    )
)
def test_no_text_breaks_the_wire(entry: dict[str, str]) -> None:
    expected = {key: value.encode(errors="backslashreplace") for key, value in entry.items()}
    assert fields_of(datagram(entry)) == expected


def test_an_entry_too_long_for_a_datagram_is_cut(journal: socket.socket, tmp_path: Path) -> None:
    send = journal_sender(tmp_path / "journal")
    send("x" * 10_000_000, {"LABEL": "daisy"})
    found = fields_of(journal.recv(1 << 20))
    assert found["MESSAGE"] == b"x" * 1000
    assert found["LABEL"] == b"daisy"


def test_a_journal_that_goes_is_noticed_and_found_again(
    journal: socket.socket, tmp_path: Path
) -> None:
    path = tmp_path / "journal"
    send = journal_sender(path)
    send("the first", {})
    journal.close()
    with pytest.raises(SinkError, match="Connection refused"):
        send("nobody listens", {})
    path.unlink()
    with pytest.raises(SinkError, match="No such file"):
        send("nothing there", {})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(str(path))
        again.settimeout(10)
        send("hello", {})
        assert again.recv(4096).startswith(b"MESSAGE=hello\n")


class Library:
    """What libsystemd does: it sends through one socket of its own, and waits for room."""

    def __init__(self, path: Path, buffer: int = 212_992) -> None:
        self._path = str(path)
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer // 2)  # doubled there
        self.calls = self.sent = 0

    def sendv(self, *pairs: bytes) -> None:
        self.calls += 1
        self.sent += sum(map(len, pairs))
        try:
            self._link.sendto(b"\n".join(pairs) + b"\n", socket.MSG_DONTWAIT, self._path)
        except BlockingIOError:
            raise AssertionError("it would wait, with the interpreter's lock held") from None

    def close(self) -> None:
        self._link.close()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = Library(tmp_path / "journal")
    yield library
    library.close()


@pytest.mark.parametrize("length", [1, 1000, 30_000, 45_000, 60_000, 90_000])
@pytest.mark.parametrize("read_first", [0, 1, 7])
def test_systemd_python_is_called_only_when_it_need_not_wait(
    journal: socket.socket,
    library: Library,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    length: int,
    read_first: int,
) -> None:
    """The journal reads a few entries, then nothing, then all: all are there, in order."""
    monkeypatch.setattr(tested, "_SEND_TIMEOUT_S", 0.01)
    sender = tested._Journal(tmp_path / "journal", library.sendv)
    sent = []
    for number in range(200):
        try:
            sender.send(f"{number:09}" + "x" * length, {})
        except SinkError:
            break
        sent.append(number)
        if number < read_first:
            journal.recv(1 << 20)
    assert library.calls
    if not read_first:  # all that it sent is still unread
        assert library.calls == 1 or library.sent < 65_536
    journal.setblocking(False)
    received = [*range(read_first), *numbers_waiting(journal)]
    assert received == sent
    before = library.calls
    sender.send("it reads again", {})
    assert library.calls == before + 1


def numbers_waiting(journal: socket.socket) -> list[int]:
    numbers = []
    while True:
        try:
            numbers.append(int(fields_of(journal.recv(1 << 20))["MESSAGE"][:9]))
        except BlockingIOError:
            return numbers


def test_where_systemd_python_refuses_an_entry_it_goes_as_a_datagram(
    journal: socket.socket, tmp_path: Path
) -> None:
    def refuses(*pairs: bytes) -> None:
        raise OSError(22, "Invalid argument")

    tested._Journal(tmp_path / "journal", refuses).send("hello", {})
    assert journal.recv(4096).startswith(b"MESSAGE=hello\n")


def test_systemd_python_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip(
        "systemd.journal", reason="SKIPPED: needs systemd-python, which scripts/test installs"
    )
    assert tested._systemd_python() is module.sendv
    monkeypatch.setitem(sys.modules, "systemd.journal", None)
    assert tested._systemd_python() is None


@pytest.mark.parametrize("receiver", ["journal", "systemd"])
def test_who_does_not_read_stops_no_other_thread(
    receiver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a full socket must not hold the interpreter's lock, nor be busy."""
    monkeypatch.setattr(tested, "_SEND_TIMEOUT_S", 0.5)
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        begin_s = time.process_time()
        if receiver == "journal":
            send = journal_sender(path)
            with pytest.raises(SinkError, match="timed out"):
                flood(lambda: send("x", {}))
        else:
            notify = notifier()
            monkeypatch.setattr(tested._logger, "warning", _raise)
            with pytest.raises(LookupError, match="timed out"):
                flood(lambda: notify("WATCHDOG=1"))
        assert time.process_time() - begin_s < 0.1


def flood(call: Callable[[], None]) -> None:
    for _ in range(10_000):
        call()


def _raise(text: str, *arguments: object) -> None:
    raise LookupError(text % arguments)


def test_outside_a_service_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier()("READY=1")


def test_systemd_is_told(systemd: socket.socket) -> None:
    notify = notifier()
    notify("READY=1")
    notify("STATUS=I see a daisy (0.93) · 10.0 frames/s\nWATCHDOG=1")
    assert systemd.recv(4096) == b"READY=1"
    assert systemd.recv(4096).decode() == "STATUS=I see a daisy (0.93) · 10.0 frames/s\nWATCHDOG=1"


def test_a_systemd_that_does_not_listen_is_said_once(
    systemd: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    notify = notifier()
    systemd.close()
    notify("WATCHDOG=1")
    notify("WATCHDOG=1")
    assert len(caplog.records) == 1
    assert "cannot notify systemd" in caplog.text


def test_the_abstract_name_that_containers_use(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"pi-classifier-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(10)
        notifier()("READY=1")
        assert listener.recv(4096) == b"READY=1"


def test_another_kind_of_socket_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:2:1234")
    with pytest.raises(ConfigError, match="'vsock:2:1234': expected a path"):
        notifier()


@pytest.mark.parametrize(
    ("microseconds", "process", "seconds"),
    [
        (None, None, None),
        ("30000000", None, 30.0),
        ("1", "own", 1e-6),
        ("30000000", "1", None),
        ("0", "own", None),
        ("", "own", None),
        ("-5", "own", None),
        ("soon", "own", None),
    ],
)
def test_the_watchdog_asked_for(
    monkeypatch: pytest.MonkeyPatch,
    microseconds: str | None,
    process: str | None,
    seconds: float | None,
) -> None:
    for name, value in (("WATCHDOG_USEC", microseconds), ("WATCHDOG_PID", process)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, str(os.getpid()) if value == "own" else value)
    assert watchdog_s() == seconds
