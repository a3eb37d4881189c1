"""The program's own log, and whether a journal is there."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator

import pytest

from pi_classifier.errors import ConfigError
from pi_classifier.journal import setup_logging


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def journal_stream(fd: int) -> str:
    status = os.fstat(fd)
    return f"{status.st_dev}:{status.st_ino}"


def test_lines_have_a_time_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    setup_logging("info")
    setup_logging("info")  # replaces, does not double
    logging.getLogger("x").info("hello")
    logging.getLogger("x").debug("quiet")
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO    hello\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (logging.DEBUG, "<7>hello"),
        (logging.INFO, "<6>hello"),
        (logging.WARNING, "<4>hello"),
        (logging.ERROR, "<3>hello"),
        (logging.CRITICAL, "<2>hello"),
    ],
)
def test_lines_have_a_priority_and_no_time_under_the_journal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], level: int, line: str
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", journal_stream(2))
    setup_logging("debug")
    logging.getLogger("x").log(level, "hello\nworld")
    assert capsys.readouterr().err == f"{line}\n{line[:3]}world\n"


def test_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"log level 'loud': expected debug, info"):
        setup_logging("loud")
