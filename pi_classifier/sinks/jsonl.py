"""Decisions into a JSON Lines file that is rotated by size."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.errors import SinkError
from pi_classifier.setting import setting
from pi_classifier.sinks.json_line import decision_line
from pi_classifier.sinks.queued_sink import QueuedSink, Writer
from pi_classifier.sinks.retry import Retry
from pi_classifier.system.folders import expanded
from pi_classifier.types import Decision

_TAIL_BYTES = 65536


@dataclass(frozen=True, slots=True)
class JsonlSettings:
    """Which file, and how large it may grow."""

    path: str = setting("", "file that gets one JSON object per decision; empty: none")
    max_bytes: int = setting(
        10_000_000, "size at which the file is renamed FILE.1 and a new one begun", minimum=1000
    )
    backups: int = setting(3, "how many renamed files are kept", minimum=0, maximum=100)


def jsonl_sink(
    settings: JsonlSettings,
    *,
    wall_clock_ns: Callable[[], int] = time.time_ns,
    retry: Retry | None = None,
) -> QueuedSink[bytes]:
    """The sink that appends decisions to a file."""
    return QueuedSink("jsonl", JsonlWriter(settings, wall_clock_ns), retry=retry)


class JsonlWriter(Writer[bytes]):
    """Appends one JSON object per decision, with the wall-clock time in UTC.

    The file is opened for each line, so that it may be moved, removed or
    unplugged at any time. A full or unwritable disk never reaches the frames:
    lines wait in the sink's queue, and are written when the disk works again.
    """

    def __init__(self, settings: JsonlSettings, wall_clock_ns: Callable[[], int]) -> None:
        self._file = RotatingFile(
            expanded(settings.path),
            max_bytes=settings.max_bytes,
            backups=settings.backups,
        )
        self._wall_clock_ns = wall_clock_ns

    def item(self, decision: Decision) -> bytes:
        """The decision's line, stamped with the time of now."""
        return decision_line(decision, self._wall_clock_ns())

    def begin(self) -> None:
        """Create the file: what is wrong with it is reported now, not at the first decision."""
        self._file.append(b"")

    def write(self, line: bytes) -> None:
        """Append a line."""
        self._file.append(line)


class RotatingFile:
    """A file of lines that never exceeds `max_bytes` and is never left with a torn line.

    FILE becomes FILE.1, FILE.1 becomes FILE.2 and so on, by atomic renames; the
    oldest beyond `backups` is removed.
    """

    def __init__(self, path: Path, *, max_bytes: int, backups: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._tail_checked = False

    def append(self, line: bytes) -> None:
        """Write one line, newline included; raises `SinkError`, leaving no part of it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._tail_checked:
                _drop_torn_line(self._path)
                self._tail_checked = True
            size = self._path.stat().st_size if self._path.exists() else 0
            if size and size + len(line) > self._max_bytes:
                self._rotate()
            _append_whole(self._path, line)
        except OSError as error:
            raise SinkError(
                f"cannot write {self._path}: {error.strerror or error}; decisions wait until it "
                "works: check jsonl.path and the disk"
            ) from error

    def _rotate(self) -> None:
        if not self._backups:
            self._path.unlink()
            return
        for number in range(self._backups - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _append_whole(path: Path, line: bytes) -> None:
    # A pipe that nobody reads is an error, and not waited for.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    fd = os.open(path, flags, 0o644)
    try:
        before = os.fstat(fd).st_size
        if os.write(fd, line) != len(line):  # the disk filled up in the middle
            os.ftruncate(fd, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(fd)


def _drop_torn_line(path: Path) -> None:
    """Cut off a last line that a power cut left without its end."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _TAIL_BYTES)
        file.seek(start)
        tail = file.read()
        whole = tail.rfind(b"\n") + 1
        # Without any newline in a long tail this is no file of lines: leave it alone.
        if whole < len(tail) and (whole or start == 0):
            file.truncate(start + whole)
