"""SIGTERM and SIGINT ask the program to end, a second one makes it; SIGHUP to reload.

A signal handler runs between any two bytecodes of the main thread, so it must not
take a lock: `threading.Event.set` there deadlocks when the main thread is inside
the same event's `wait`. Here the C level writes the signal's number into a socket
(`signal.set_wakeup_fd`), and a watcher thread, free to take locks, reads it.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)

_CLOSE = b"\0"  # no signal has the number 0


def _exit_now(signum: int) -> None:
    """End the process at once, as a shell reports a death by that signal."""
    os._exit(128 + signum)


class StopOnSignal:
    """While entered, the first signal calls `stop` from its own thread, the second forces.

    With `reloads`, SIGHUP calls `reload` from there as well; without, it does what it
    always does: ends a program whose terminal was closed. What is to be called may be
    set later (`on_stop`, `on_reload`); a signal that came before is not lost.
    Enter it in the main thread. On leaving, the handlers found are put back.
    """

    def __init__(self, force: Callable[[int], None] = _exit_now, *, reloads: bool = False) -> None:
        self._force = force
        self._caught = (*SIGNALS, signal.SIGHUP) if reloads else SIGNALS
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._received: int | None = None
        self._reload: Callable[[], None] | None = None
        self._reload_asked = False

    @property
    def received(self) -> int | None:
        """The first signal that came, or None."""
        return self._received

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call `stop` when the first signal comes, or now if it already has."""
        with self._lock:
            self._stop = stop
            late = self._received is not None
        if late:
            stop()

    def on_reload(self, reload: Callable[[], None]) -> None:
        """Call `reload` whenever SIGHUP comes, and now if it already has."""
        with self._lock:
            self._reload = reload
            late, self._reload_asked = self._reload_asked, False
        if late:
            reload()

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        # First the descriptor: a signal between the two would be caught and not be heard of.
        self._previous_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._previous = {signum: signal.signal(signum, _note) for signum in self._caught}
        self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._previous_fd)
        for signum, previous in self._previous.items():
            signal.signal(signum, previous)
        self._writer.setblocking(True)
        self._writer.send(_CLOSE)
        self._thread.join()
        self._reader.close()
        self._writer.close()

    def _watch(self) -> None:
        while True:
            for signum in self._reader.recv(64):
                if signum == 0:
                    return
                if signum in SIGNALS:
                    self._take(signum)
                elif signum in self._caught:
                    self._take_reload()

    def _take(self, signum: int) -> None:
        with self._lock:
            first = self._received is None
            if first:
                self._received = signum
            stop = self._stop
        if not first:
            self._force(signum)
        elif stop is not None:
            stop()

    def _take_reload(self) -> None:
        with self._lock:
            reload = self._reload
            self._reload_asked = reload is None
        if reload is not None:
            reload()


def _note(signum: int, frame: FrameType | None) -> None:
    """Do nothing: Python only writes to the wakeup descriptor for handled signals."""
    del signum, frame
