"""Standard streams that can be written to, however the program was started, and by the log."""

from __future__ import annotations

import faulthandler
import functools
import io
import os
import select
import sys
import weakref

from pi_classifier.errors import SinkError

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def ensure_stdio() -> None:
    """Let streams that the caller closed lead nowhere, and any alphabet be written.

    A number that is free would be given to the next file that is opened, and labels
    or logs would be written into that.
    """
    for fd, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is fd
            setattr(sys, name, open(fd, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@functools.cache
def crash_report() -> int:
    """The descriptor for the stacks of all threads, where the process ends with a signal.

    It still leads to stderr while descriptor 2 is redirected to catch what a library prints.
    From the first call on, a crash is reported there.
    """
    descriptor = os.dup(2)
    if not faulthandler.is_enabled():
        faulthandler.enable(file=descriptor)
    return descriptor


def on_one_terminal(out: int = 1, err: int = 2) -> bool:
    """Whether stdout and stderr are the same terminal, where what is on both is seen twice."""
    try:
        return os.isatty(out) and os.path.samestat(os.fstat(out), os.fstat(err))
    except OSError:
        return False


class StderrWriter:
    """Lines on stderr, beside `sys.stderr`, whose lock a thread that waits there would hold.

    It keeps a copy of the file descriptor, which still leads to the log when descriptor 2
    is redirected to catch what a library prints. `fd` is what it copies.
    """

    def __init__(self, fd: int = 2) -> None:
        self._fd = os.dup(fd)
        weakref.finalize(self, os.close, self._fd).atexit = False
        self._room = select.poll()
        self._room.register(self._fd, select.POLLOUT)
        self._rest = b""

    def write(self, text: str) -> None:
        """Write the text as a line, and wait for whoever reads it; for one thread.

        Raises SinkError when nobody can; called again with the same text, it goes on where
        it stopped.
        """
        self._rest = self._rest or _line(text)
        try:
            while self._rest:
                try:
                    self._rest = self._rest[os.write(self._fd, self._rest) :]
                except BlockingIOError:  # another program made the terminal or pipe so
                    self._room.poll()
        except OSError as error:
            raise SinkError(f"cannot write to stderr: {error.strerror}") from error

    def write_at_once(self, text: str) -> bool:
        """Write the text as a line if there is room for it now; returns whether it was."""
        # A pipe that can be written to takes this much without waiting.
        line = _line(text)[: select.PIPE_BUF]
        try:
            return bool(self._room.poll(0)) and os.write(self._fd, line) == len(line)
        except OSError:
            return False


def _line(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace") + b"\n"
