"""The program's own log: into the journal with fields, or as lines on stderr.

Whoever logs never waits: `LogHandler` formats a record and hands it to the log's one queue
(`LogQueue`), whose thread writes it. So neither a journal that hangs nor a terminal, pipe or
file that takes nothing can stop a frame.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeAlias

from pi_classifier.errors import (
    EXIT_SYSTEM,
    CameraError,
    ConfigError,
    InferenceError,
    ModelError,
    PiClassifierError,
    SinkError,
    StateFolderTaken,
)
from pi_classifier.logs.events import Event, EventFields, entry
from pi_classifier.logs.log_queue import Entry, LogQueue, Write
from pi_classifier.logs.rate_limit import LogRateLimit, Repeats
from pi_classifier.printable import printable, printable_lines
from pi_classifier.system.stdio import StderrWriter
from pi_classifier.system.systemd import Send, journal_sender, under_journal

_logger = logging.getLogger(__name__)

# Nobody reads further, and a journal on an SD card is small.
_LONGEST_MESSAGE = 32_768
# Data rather than messages: whoever counts daisies wants every one.
_NEVER_HELD_BACK = (Event.DECISION, Event.REPEATED)
# The first that fits; what is left is wrong in the configuration, or with the system.
_ENDS: dict[type[Exception], Event] = {
    CameraError: Event.CAMERA_GIVEN_UP,
    InferenceError: Event.INFERENCE_FAILED,
    ModelError: Event.MODEL_REFUSED,
    StateFolderTaken: Event.STATE_TAKEN,
    PiClassifierError: Event.CONFIG_REFUSED,
    Exception: Event.SYSTEM_REFUSED,
}


_Held: TypeAlias = tuple[logging.LogRecord, str]
"""A record that was held back, and its message: its arguments may change meanwhile."""


class LineFormatter(logging.Formatter):
    """Messages that neither steer a terminal nor look like several, whatever they quote."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


class JournalFormatter(LineFormatter):
    """Lines with the priority prefix of sd-daemon(3); the journal adds the time itself."""

    def format(self, record: logging.LogRecord) -> str:
        return _prefixed(super().format(record), _syslog_priority(record.levelno))


def _prefixed(text: str, priority: int | str) -> str:
    return "\n".join(f"<{priority}>{line}" for line in text.splitlines())


def _syslog_priority(level: int) -> int:
    for at_least, priority in ((50, 2), (40, 3), (30, 4), (20, 6)):
        if level >= at_least:
            return priority
    return 7


def journal_fields(record: logging.LogRecord) -> dict[str, str]:
    """The fields of a record's entry, those of `events.entry` among them."""
    fields = {
        "PRIORITY": str(_syslog_priority(record.levelno)),
        "LOGGER": record.name,
        "THREAD": record.threadName or "",
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
    }
    if record.exc_info and record.exc_info[0] is not None:
        fields["EXCEPTION"] = record.exc_info[0].__name__
    event = _event_of(record)
    if event is not None:
        fields["MESSAGE_ID"] = event.value
    own: Mapping[str, object] = getattr(record, "fields", {})
    return fields | {name: printable(str(value)) for name, value in own.items()}


def _event_of(record: logging.LogRecord) -> Event | None:
    event: Event | None = getattr(record, "event", None)
    return event


