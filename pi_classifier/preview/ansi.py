"""Views in a terminal: pictures made of characters, the label decided on, bars for the scores.

Two pixels a cell in color, shades of ink without; ECMA-48 and xterm's control sequences.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pi_classifier.preprocessing.area_average import Pixels
from pi_classifier.preview.drawing import draw_outlines
from pi_classifier.preview.latest_view import View
from pi_classifier.printable import printable

_Write = Callable[[int, int], str]
ColorDepth = Literal["24-bit", "256", "none"]

RESET = "\x1b[0m"
_INK = np.array(list(" .:-=+*#%@"))
_UPPER_HALF = "▀"
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"  # alternate screen, no cursor, empty
_LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"
_SCORES = 3
_BAR_CELLS = 20


def supported_colors(environment: Mapping[str, str]) -> ColorDepth:
    """Return what a terminal can show, by its environment variables.

    NO_COLOR is https://no-color.org; COLORTERM is what terminals with 24 bits set.
    """
    term = environment.get("TERM", "")
    if environment.get("NO_COLOR"):
        return "none"
    if environment.get("COLORTERM", "").lower() in {"truecolor", "24bit"} or "direct" in term:
        return "24-bit"
    return "256" if "256color" in term else "none"


def fit_cells(height: int, width: int, rows: int, columns: int) -> tuple[int, int]:
    """Return (rows, columns) of cells, twice as tall as wide, for a picture's shape."""
    scale = min(columns / width, 2 * rows / height)
    return max(1, round(height * scale / 2)), max(1, round(width * scale))


def render(
    pixels: Pixels, rows: int, columns: int, colors: ColorDepth, *, halves: bool
) -> list[str]:
    """Render RGB uint8 ``[h, w, 3]`` as `rows` strings of `columns` visible characters.

    `halves`: the terminal's encoding has half blocks.
    """
    per_row = 2 if halves and colors != "none" else 1
    size = (columns, rows * per_row)
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX, reducing_gap=2))
    if colors == "none":
        gray = small.mean(axis=2)
        levels = np.minimum((gray * len(_INK) / 256).astype(np.intp), len(_INK) - 1)
        return ["".join(row) for row in _INK[levels]]
    codes = _palette(small) if colors == "256" else _steps(small)
    write = _palette_code if colors == "256" else _true_code
    if per_row == 1:
        return [_row(row, row, " ", write) for row in codes]
    pairs = zip(codes[0::2], codes[1::2], strict=True)
    return [_row(upper, lower, _UPPER_HALF, write) for upper, lower in pairs]


def _row(upper: NDArray[np.int32], lower: NDArray[np.int32], cell: str, write: _Write) -> str:
    """One line of cells; a color is written only where it changes, to save bytes."""
    parts: list[str] = []
    ink = paper = -1
    for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
        if cell != " " and above != ink:
            parts.append(write(38, above))
            ink = above
        if below != paper:
            parts.append(write(48, below))
            paper = below
        parts.append(cell)
    parts.append(RESET)
    return "".join(parts)


def _true_code(what: int, code: int) -> str:
    return f"\x1b[{what};2;{code >> 16};{code >> 8 & 255};{code & 255}m"


def _palette_code(what: int, code: int) -> str:
    return f"\x1b[{what};5;{code}m"


def _steps(pixels: Pixels) -> NDArray[np.int32]:
    """24-bit colors in steps of 8: what changes less is noise, and costs bytes to send."""
    codes: NDArray[np.int32] = (pixels & 0xF8 | 4).astype(np.int32) @ np.array(
        (65536, 256, 1), np.int32
    )
    return codes


def _palette(pixels: Pixels) -> NDArray[np.int32]:
    """The nearest of the 216 colors whose levels are 0, 95, 135, 175, 215 and 255."""
    values = pixels.astype(np.int32)
    levels = np.where(values < 48, 0, np.where(values < 115, 1, (values - 35) // 40))
    codes: NDArray[np.int32] = 16 + levels @ np.array((36, 6, 1), np.int32)
    return codes


class TerminalScreen:
    """While entered, the terminal shows views; what it showed before comes back on leaving.

    `fd` is the terminal's descriptor, `caption` the last line. A view is drawn as large as
    the terminal is at that moment; only lines that changed are written.
    """

    def __init__(
        self, fd: int, environment: Mapping[str, str], encoding: str, caption: str
    ) -> None:
        self._fd = fd
        self._encoding = encoding
        self._caption = caption
        self._colors: ColorDepth = supported_colors(environment)
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
        rows, columns = fit_cells(height, width, max(1, size.lines - len(below)), size.columns)
        pixels = view.frame.pixels
        if view.detections:
            picture = Image.fromarray(pixels)
            draw_outlines(picture, view, math.ceil(width / columns))  # one cell wide
            pixels = np.asarray(picture)
        drawn = render(pixels, rows, columns, self._colors, halves=self._halves)
        return (drawn + below)[: size.lines]

    def _below(self, view: View, columns: int) -> list[str]:
        block = "█" if self._halves else "#"
        texts = [f"I see {view.heading}"]
        for category in view.best(_SCORES):
            bar = block * round(_BAR_CELLS * min(1.0, max(0.0, category.score)))
            texts.append(f"{category.score:.2f} {bar:<{_BAR_CELLS}} {category.label}")
        texts += [""] * (1 + _SCORES - len(texts))
        texts.append(self._caption)
        return [printable(text)[:columns] for text in texts]

    def _write(self, text: str) -> None:
        data = text.encode(self._encoding, "replace")
        while data:
            data = data[os.write(self._fd, data) :]


def text_line(view: View) -> str:
    """A view as one line of text, for where there is no terminal."""
    scores = ", ".join(f"{category.label} {category.score:.2f}" for category in view.best(_SCORES))
    seconds = view.frame.timestamp_ns / 1e9
    return f"{seconds:.1f} s: {view.heading} ({scores or 'not classified'})"


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
