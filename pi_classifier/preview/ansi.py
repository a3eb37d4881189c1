"""Pictures made of characters: two pixels a cell in color, shades of ink without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pi_classifier.preprocessing.area_average import Pixels

_Write = Callable[[int, int], str]
Colors = Literal["24-bit", "256", "none"]

RESET = "\x1b[0m"
_INK = np.array(list(" .:-=+*#%@"))
_UPPER_HALF = "▀"


def colors_of(environment: Mapping[str, str]) -> Colors:
    """Tell from its environment variables what a terminal can show.

    NO_COLOR is https://no-color.org; COLORTERM is what terminals with 24 bits set.
    """
    term = environment.get("TERM", "")
    if environment.get("NO_COLOR"):
        return "none"
    if environment.get("COLORTERM", "").lower() in {"truecolor", "24bit"} or "direct" in term:
        return "24-bit"
    return "256" if "256color" in term else "none"


def fitted(height: int, width: int, rows: int, columns: int) -> tuple[int, int]:
    """Return (rows, columns) of cells, twice as tall as wide, for a picture's shape."""
    scale = min(columns / width, 2 * rows / height)
    return max(1, round(height * scale / 2)), max(1, round(width * scale))


def lines(pixels: Pixels, rows: int, columns: int, colors: Colors, *, halves: bool) -> list[str]:
    """Render RGB uint8 ``[h, w, 3]`` as `rows` strings of `columns` visible characters.

    `halves` tells whether the terminal's alphabet has half blocks.
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
    """One line of cells; a color is only said when it changes."""
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
