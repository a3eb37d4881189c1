"""The program's own log."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping

import pytest

from pi_classifier.errors import (
    CameraTimeout,
    ConfigError,
    InferenceError,
    ModelFileError,
    SinkError,
    StateFolderTaken,
)
from pi_classifier.logs import handlers
from pi_classifier.logs.events import Event, entry
from pi_classifier.logs.handlers import (
    BoundedLog,
    JournalEntries,
    journal_fields,
    log_end,
    setup_logging,
)


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


LEVELS = [
    (logging.DEBUG, "7"),
    (logging.INFO, "6"),
    (logging.WARNING, "4"),
    (logging.ERROR, "3"),
    (logging.CRITICAL, "2"),
]


@pytest.mark.parametrize(("level", "priority"), LEVELS)
def test_lines_have_a_priority_and_no_time_where_entries_cannot_be_sent(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    level: int,
    priority: str,
) -> None:
    def missing() -> None:
        raise SinkError("no journal: not here")

    monkeypatch.setattr(handlers, "journal_sender", missing)
    monkeypatch.setenv("JOURNAL_STREAM", journal_stream(2))
    setup_logging("debug")
    logging.getLogger("x").log(level, "hello\nworld")
    assert capsys.readouterr().err == (
        "<6>the log has no fields to search by: no journal: not here\n"
        f"<{priority}>hello\n<{priority}>world\n"
    )


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, Mapping[str, str]]]]:
    """What the journal was sent, when the log is closed."""
    entries: list[tuple[str, Mapping[str, str]]] = []
    monkeypatch.setattr(handlers, "journal_sender", lambda: lambda *each: entries.append(each))
    monkeypatch.setenv("JOURNAL_STREAM", journal_stream(2))
    setup_logging("debug")
    yield entries
    close_log()


def close_log() -> None:
    for each in logging.getLogger().handlers:
        if isinstance(each, BoundedLog):
            each.close()


@pytest.mark.parametrize(("level", "priority"), LEVELS)
def test_entries_have_fields(
    sent: list[tuple[str, Mapping[str, str]]], level: int, priority: str
) -> None:
    extra = entry(Event.CAMERA_LOST, CAMERA="pi", TRY=2)
    logging.getLogger("x.y").log(level, "the camera %s", "failed", extra=extra)
    close_log()
    [(message, fields)] = sent
    assert message == "the camera failed"
    assert fields.pop("CODE_LINE").isdecimal()  # type: ignore[attr-defined]
    assert fields == {
        "PRIORITY": priority,
        "LOGGER": "x.y",
        "THREAD": "MainThread",
        "CODE_FILE": __file__,
        "CODE_FUNC": "test_entries_have_fields",
        "MESSAGE_ID": Event.CAMERA_LOST.value,
        "CAMERA": "pi",
        "TRY": "2",
    }


def test_an_exception_is_text_in_the_message(
    sent: list[tuple[str, Mapping[str, str]]],
) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("x").exception("this should not have happened:")
    logging.getLogger("x").info("y" * 100_000)
    close_log()
    (message, fields), (long, _) = sent
    assert message.startswith("this should not have happened:\nTraceback (most recent call last)")
    assert message.endswith("ZeroDivisionError: division by zero")
    assert fields["EXCEPTION"] == "ZeroDivisionError"
    assert len(long) == 32_768


class Collected(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def logger() -> logging.Logger:
    return logging.Logger("x", logging.DEBUG)


def test_repeats_are_said_once_a_minute_with_their_number(logger: logging.Logger) -> None:
    collected, clock = Collected(), Clock()
    bounded = BoundedLog(collected, clock)
    logger.addHandler(bounded)
    for second in range(30):
        clock.now_s = second
        logger.warning("no sound: %s", "busy", extra=entry(Event.SINK_FAILED, SINK="speech"))
    clock.now_s = 61.0
    logger.info("other")
    assert collected.texts == [
        *["no sound: busy"] * 5,
        "said 25 times more in 24 s: no sound: busy",
        "other",
    ]
    summary = collected.records[5]
    assert summary.levelno == logging.WARNING
    fields = journal_fields(summary)
    assert fields["MESSAGE_ID"] == Event.REPEATED.value
    assert fields["REPEATED_ID"] == Event.SINK_FAILED.value
    assert fields["REPEATS"] == "25"
    logger.warning("no sound: busy")
    bounded.close()
    assert collected.texts[7:] == ["said once more: no sound: busy"]


def test_decisions_and_frames_are_never_held_back(logger: logging.Logger) -> None:
    collected = Collected()
    logger.addHandler(BoundedLog(collected, Clock()))
    for _ in range(100):
        logger.info("I see a daisy (0.93)", extra=entry(Event.DECISION, LABEL="daisy"))
        logger.debug("frame")
    assert len(collected.records) == 200


def test_level_logger_and_exception_make_a_difference(logger: logging.Logger) -> None:
    collected = Collected()
    logger.addHandler(BoundedLog(collected, Clock()))
    for _ in range(10):
        logger.warning("x")
        logger.error("x")
        logger.warning("x", exc_info=ValueError())
    assert len(collected.records) == 15


def test_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"log level 'loud': expected debug, info"):
        setup_logging("loud")


def test_a_wrong_log_call_ends_nothing(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    entries: list[str] = []
    target = JournalEntries(lambda text, _: entries.append(text))
    bounded = BoundedLog(target)
    logger.addHandler(bounded)
    logger.info("%d", "no number")
    logger.info("next")
    bounded.close()
    assert entries == ["next"]
    assert "no number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "event", "code"),
    [
        (ConfigError("c"), Event.CONFIG_REFUSED, "78"),
        (ModelFileError("m"), Event.MODEL_REFUSED, "78"),
        (InferenceError("i"), Event.INFERENCE_FAILED, "70"),
        (CameraTimeout("t"), Event.CAMERA_GIVEN_UP, "75"),
        (StateFolderTaken("s"), Event.STATE_TAKEN, "75"),
        (OSError(28, "No space left on device", "/x"), Event.SYSTEM_REFUSED, "74"),
    ],
    ids=str,
)
def test_what_ends_the_program_is_an_event(
    sent: list[tuple[str, Mapping[str, str]]], error: Exception, event: Event, code: str
) -> None:
    assert log_end(error) == int(code)
    close_log()
    [(message, fields)] = sent
    assert message == (str(error) if code != "74" else "/x: No space left on device")
    assert fields["MESSAGE_ID"] == event.value
    assert fields["EXIT_CODE"] == code
    assert fields["PRIORITY"] == "2"
