"""Antialiased shrinking by area averages, in a few hundred microseconds.

Every output pixel is the mean of a window of source pixels about one output pixel
wide. Windows consist of whole pixels where that makes none of them wider, narrower or
off its place by more than a tenth of an output pixel, otherwise of half pixels. Only
whole-array additions of 16-bit integers are used, so the result is the same on every
processor. Pillow's exact filters (BOX, BILINEAR) differ from it by about as much as
from each other and take five to ten times as long: they unpack RGB to four bytes a
pixel and weigh each pixel by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Indices = NDArray[np.intp]
Box = tuple[float, float, float, float]

SMALLEST_SCALE = 2.0
LARGEST_SCALE = 100.0
_WORST_OFFSET = 0.1
# Sums are 16 bits wide: 256 addends of 255 and the rounding half still fit.
_MOST_ADDENDS = 256
# The second-level cache of a Raspberry Pi Zero 2 W.
_CACHE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Where along one axis the window of each output pixel lies.

    A window spans `halves` half pixels; it begins with pixel `first`, with only
    the second half of it where `odd`.
    """

    first: Indices
    odd: NDArray[np.bool_]
    halves: int

    @property
    def whole(self) -> bool:
        """Whether no window begins or ends inside a pixel."""
        return self.halves % 2 == 0 and not bool(self.odd.any())


