"""The program's own log."""

from __future__ import annotations

import logging
import os
import re
import select
import threading
import warnings
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
    LogHandler,
    dropped,
    log_end,
    log_queue,
    print_to_stderr,
    setup_logging,
)
from pi_classifier.logs.log_queue import Entry

LONG_S = 10.0


def journal_stream(fd: int) -> str:
    status = os.fstat(fd)
    return f"{status.st_dev}:{status.st_ino}"


def test_lines_have_a_time_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    setup_logging("debug")
    setup_logging("info")  # replaces, does not double
    logging.getLogger("x").info("hello")
    logging.getLogger("x").debug("quiet")
    print_to_stderr("as it is")
    close_log()
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO    hello\nas it is\n", capfd.readouterr().err)


def test_warnings_of_python_go_the_same_way(capfd: pytest.CaptureFixture[str]) -> None:
    setup_logging()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("a division by zero", RuntimeWarning, stacklevel=1)
    close_log()
    assert "WARNING" in capfd.readouterr().err


def test_a_stderr_that_nobody_reads_stops_nobody_and_what_is_missing_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    reading, writing = os.pipe()
    setup_logging("debug", stderr_fd=writing)
    logger = logging.getLogger("x")
    for number in range(3000):
        logger.debug("frame %d %s", number, "x" * 100)
    missing = dropped()
    assert 0 < missing <= 2000  # 1000 fit into the queue, whether or not its thread has run
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(lines_until(reading, "read again")))
    reader.start()  # now somebody reads
    queue = log_queue()
    assert queue is not None
    assert queue.flush(LONG_S)
    logger.info("read again")
    reader.join(LONG_S)
    assert not reader.is_alive()
    os.close(reading)
    os.close(writing)
    messages = [line.split(maxsplit=2)[2] for line in lines]
    frames = [int(text.split()[1]) for text in messages if text.startswith("frame ")]
    assert frames == sorted(set(frames))
    assert len(frames) == 3000 - missing
    told = [int(text.split()[0]) for text in messages if "log messages are missing here" in text]
    assert sum(told) == missing
    assert messages[-1] == "read again"
    assert dropped() == missing


def lines_until(fd: int, words: str) -> list[str]:
    """Read lines until the last one has these words, or nothing more comes."""
    text = ""
    while not (text.endswith("\n") and words in text.splitlines()[-1]):
        if not select.select([fd], [], [], LONG_S)[0]:
            break
        text += os.read(fd, 1 << 16).decode()
    return text.splitlines()


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
    capfd: pytest.CaptureFixture[str],
    level: int,
    priority: str,
) -> None:
    def missing() -> None:
        raise SinkError("no journal: not here")

    monkeypatch.setattr(handlers, "journal_sender", missing)
    monkeypatch.setenv("JOURNAL_STREAM", journal_stream(2))
    setup_logging("debug")
    logging.getLogger("x").log(level, "hello\nworld")
    close_log()
    assert capfd.readouterr().err == (
        "<6>the log has no fields to search by: no journal: not here\n"
        f"<{priority}>hello\n<{priority}>  world\n"
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
        if isinstance(each, LogHandler):
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


def test_what_a_message_quotes_forges_no_other(
    sent: list[tuple[str, Mapping[str, str]]],
) -> None:
    hostile = "\x1b[31mdaisy\x1b[0m\n10:00:00 CRITICAL forged\u2028\u202e"
    logging.getLogger("x").info("saw %s", hostile, extra=entry(Event.DECISION, LABEL=hostile))
    close_log()
    ((message, fields),) = sent
    assert message == "saw daisy\n  10:00:00 CRITICAL forged "
    assert fields["LABEL"] == "daisy 10:00:00 CRITICAL forged "


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
    assert message.startswith(
        "this should not have happened:\n  Traceback (most recent call last)"
    )
    assert message.endswith("ZeroDivisionError: division by zero")
    assert fields["EXCEPTION"] == "ZeroDivisionError"
    assert len(long) == 32_768


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Log:
    """A logger with the program's handler before a list."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.entries: list[Entry] = []
        self.handler = LogHandler(self.entries.append, clock=self.clock)
        self.logger = logging.Logger("x", logging.DEBUG)
        self.logger.addHandler(self.handler)

    @property
    def texts(self) -> list[str]:
        self.handler.queue.flush(LONG_S)
        return [each.text for each in self.entries]


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    yield log
    log.handler.close()


def test_repeats_are_logged_once_a_minute_with_their_number(log: Log) -> None:
    for second in range(30):
        log.clock.now_s = second
        log.logger.warning("no sound: %s", "busy", extra=entry(Event.SINK_FAILED, SINK="speech"))
    log.clock.now_s = 61.0
    log.logger.info("other")
    assert log.texts == [
        *["no sound: busy"] * 5,
        "repeated 25 more times in 24 s: no sound: busy",
        "other",
    ]
    fields = log.entries[5].fields
    assert fields["PRIORITY"] == "4"
    assert fields["MESSAGE_ID"] == Event.REPEATED.value
    assert fields["REPEATED_ID"] == Event.SINK_FAILED.value
    assert fields["REPEATS"] == "25"
    log.logger.warning("no sound: busy")
    log.handler.close()
    assert log.texts[7:] == ["repeated once more: no sound: busy"]


def test_decisions_and_frames_are_never_held_back(log: Log) -> None:
    for _ in range(100):
        log.logger.info("I see a daisy (0.93)", extra=entry(Event.DECISION, LABEL="daisy"))
        log.logger.debug("frame")
    assert len(log.texts) == 200


def test_level_logger_and_exception_make_a_difference(log: Log) -> None:
    for _ in range(10):
        log.logger.warning("x")
        log.logger.error("x")
        log.logger.warning("x", exc_info=ValueError())
    assert len(log.texts) == 15


def test_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"log level 'loud': expected debug, info"):
        setup_logging("loud")


def test_a_wrong_log_call_is_logged_and_ends_nothing(log: Log) -> None:
    for _ in range(10):
        log.logger.info("%d", "no number")
    log.logger.info("next")
    *wrong, last = log.texts
    assert last == "next"
    assert len(wrong) == 5
    assert wrong[0].startswith("a wrong log call: '%d' with 1 arguments\nTraceback")
    assert log.entries[0].fields["MESSAGE_ID"] == Event.FAULT.value


def test_what_is_no_text_at_all_ends_nothing(log: Log) -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError

    log.logger.info(Broken())
    log.logger.info("next")
    assert log.texts == ["next"]


def test_arguments_are_those_of_the_call(log: Log) -> None:
    """They may change before the thread writes."""
    labels = ["daisy"]
    for _ in range(6):
        log.logger.info("labels: %s", labels)
    labels.append("rose")
    log.handler.close()
    assert log.texts == [*["labels: ['daisy']"] * 5, "repeated once more: labels: ['daisy']"]


def test_where_the_log_is_not_set_up_a_line_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_to_stderr("error: no")
    assert capsys.readouterr().err == "error: no\n"
    assert dropped() == 0


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
