"""Keeps what C++ libraries print on stderr out of the log, without losing any of it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

log = logging.getLogger(__name__)

# LiteRT: "INFO: [file.cc:36] text", continued by lines that begin with "└" or refer to a page;
# abseil: "I0000 00:00:1763800000.000000  123 file.cc:36] text".
_NATIVE = re.compile(
    r"(INFO|WARNING|ERROR|VERBOSE): |└|See instructions: "
    r"|[IWE]\d{4} \d\d:|WARNING: All log messages"
)


_let_through = False


def let_through() -> None:
    """From now on capture nothing: for a process whose stderr is caught as a whole."""
    global _let_through  # noqa: PLW0603
    _let_through = True


class NativeLog:
    """The lines that a library printed while stderr was captured."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @property
    def errors(self) -> str:
        """What the library called errors, as one line."""
        errors = [line for line in self.lines if line.startswith(("ERROR", "E0", "└"))]
        return "; ".join(line.removeprefix("ERROR: ").strip() for line in errors)


@contextlib.contextmanager
def captured_stderr(*, watched: bool = False) -> Iterator[NativeLog]:
    """Catch what is written to file descriptor 2; meant for the loading of libraries.

    Lines in the form of a native log go to this module's logger at DEBUG level; all
    others, of other threads for example, are passed on when the block ends. `watched`: where
    the process ends in the block, by a signal say, all of it is passed on; this costs the
    start of a small process.
    """
    native = NativeLog()
    if _let_through:
        yield native
        return
    try:
        saved = os.dup(2)
    except OSError:  # There is no stderr to keep clean.
        yield native
        return
    with _scratch_file() as scratch, _watched(scratch, saved, watched):
        sys.stderr.flush()
        os.dup2(scratch.fileno(), 2)
        try:
            yield native
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            scratch.seek(0)
            _sort(scratch.read().decode("utf-8", errors="replace"), native)


@contextlib.contextmanager
def _watched(scratch: BinaryIO, stderr: int, wanted: bool) -> Iterator[None]:
    """Have another process write `scratch` to `stderr` where this one ends inside."""
    if not wanted:
        yield
        return
    alive, end = os.pipe()
    script = 'read -r ended || cat "/proc/self/fd/$0" >&2'
    command = ["/bin/sh", "-c", script, str(scratch.fileno())]
    try:
        watcher = subprocess.Popen(
            command, stdin=alive, stderr=stderr, pass_fds=[scratch.fileno()]
        )
    except OSError:  # no shell, or no more processes: what is captured may be lost
        watcher = None
    finally:
        os.close(alive)
    try:
        yield
    finally:
        if watcher is not None:
            os.write(end, b"\n")
            watcher.wait()
        os.close(end)


def _scratch_file() -> BinaryIO:
    # In memory, and a file rather than a pipe: a pipe that nobody reads would block the library.
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    return tempfile.TemporaryFile()


def _sort(text: str, native: NativeLog) -> None:
    for line in text.splitlines():
        if _NATIVE.match(line):
            native.lines.append(line)
            log.debug("%s", line)
        else:
            print(line, file=sys.stderr)


def silence_exit() -> None:
    """Drop what native libraries print while the process ends; call it once, at exit."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
