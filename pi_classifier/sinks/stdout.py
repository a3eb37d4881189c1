"""Labels on standard output: one line each, plain or JSON."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.errors import SinkError
from pi_classifier.printable import printable
from pi_classifier.setting import setting
from pi_classifier.sinks.json_line import decision_line
from pi_classifier.sinks.queued_sink import QueuedSink, Writer
from pi_classifier.types import Decision

# Lines that wait: only a reader that has stopped reading makes it so many.
_CAPACITY = 4096


@dataclass(frozen=True, slots=True)
class StdoutSettings:
    """What is printed."""

    enabled: bool = setting(True, "print decisions on standard output")
    json: bool = setting(False, "print each decision as a JSON object instead of its label")


def stdout_sink(
    settings: StdoutSettings, *, fd: int = 1, on_closed: Callable[[], None] = lambda: None
) -> QueuedSink[bytes]:
    """The sink that prints labels; `on_closed` is called once when nobody reads them any more."""
    return QueuedSink(
        "stdout", StdoutWriter(settings, fd=fd, on_closed=on_closed), capacity=_CAPACITY
    )


class StdoutWriter(Writer[bytes]):
    """Writes each decision to a file descriptor as one line, at once.

    Plain lines hold the label, after the name of a camera that has one ("garden: daisy"); of
    several that are announced together one each, and a decision that announces none prints
    none. JSON lines hold every decision. When the reader goes away
    (``| head``) the writer calls `on_closed` from the sink's thread, once; from then on every
    write fails.
    """

    def __init__(
        self, settings: StdoutSettings, *, fd: int, on_closed: Callable[[], None]
    ) -> None:
        self._json = settings.json
        self._fd = fd
        self._on_closed = on_closed
        self._reader_gone = False
        self._rest = b""

    def item(self, decision: Decision) -> bytes | None:
        """The decision's line or lines."""
        if self._json:
            return decision_line(decision, time.time_ns())
        lines = (plain_line(label, decision.camera) for label in decision.announced)
        return b"".join(lines) or None

    def write(self, line: bytes) -> None:
        """Write a line to its end; a second attempt goes on where the first one failed."""
        if self._reader_gone:
            raise SinkError("the program that reads standard output has closed it")
        # A line that a full disk cut short is finished, not begun anew.
        self._rest = self._rest or line
        try:
            # Not through sys.stdout: a thread stuck in its lock would make the exit abort.
            while self._rest:
                self._rest = self._rest[os.write(self._fd, self._rest) :]
        except BrokenPipeError as error:
            self._give_up()
            raise SinkError(
                "the program that reads standard output has closed it: stopping"
            ) from error
        except OSError as error:
            raise SinkError(f"cannot write to standard output: {error.strerror}") from error

    def _give_up(self) -> None:
        self._reader_gone = True
        # Whatever else is printed until the exit must not fail as well.
        with Path(os.devnull).open("wb") as devnull:
            os.dup2(devnull.fileno(), self._fd)
        self._on_closed()


def plain_line(label: str, camera: str = "") -> bytes:
    """The label as one line of UTF-8, newline included."""
    return printable(f"{camera}: {label}" if camera else label).encode() + b"\n"
