"""Progress on standard error: bars, and one display for a whole command of many steps.

The only module importing tqdm.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Self, TextIO, TypeVar

from tqdm import tqdm

from pi_classifier.printable import printable

T = TypeVar("T")

_TERMINAL_EVERY_S = 0.5
# A log that is silent for longer than three seconds looks like a program that hangs.
_LOG_EVERY_S = 2.5
_overall: Overall | None = None


class Progress:
    """A bar with an estimate of the time left; plain lines where there is no terminal.

    Its clock goes on while nothing advances, so that a long step does not look like a
    program that hangs. Without a `total` it shows what is being done and for how long
    already. Under an `Overall` it is a part of that display instead of a bar. `file` is
    where it is shown while stderr is captured.
    """

    def __init__(
        self, title: str, total: int | None, done: int = 0, file: TextIO | None = None
    ) -> None:
        self._overall = _overall
        self._title, self._total, self._done = title, total, done
        if self._overall is not None:
            self._overall.part(title, done, total)
            return
        file = file or sys.stderr
        terminal = file.isatty()
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=title,
            file=file,
            bar_format=None if total is not None else "{desc} ({elapsed}){postfix}",
            mininterval=0.2 if terminal else _LOG_EVERY_S,
            dynamic_ncols=True,
        )
        self._ended = threading.Event()
        every_s = _TERMINAL_EVERY_S if terminal else _LOG_EVERY_S
        threading.Thread(
            target=self._refresh_on, args=(every_s,), name="progress", daemon=True
        ).start()

    def _refresh_on(self, every_s: float) -> None:
        while not self._ended.wait(every_s):
            self._bar.refresh()

    def step(self, count: int = 1, note: str = "") -> None:
        """Advance by `count`, with a short note behind the bar."""
        self._done += count
        if self._overall is not None:
            self._overall.part(self._title, self._done, self._total)
            return
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._overall is None:
            self._ended.set()
            self._bar.close()


class Overall:
    """One display for a command of many steps: what is being done, best so far, time left.

    On a terminal it is one line that changes; elsewhere plain lines, never more than
    three seconds apart. Bars opened while it is shown become parts of it.
    """

    def __init__(self, left_s: Callable[[], float]) -> None:
        self._left_s = left_s
        self._terminal = sys.stderr.isatty()
        self._doing = self._part = self._best = ""
        self._logged: set[str] = set()
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._show_on, name="progress", daemon=True)

    def doing(self, what: str) -> None:
        """Say what begins now."""
        self._doing, self._part = what, ""
        self._show()

    def part(self, title: str, done: int, total: int | None) -> None:
        """Say how far the step at hand is."""
        self._part = f"{title} {100 * done // total} %" if total else title

    def best(self, text: str) -> None:
        """Say what is the best so far."""
        self._best = text

    def say(self, line: str) -> None:
        """Print a line that stays."""
        with self._lock:
            self._clear()
            print(printable(line), file=sys.stderr, flush=True)
        if self._terminal:
            self._show()

    def log(self, line: str) -> None:
        """Print a line of the log that stays: once, however many steps have it to say."""
        if line not in self._logged:
            self._logged.add(line)
            self.say(line)

    def line(self) -> str:
        """The display's line, without an end."""
        left_s = round(self._left_s())
        clock = f"{_minutes(left_s)} left" if left_s >= 0 else f"{_minutes(-left_s)} over time"
        parts = [clock, self._doing, self._part]
        if self._best:
            parts.append(f"best so far {self._best}")
        return " · ".join(part for part in parts if part)

    def _show_on(self) -> None:
        while not self._ended.wait(_TERMINAL_EVERY_S if self._terminal else _LOG_EVERY_S):
            self._show()

    def _show(self) -> None:
        if self._ended.is_set():
            return
        with self._lock:
            if self._terminal:
                width = shutil.get_terminal_size().columns - 1
                print("\r\033[K" + self.line()[:width], end="", file=sys.stderr, flush=True)
            else:
                print(self.line(), file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        global _overall  # noqa: PLW0603  bars know nothing of the command they are part of
        _overall = self
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        global _overall  # noqa: PLW0603
        _overall = None
        self._ended.set()
        self._thread.join()
        self._clear()


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes the log to a stream; while an `Overall` is shown, as lines of its own above it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        if _overall is None:
            super().emit(record)
        else:
            _overall.log(self.format(record))


def _minutes(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"


def with_progress(title: str, items: Sequence[T]) -> Iterable[T]:
    """Iterate over `items` under a progress bar."""
    with Progress(title, len(items)) as progress:
        for item in items:
            yield item
            progress.step()


@contextlib.contextmanager
def working(title: str, file: TextIO | None = None) -> Iterator[None]:
    """Say what is being done while there is nothing to count, and for how long already."""
    with Progress(title, None, file=file):
        yield
