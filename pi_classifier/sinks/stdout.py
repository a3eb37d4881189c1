"""Labels on standard output: one line each, plain or JSON."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.errors import SinkError
from pi_classifier.setting import setting
from pi_classifier.sinks.delivery_queue import CLOSE_S, DeliveryQueue
from pi_classifier.sinks.json_line import decision_record, json_line
from pi_classifier.types import Decision

# Only a reader that has stopped reading makes so many lines wait.
_CAPACITY = 4096


@dataclass(frozen=True, slots=True)
class StdoutSettings:
    """What is printed."""

    enabled: bool = setting(True, "print decisions on standard output")
    json: bool = setting(False, "print each decision as a JSON object instead of its label")


class StdoutSink:
    """Writes each decision to a file descriptor as one line, at once.

    Plain lines hold the label, and a decision for "nothing" prints none; JSON
    lines hold every decision. When the reader goes away (``| head``) the sink
    calls `on_closed` from its own thread, once, and from then on drops all.
    """

    def __init__(
        self,
        settings: StdoutSettings,
        *,
        fd: int = 1,
        on_closed: Callable[[], None] | None = None,
    ) -> None:
        self._json = settings.json
        self._fd = fd
        self._on_closed = on_closed
        self._reader_gone = False
        self._rest = b""
        self._queue = DeliveryQueue("stdout", self._write, capacity=_CAPACITY)

    @property
    def busy(self) -> bool:
        """Whether a line is being written."""
        return self._queue.busy

    @property
    def dropped(self) -> int:
        """How many lines were not written."""
        return self._queue.dropped

    def emit(self, decision: Decision) -> None:
        """Queue the decision's line."""
        if self._reader_gone:
            return
        if self._json:
            self._queue.put(json_line(decision_record(decision)))
        elif decision.label is not None:
            self._queue.put(plain_line(decision.label))

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what waits; a reader that does not read is given `timeout_s`."""
        self._queue.close(timeout_s)

    def _write(self, line: bytes) -> None:
        if self._reader_gone:
            raise SinkError("the program reading the labels has ended")
        # A line that a full disk cut short is finished, not begun anew.
        self._rest = self._rest or line
        try:
            # Not through sys.stdout: a thread stuck in its lock would make the exit abort.
            while self._rest:
                self._rest = self._rest[os.write(self._fd, self._rest) :]
        except BrokenPipeError as error:
            self._give_up()
            raise SinkError(
                "the program reading the labels has ended, so this one ends"
            ) from error
        except OSError as error:
            raise SinkError(f"cannot write to standard output: {error.strerror}") from error

    def _give_up(self) -> None:
        self._reader_gone = True
        # Whatever else is printed until the exit must not fail as well.
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self._fd)
        if self._on_closed is not None:
            self._on_closed()


def plain_line(label: str) -> bytes:
    """The label as one line of UTF-8, newline included."""
    return " ".join(label.splitlines()).encode("utf-8", "backslashreplace") + b"\n"
