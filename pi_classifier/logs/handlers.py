"""The program's own log: into the journal with fields, or as lines on stderr."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

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
from pi_classifier.logs.events import Event, entry
from pi_classifier.logs.journal_queue import Outbox
from pi_classifier.logs.rate_limit import RepeatLimit, Repeats
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


class JournalFormatter(logging.Formatter):
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


class JournalEntries(logging.Handler):
    """Sends each record as an entry: message, priority, kind of event, fields, code line.

    Never waits: a thread sends. An exception is part of the message, as text.
    """

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._outbox = Outbox(send, _spill)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._outbox.put(self.format(record)[:_LONGEST_MESSAGE], journal_fields(record))
        except Exception:  # noqa: BLE001  as all of logging does: a message must not end the program
            self.handleError(record)

    def close(self) -> None:
        self._outbox.close()
        super().close()


def journal_fields(record: logging.LogRecord) -> dict[str, str]:
    """The fields of a record's entry, those of `events.entry` among them."""
    found = {
        "PRIORITY": str(_syslog_priority(record.levelno)),
        "LOGGER": record.name,
        "THREAD": record.threadName or "",
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
    }
    if record.exc_info and record.exc_info[0] is not None:
        found["EXCEPTION"] = record.exc_info[0].__name__
    event = _event_of(record)
    if event is not None:
        found["MESSAGE_ID"] = event.value
    fields: Mapping[str, object] = getattr(record, "fields", {})
    return found | {name: str(value) for name, value in fields.items()}


def _event_of(record: logging.LogRecord) -> Event | None:
    event: Event | None = getattr(record, "event", None)
    return event


def _spill(message: str, fields: Mapping[str, str]) -> None:
    with suppress(OSError, ValueError):
        print(_prefixed(message, fields.get("PRIORITY", "6")), file=sys.stderr, flush=True)


class BoundedLog(logging.Handler):
    """Passes records on to `target`, but what repeats itself only a few times a minute.

    The rest is counted, and said once a minute (`RepeatLimit`). Decisions and DEBUG
    messages are never held back. `clock` gives seconds.
    """

    def __init__(
        self, target: logging.Handler, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._target = target
        self._clock = clock
        self._limit: RepeatLimit[logging.LogRecord] = RepeatLimit()

    def emit(self, record: logging.LogRecord) -> None:
        now_s = self._clock()
        for repeats in self._limit.due(now_s):
            self._target.emit(_summary(repeats))
        if (
            record.levelno < logging.INFO
            or _event_of(record) in _NEVER_HELD_BACK
            or self._limit.admit(_text(record), record, now_s)
        ):
            self._target.emit(record)

    def close(self) -> None:
        for repeats in self._limit.close():
            self._target.emit(_summary(repeats))
        self._target.close()
        super().close()


def _text(record: logging.LogRecord) -> str:
    """What makes a record the same as another one."""
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001  a wrong log call: the target complains about it
        message = str(record.msg)
    exception = record.exc_info[0] if record.exc_info else None
    return f"{record.levelno} {record.name} {exception and exception.__name__} {message}"


def _summary(repeats: Repeats[logging.LogRecord]) -> logging.LogRecord:
    last = repeats.last
    times = "once more" if repeats.count == 1 else f"{repeats.count} times more"
    within = f" in {repeats.seconds:.0f} s" if repeats.seconds >= 1 else ""
    record = logging.LogRecord(
        last.name, last.levelno, last.pathname, last.lineno, "said %s%s: %s", (), None
    )
    record.args = (times, within, last.getMessage())
    record.funcName, record.threadName = last.funcName, last.threadName
    of = _event_of(last)
    extra = entry(Event.REPEATED, REPEATS=repeats.count, REPEATED_ID=of.value if of else "")
    vars(record).update(extra)
    return record


def setup_logging(level: str = "info") -> None:
    """Send the program's log to the journal if it runs there, else to stderr with the time.

    `level` is debug, info, warning or error; raises `ConfigError` for another.
    A second call replaces what the first set up.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigError(f"log level {level!r}: expected debug, info, warning or error")
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old, BoundedLog):
            root.removeHandler(old)
            old.close()
    root.setLevel(number)
    target, problem = _target()
    root.addHandler(BoundedLog(target))
    if problem is not None:
        _logger.info("the log has no fields to search by: %s", problem)


def log_end(error: Exception, message: str = "") -> int:
    """Log what ends the program, as an event of its own kind; returns the exit code for it.

    For a program under the journal; sets up the log if that has not been done.
    """
    if not any(isinstance(each, BoundedLog) for each in logging.getLogger().handlers):
        setup_logging()
    code = error.exit_code if isinstance(error, PiClassifierError) else EXIT_SYSTEM
    event = next(event for kind, event in _ENDS.items() if isinstance(error, kind))
    if not message and isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    _logger.critical("%s", message or error, extra=entry(event, EXIT_CODE=code))
    return code


def _target() -> tuple[logging.Handler, SinkError | None]:
    """Where the log goes, and why it does not go into the journal with fields."""
    lines = logging.StreamHandler(sys.stderr)
    if not under_journal():
        lines.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
        )
        return lines, None
    try:
        return JournalEntries(journal_sender()), None
    except SinkError as error:
        lines.setFormatter(JournalFormatter("%(message)s"))
        return lines, error
