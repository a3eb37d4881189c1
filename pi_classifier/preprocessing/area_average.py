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

import math
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
# Rows are fetched in chunks, to leave out what a crop cuts off; smaller ones cost more than that.
_SMALLEST_CHUNK = 96


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


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Output rows made together.

    `chunks` of the source picture go to `fetched`, of which `addends` has one row for each tap
    and output row; `sums` are theirs. From the windows' sums those at `picked` go to `result`.
    """

    chunks: Indices
    fetched: Pixels
    addends: list[Pixels]
    sums: NDArray[np.uint16]
    picked: Indices
    result: NDArray[np.uint16]


class AreaAverage:
    """Shrinks RGB pictures of one size to one other size.

    Works on a block of output rows at a time, all of whose sums fit into a small processor's
    cache. Holds its working memory, about 2 MB for 640x480 to 224x224: one instance serves
    one thread.
    """

    def __init__(self, source: tuple[int, int], target: tuple[int, int], box: Box) -> None:
        left, top, right, bottom = box
        height, width = target
        rows = windows(top, (bottom - top) / height, source[0], height)
        self._columns = windows(left, (right - left) / width, source[1], width)
        twice, once, down = _taps(rows)
        self._last_double = len(twice) - 1
        across = self._columns.halves // (2 if self._columns.whole else 1)
        # The sum of a whole window may not fit into 16 bits: then rows are divided first, and
        # the result is rounded once more.
        two_steps = down * across > _MOST_ADDENDS
        self._first_divisor = np.uint16(down if two_steps else 1)
        self._divisor = np.uint16(across if two_steps else across * down)
        self._rounding = np.uint16(self._divisor // 2)
        self._lay_out(np.stack(twice + once), source[1], box)

    def _lay_out(self, taps: Indices, source_width: int, box: Box) -> None:
        """Cut the work into blocks and reserve the memory for one.

        `taps` has the source rows of each output row, ``[taps, height]``.
        """
        columns, (count, height) = self._columns, taps.shape
        left, right, chunk = _fetched(columns, source_width, box)
        self._chunk, line = 3 * chunk, 3 * (right - left)
        # A byte for each tap; two for each sum of a row, of runs short and long, of both windows.
        blocks = math.ceil(height * line * (count + 5 * 2) / _CACHE_BYTES)
        most = math.ceil(height / blocks)
        length = most * line
        # Windows at the very end reach beyond it, but for results that nobody picks.
        self._sums = np.zeros(length + 3 * (columns.halves // 2 + 1), np.uint16)
        self._short, self._long = np.zeros((2, length), np.uint16)
        self._windows = np.zeros((2, length), np.uint16)
        starts = 3 * (columns.first - left) + columns.odd * length
        down = (np.arange(most) * line)[:, None, None]
        picked = (down + starts[None, :, None] + np.arange(3)).reshape(-1)
        result = np.empty(picked.size, np.uint16)
        fetched = np.empty(count * length, np.uint8)
        parts = np.arange(left // chunk, right // chunk)
        self._blocks = []
        for top in range(0, height, most):
            rows = taps[:, top : top + most]
            buffer = fetched[: rows.size * line]
            values = rows.shape[1] * len(columns.first) * 3
            block = _Block(
                (rows[:, :, None] * (source_width // chunk) + parts).reshape(-1),
                buffer.reshape(-1, self._chunk),
                list(buffer.reshape(count, -1)),
                self._sums[: rows.shape[1] * line],
                picked[:values],
                result[:values],
            )
            self._blocks.append(block)

    def __call__(self, pixels: Pixels, out: Pixels) -> Pixels:
        """Shrink C-contiguous RGB uint8 ``[h, w, 3]`` into `out` uint8 ``[H, W, 3]``."""
        chunks, written = pixels.reshape(-1, self._chunk), out.reshape(-1)
        begin = 0
        for block in self._blocks:
            self._sum_rows(chunks, block)
            self._sum_columns()
            result = block.result
            self._windows.reshape(-1).take(block.picked, out=result, mode="clip")
            np.add(result, self._rounding, result)
            end = begin + result.size
            np.floor_divide(result, self._divisor, written[begin:end], casting="unsafe")
            begin = end
        return out

    def _sum_rows(self, chunks: Pixels, block: _Block) -> None:
        chunks.take(block.chunks, axis=0, out=block.fetched, mode="clip")
        sums = block.sums
        for count, addend in enumerate(block.addends):
            if count == 0:
                np.copyto(sums, addend)
            else:
                np.add(sums, addend, sums)
            if count == self._last_double:
                np.add(sums, sums, sums)
        if self._first_divisor > 1:
            np.floor_divide(sums, self._first_divisor, sums)

    def _sum_columns(self) -> None:
        """Sum the window that begins at every pixel: contiguous, so cheaper than picking first.

        A window of 2p + h halves is two runs of whole pixels, of p + h from its first pixel and
        of p from there or, where it begins in that pixel's middle, from the next.
        """
        pixels, half = divmod(self._columns.halves, 2)
        # `even` is of windows that begin at a pixel's edge, `odd` of those in its middle.
        even, odd = self._windows
        whole = self._columns.whole
        short = even if whole else self._short
        shifted = [self._sums[3 * k : 3 * k + short.size] for k in range(pixels + half)]
        np.add(shifted[0], shifted[1], short)
        for addend in shifted[2:pixels]:
            np.add(short, addend, short)
        if whole:
            return
        long = np.add(short, shifted[pixels], self._long) if half else short
        np.add(short, long, even)
        np.add(short[3:], long[:-3], odd[:-3])


def _fetched(columns: Windows, source_width: int, box: Box) -> tuple[int, int, int]:
    """From which pixel to which lines are fetched, and in chunks of how many."""
    beyond = columns.halves // 2 + (0 if columns.whole else 1)
    left = min(math.floor(box[0]), int(columns.first.min()))
    right = max(math.ceil(box[2]), int(columns.first.max()) + beyond)
    right = min(source_width, right)
    chunk = math.gcd(left, right, source_width)
    return (
        (left, right, chunk) if 3 * chunk >= _SMALLEST_CHUNK else (0, source_width, source_width)
    )


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
