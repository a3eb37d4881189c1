"""The terminal as a screen: a picture, the label decided on, and bars for the scores."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Self

from pi_classifier.preview.ansi import Colors, colors_of, fitted, lines
from pi_classifier.preview.latest_view import View

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"  # another screen, no cursor, empty
_LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"
_SCORES = 3
_BAR_CELLS = 20


class Screen:
    """While entered, the terminal shows views; what it showed before comes back on leaving.

    It is drawn as large as the terminal is at that moment; only lines that changed are
    written.
    """

    def __init__(
        self, fd: int, environment: Mapping[str, str], encoding: str, caption: str
    ) -> None:
        self._fd = fd
        self._encoding = encoding
        self._caption = caption
        self._colors: Colors = colors_of(environment)
        self._halves = _can_write("▀█", encoding)
        self._size: os.terminal_size | None = None
        self._shown: list[str] = []

    def __enter__(self) -> Self:
        self._write(_ENTER)
        return self

    def __exit__(self, *_: object) -> None:
        self._write(_LEAVE)

    def show(self, view: View) -> None:
        """Draw a view; raises OSError when the terminal is gone."""
        size = os.get_terminal_size(self._fd)
        parts: list[str] = []
        if size != self._size:
            self._size, self._shown = size, []
            parts.append("\x1b[0m\x1b[2J")
        drawn = self._lines(view, size)
        for row, line in enumerate(drawn):
            if row >= len(self._shown) or self._shown[row] != line:
                parts.append(f"\x1b[{row + 1};1H{line}\x1b[K")
        self._shown = drawn
        self._write("".join(parts))

    def _lines(self, view: View, size: os.terminal_size) -> list[str]:
        below = self._below(view, size.columns)[: max(0, size.lines - 2)]
        height, width, _ = view.frame.pixels.shape
        rows, columns = fitted(height, width, max(1, size.lines - len(below)), size.columns)
        drawn = lines(view.frame.pixels, rows, columns, self._colors, halves=self._halves)
        return (drawn + below)[: size.lines]

    def _below(self, view: View, columns: int) -> list[str]:
        decided = view.decided or "nothing I know"
        block = "█" if self._halves else "#"
        found = [f"I see {decided}"]
        for category in view.prediction.categories[:_SCORES] if view.prediction else ():
            bar = block * round(_BAR_CELLS * min(1.0, max(0.0, category.score)))
            found.append(f"{category.score:.2f} {bar:<{_BAR_CELLS}} {category.label}")
        found += [""] * (1 + _SCORES - len(found))
        found.append(self._caption)
        return [" ".join(text.split("\n"))[:columns] for text in found]

    def _write(self, text: str) -> None:
        data = text.encode(self._encoding, "replace")
        while data:
            data = data[os.write(self._fd, data) :]


def text_line(view: View) -> str:
    """A view as one line of text, for where there is no terminal."""
    scores = view.prediction.categories[:_SCORES] if view.prediction else ()
    told = ", ".join(f"{each.label} {each.score:.2f}" for each in scores) or "not classified"
    return f"{view.frame.timestamp_ns / 1e9:.1f} s: {view.decided or 'nothing I know'} ({told})"


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