def windows(start: float, scale: float, source: int, target: int) -> Windows:
    """Lay `target` windows of about `scale` source pixels from `start` on."""
    centers = start + (np.arange(target) + 0.5) * scale
    width = round(scale)
    first, error = _lay(centers, width, source)
    if max(error, abs(width - scale)) <= _WORST_OFFSET * scale:
        return Windows(first, np.zeros(target, np.bool_), 2 * width)
    halves = round(2 * scale)
    first, _ = _lay(2 * centers, halves, 2 * source)
    return Windows(first // 2, first % 2 == 1, halves)


def _lay(centers: NDArray[np.floating], width: int, source: int) -> tuple[Indices, float]:
    ideal = centers - width / 2
    first = np.clip(np.rint(ideal), 0, source - width)
    return first.astype(np.intp), float(np.abs(first - ideal).max())


class AreaAverage:
    """Shrinks RGB pictures of one size to one other size.

    Holds its working memory, about 3 MB for 640x480 to 224x224: one instance
    serves one thread.
    """

    def __init__(self, source: tuple[int, int], target: tuple[int, int], box: Box) -> None:
        left, top, right, bottom = box
        height, width = target
        rows = windows(top, (bottom - top) / height, source[0], height)
        columns = windows(left, (right - left) / width, source[1], width)
        self._columns = columns
        twice, once, down = _taps(rows)
        self._last_double = len(twice) - 1
        across = columns.halves // (2 if columns.whole else 1)
        # The sum of a whole window may not fit into 16 bits: then rows are divided first, and
        # the result is rounded once more.
        two_steps = down * across > _MOST_ADDENDS
        self._first_divisor = np.uint16(down if two_steps else 1)
        self._divisor = np.uint16(across if two_steps else across * down)
        self._rounding = np.uint16(self._divisor // 2)
        self._allocate(source, target)
        self._lay_out_rows(np.stack(twice + once, axis=1), 3 * source[1])

    def _allocate(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        columns, pixels_wide = self._columns, self._columns.halves // 2
        left = int(columns.first.min())
        right = min(source[1], int(columns.first.max()) + pixels_wide + 1)
        self._part = slice(3 * left, 3 * right)
        line = 3 * (right - left)
        # One pixel more than the rows need: a window of whole pixels at the very
        # end names the pixel after it, with weight 0.
        self._sums = np.zeros(target[0] * line + 3, np.uint16)
        self._rows = self._sums[:-3].reshape(target[0], line)
        length = self._sums.size - 3 * pixels_wide
        self._across = np.zeros((2, length), np.uint16)
        starts = 3 * (columns.first - left) + columns.odd * length
        down = (np.arange(target[0]) * line)[:, None, None]
        self._picked = (down + starts[None, :, None] + np.arange(3)).reshape(-1)
        self._result = np.empty(self._picked.size, np.uint16)

    def _lay_out_rows(self, taps: Indices, line: int) -> None:
        """Cut the work into blocks whose source rows fit into a small processor's cache.

        `taps` has the source rows of each output row, ``[height, taps]``; fetched in
        their order in memory, they come twice as fast as tap by tap.
        """
        height, count = taps.shape
        block = min(height, max(1, _CACHE_BYTES // (count * line)))
        fetched = np.empty((block, count, line), np.uint8)
        self._blocks = []
        for top in range(0, height, block):
            part = taps[top : top + block]
            buffer = fetched[: len(part)]
            addends = [buffer[:, k, self._part] for k in range(count)]
            sums = self._rows[top : top + block]
            self._blocks.append((part.reshape(-1), buffer.reshape(-1, line), addends, sums))

    def __call__(self, pixels: Pixels, out: Pixels) -> Pixels:
        """Shrink C-contiguous RGB uint8 ``[h, w, 3]`` into `out` uint8 ``[H, W, 3]``."""
        self._average_rows(pixels.reshape(pixels.shape[0], -1))
        self._average_columns()
        result = self._result
        self._across.reshape(-1).take(self._picked, out=result, mode="clip")
        np.add(result, self._rounding, out=result)
        np.floor_divide(result, self._divisor, out=out.reshape(-1), casting="unsafe")
        return out

    def _average_rows(self, lines: Pixels) -> None:
        for indices, fetched, addends, sums in self._blocks:
            lines.take(indices, axis=0, out=fetched, mode="clip")
            for count, addend in enumerate(addends):
                if count == 0:
                    np.copyto(sums, addend)
                else:
                    np.add(sums, addend, out=sums)
                if count == self._last_double:
                    np.add(sums, sums, out=sums)
        if self._first_divisor > 1:
            np.floor_divide(self._rows, self._first_divisor, out=self._rows)

    def _average_columns(self) -> None:
        """Sum the window that begins at every pixel: contiguous, so cheaper than picking first."""
        # `even` is of windows that begin at a pixel's edge, `odd` of those that begin in its
        # middle; what counts how often is as in `_taps`.
        even, odd = self._across
        pixels_wide, half = divmod(self._columns.halves, 2)
        whole = self._columns.whole
        shifted = [self._sums[3 * k : 3 * k + even.size] for k in range(pixels_wide)]
        inner = shifted if whole else shifted[1:]
        np.copyto(even, inner[0])
        for addend in inner[1:]:
            np.add(even, addend, out=even)
        if whole:
            return
        beyond = self._sums[3 * pixels_wide :]
        np.add(even, even, out=even)  # the inner pixels, twice
        np.add(even, shifted[0], out=even)
        if half:
            np.add(even, beyond, out=even)
        np.add(even, beyond, out=odd)
        np.add(even, shifted[0], out=even)


def _taps(rows: Windows) -> tuple[list[Indices], list[Indices], int]:
    """Return the rows to count twice, those to count once, and the sum of the counts.

    Counts are in half pixels. Of a window of 2p + h halves (h is 0 or 1) that begins with
    pixel f, the pixels f+1 … f+p−1 lie wholly inside and count twice. One that begins at
    f's edge has all of f too (2) and h halves of f+p; one that begins in its middle has
    half of f (1) and 1 + h halves of f+p. So f counts once for both, what the two differ
    in is a row chosen for each window, and f+p counts once more where h is 1.
    """
    pixels, half = divmod(rows.halves, 2)
    first, beyond = rows.first, rows.first + pixels
    if rows.whole:
        return [], [first + k for k in range(pixels)], pixels
    once = [first, np.where(rows.odd, beyond, first)] + ([beyond] if half else [])
    return [first + k for k in range(1, pixels)], once, rows.halves