class LogHandler(logging.Handler):
    """Hands every record to a queue, and never waits.

    What repeats itself passes a few times a minute only; the rest is counted, and logged
    once a minute as a number (`LogRateLimit`). Decisions and DEBUG messages are never held
    back. `write` and `fallback` are those of `LogQueue`; `clock` gives seconds.
    """

    def __init__(
        self,
        write: Write,
        fallback: Callable[[Entry], bool] = lambda _entry: False,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._limit: LogRateLimit[_Held] = LogRateLimit()
        self.queue = LogQueue(
            write, missing=lambda count: self._entry(_missing(count)), fallback=fallback
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            now_s = self._clock()
            for repeats in self._limit.due(now_s):
                self.queue.put(self._entry(_summary(repeats)))
            if (
                record.levelno < logging.INFO
                or _event_of(record) in _NEVER_HELD_BACK
                or self._admits(record, now_s)
            ):
                self.queue.put(self._entry(record))
        except Exception:  # noqa: BLE001  as all of logging does: a message must not end the program
            self.handleError(record)

    def _admits(self, record: logging.LogRecord, now_s: float) -> bool:
        message = _message(record)
        exception = record.exc_info[0] if record.exc_info else None
        name = exception.__name__ if exception else ""
        text = f"{record.levelno} {record.name} {name} {message}"
        return self._limit.admit(text, (record, message), now_s)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        """Log that a log call is wrong; what this replaces would print, and wait."""
        wrong = _record_like(record, "a wrong log call: %r with %d arguments", entry(Event.FAULT))
        wrong.exc_info = sys.exc_info()
        with suppress(Exception):  # a message that cannot even be turned into text
            wrong.args = (str(record.msg), len(record.args or ()))
            self.queue.put(self._entry(wrong))

    def close(self) -> None:
        """Write what waits and what was held back; gives up after `CLOSE_S`."""
        for repeats in self._limit.close():
            self.queue.put(self._entry(_summary(repeats)))
        self.queue.close()
        super().close()

    def _entry(self, record: logging.LogRecord) -> Entry:
        return Entry(self.format(record), journal_fields(record))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  a wrong log call, which `handleError` tells of
        return str(record.msg)


def _summary(repeats: Repeats[_Held]) -> logging.LogRecord:
    last, message = repeats.last
    times = "once more" if repeats.count == 1 else f"{repeats.count} more times"
    within = f" in {repeats.seconds:.0f} s" if repeats.seconds >= 1 else ""
    of = _event_of(last)
    event = entry(Event.REPEATED, REPEATS=repeats.count, REPEATED_ID=of.value if of else "")
    record = _record_like(last, "repeated %s%s: %s", event)
    record.args = (times, within, message)
    return record


def _missing(count: int) -> logging.LogRecord:
    text = "%d log messages are missing here: more came than could be written"
    record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (count,), None)
    vars(record).update(entry(Event.LOG_LOST, LOST=count))
    return record


def _record_like(origin: logging.LogRecord, message: str, event: EventFields) -> logging.LogRecord:
    """A record of another kind from where `origin` comes from."""
    record = logging.LogRecord(
        origin.name, origin.levelno, origin.pathname, origin.lineno, message, (), None
    )
    record.funcName, record.threadName = origin.funcName, origin.threadName
    vars(record).update(event)
    return record


def setup_logging(level: str = "info", *, stderr_fd: int = 2) -> None:
    """Send the program's log to the journal if it runs there, else to stderr with the time.

    `level` is debug, info, warning or error; raises `ConfigError` for another. A second
    call only changes the level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigError(f"log level {level!r}: expected debug, info, warning or error")
    root = logging.getLogger()
    root.setLevel(number)
    if _handler() is not None:
        return
    problem = None
    stderr = StderrWriter(stderr_fd)
    if under_journal():
        try:
            handler = _journal_handler(journal_sender(), stderr)
        except SinkError as error:
            problem = error
            handler = _stderr_handler(JournalFormatter("%(message)s"), stderr)
    else:
        lines = LineFormatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
        handler = _stderr_handler(lines, stderr)
    root.addHandler(handler)
    logging.captureWarnings(capture=True)  # Python's own, which would be printed
    if problem is not None:
        _logger.info("the log has no fields to search by: %s", problem)


def _journal_handler(send: Send, stderr: StderrWriter) -> LogHandler:
    handler = LogHandler(
        partial(_send, send),
        lambda entry: stderr.write_at_once(_prefixed(entry.text, entry.fields["PRIORITY"])),
    )
    handler.setFormatter(LineFormatter())
    return handler


def journal_queue(send: Send) -> LogQueue:
    """A queue before the journal, for who does not log through the program's log."""
    return LogQueue(partial(_send, send), missing=_missing_entry)


def _send(send: Send, entry: Entry) -> None:
    send(entry.text[:_LONGEST_MESSAGE], entry.fields)


def _missing_entry(count: int) -> Entry:
    record = _missing(count)
    return Entry(record.getMessage(), journal_fields(record))


def _stderr_handler(formatter: logging.Formatter, stderr: StderrWriter) -> LogHandler:
    handler = LogHandler(
        lambda entry: stderr.write(entry.text), lambda entry: stderr.write_at_once(entry.text)
    )
    handler.setFormatter(formatter)
    return handler


def _handler() -> LogHandler | None:
    handlers = logging.getLogger().handlers
    return next((handler for handler in handlers if isinstance(handler, LogHandler)), None)


def log_queue() -> LogQueue | None:
    """The queue of the program's log; None where `setup_logging` was not called."""
    handler = _handler()
    return None if handler is None else handler.queue


def dropped() -> int:
    """How many messages are missing from the log: more came than could be written."""
    queue = log_queue()
    return 0 if queue is None else queue.dropped


def print_to_stderr(text: str) -> None:
    """Print on stderr after what was logged before; does not wait where the log is set up."""
    queue = log_queue()
    if queue is None:
        print(text, file=sys.stderr, flush=True)
    else:
        queue.put(Entry(text, {"PRIORITY": "6"}))


def log_end(error: Exception, message: str = "") -> int:
    """Log what ends the program, as an event of its own kind; returns the exit code for it.

    For a program under the journal; sets up the log if that has not been done.
    """
    if _handler() is None:
        setup_logging()
    code = error.exit_code if isinstance(error, PiClassifierError) else EXIT_SYSTEM
    event = next(event for kind, event in _ENDS.items() if isinstance(error, kind))
    if not message and isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    _logger.critical("%s", message or error, extra=entry(event, EXIT_CODE=code))
    return code
