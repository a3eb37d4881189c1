"""The journal's and systemd's sockets, against sockets of the test's own."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_classifier.errors import ConfigError, SinkError
from pi_classifier.systemd import journal_sender, notifier, under_journal, watchdog_s

needs_systemd = pytest.mark.skipif(
    importlib.util.find_spec("systemd") is None,
    reason="SKIPPED: systemd-python is not installed (extra: journal)",
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


def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "systemd", None)
    with pytest.raises(SinkError, match="apt install python3-systemd"):
        journal_sender(tmp_path)


@needs_systemd
def test_a_socket_that_goes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.touch()
    send = journal_sender(path)
    path.unlink()
    with pytest.raises(SinkError, match="has gone"):
        send("hello", {})


def test_outside_a_service_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setitem(sys.modules, "systemd", None)
    notifier()("READY=1")


@needs_systemd
def test_systemd_is_told(systemd: socket.socket) -> None:
    notify = notifier()
    notify("READY=1")
    notify("STATUS=I see a daisy (0.93) · 10.0 frames/s\nWATCHDOG=1")
    assert systemd.recv(4096) == b"READY=1"
    assert systemd.recv(4096).decode() == "STATUS=I see a daisy (0.93) · 10.0 frames/s\nWATCHDOG=1"


@needs_systemd
def test_a_systemd_that_does_not_listen_is_said_once(
    systemd: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    notify = notifier()
    systemd.close()
    notify("WATCHDOG=1")
    notify("WATCHDOG=1")
    assert len(caplog.records) == 1
    assert "does not hear this service" in caplog.text


def test_a_service_without_the_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    monkeypatch.setitem(sys.modules, "systemd", None)
    with pytest.raises(ConfigError, match="apt install python3-systemd"):
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
