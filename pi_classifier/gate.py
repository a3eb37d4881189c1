"""Gates: which frames are worth classifying."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pi_classifier.errors import ConfigError
from pi_classifier.setting import setting
from pi_classifier.types import Frame, Gate

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_SAMPLES_ALONG = 96  # about so many sampled pixels along the shorter side
_BLOCK_SIDE = 8  # of them to a block: a twelfth of the shorter side, and noise eight times smaller
_LUMA_WEIGHTS = 4  # red + 2 × green + blue, a cheap stand-in for Rec. 601 luma
# In this time what stays becomes background: while all is still, and after a motion.
_MEMORY_S, _SETTLING_S = 2.0, 0.1
_NOISE_MEMORY_S = 20.0
# What is farther off than this many mean deviations is a thing, and teaches no more of noise.
_NOISE_LIMIT, _LEAST_NOISE = 3.0, 0.1
# At few frames a second the smoother still needs several in a row.
_HELD_FRAMES = 5
# Of normally distributed noise 6 mean deviations are 4.8 standard ones: a false alarm in minutes.
_NOISE_FACTOR = 6.0
# A change of so much always counts: what comes to one place again and again is no noise.
_MOST_NOISE = 30.0
# What the smallest flower that a model knows again covers; noise takes one at a time.
_FEWEST_BLOCKS = 2
# Added before levels are divided: in the dark a gray level is no change of light.
_DARK = 16.0

Part = tuple[float, float, float, float]
"""Left, top, width and height of a part of the picture, as fractions of it."""


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Which frames are classified."""

    kind: str = setting(
        "auto",
        "classify every frame (always), one per interval, or those after something moved "
        "(motion); auto is motion for cameras, and always for what was drawn or recorded",
        choices=("auto", "always", "interval", "motion"),
    )
    interval_ms: float = setting(
        500.0, "interval: classify one frame in so many milliseconds", minimum=0.0
    )
    threshold: float = setting(
        4.0,
        "motion: change of a part of the picture, a twelfth of its shorter side, that counts at "
        "the least, in gray levels; noise there raises it",
        minimum=0.0,
        maximum=255.0,
    )
    ignore: tuple[str, ...] = setting(
        (),
        "motion: parts of the picture not to look at, such as a road or a tree in the wind: "
        'left, top, width, height as fractions of it; "0, 0, 1, 0.25" is the upper quarter',
    )
    hold_s: float = setting(
        2.0, "motion: keep classifying for so long after it, for the smoother to decide",
        minimum=0.0,
    )  # fmt: skip
    max_idle_s: float = setting(
        5.0, "motion: classify at least one frame in so many seconds", minimum=0.0
    )

    def __post_init__(self) -> None:
        parts = [_part(text) for text in self.ignore]
        if not _watched(parts, (100, 100)).any():
            raise ConfigError(
                f"ignore = {list(self.ignore)}: they leave nothing of the picture to look at; "
                "ignore less of it"
            )

    @property
    def ignored_parts(self) -> tuple[Part, ...]:
        """What is not looked at."""
        return tuple(_part(text) for text in self.ignore)


def _part(text: str) -> Part:
    try:
        left, top, width, height = (float(number) for number in text.split(","))
    except ValueError:
        left = top = width = height = math.nan
    inside = left >= 0 and top >= 0 and left + width <= 1.0001 and top + height <= 1.0001
    if not (inside and width > 0 and height > 0):  # not-a-number is not inside either
        raise ConfigError(
            f"ignore: {text!r}: expected left, top, width and height as fractions of the "
            'picture, within it, such as "0, 0, 1, 0.25" for its upper quarter'
        )
    return left, top, width, height


def _watched(ignored: Sequence[Part], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which of so many blocks, down and across, have their center in no ignored part."""
    y, x = ((np.arange(count) + 0.5) / count for count in shape)
    watched = np.ones(shape, np.bool_)
    for left, top, width, height in ignored:
        rows, columns = (y >= top) & (y < top + height), (x >= left) & (x < left + width)
        watched[np.ix_(rows, columns)] = False
    return watched


def open_gate(settings: GateSettings, *, live: bool = False) -> Gate:
    """Make the gate that `settings.kind` names; `live`: the camera looks at the world."""
    if settings.kind == "interval":
        return IntervalGate(settings.interval_ms)
    if settings.kind == "motion" or (settings.kind == "auto" and live):
        return MotionGate(
            settings.threshold, settings.hold_s, settings.max_idle_s, settings.ignored_parts
        )
    return AlwaysOpen()


class AlwaysOpen:
    """Admits every frame."""

    def admits(self, frame: Frame) -> bool:
        """Admit the frame."""
        del frame
        return True


class IntervalGate:
    """Admits one frame per interval of frame time.

    The grid of intervals is kept, not restarted by each frame: a camera whose
    timestamps jitter around the interval still gets its full rate, at the price
    that two frames may be as near as half an interval.
    """

    def __init__(self, interval_ms: float) -> None:
        self._interval_ns = round(interval_ms * _NS_PER_MS)
        self._due_ns: int | None = None

    def admits(self, frame: Frame) -> bool:
        """Whether the interval since the last admitted frame is over."""
        now_ns, due_ns = frame.timestamp_ns, self._due_ns
        # a clock that went back by more than the interval was restarted
        if due_ns is None or due_ns - now_ns > self._interval_ns:
            due_ns = now_ns
        if now_ns < due_ns:
            return False
        interval_ns = self._interval_ns
        missed = now_ns - due_ns >= 1.5 * interval_ns
        earliest_ns = now_ns + (interval_ns if missed else interval_ns // 2)
        self._due_ns = max(due_ns + interval_ns, earliest_ns)
        return True


class MotionGate:
    """Admits frames in which something moves before a still background, and a while after.

    At least one frame in `max_idle_s` is admitted. A frame of another size counts as motion.
    """

    def __init__(
        self, threshold: float, hold_s: float, max_idle_s: float, ignored: Sequence[Part] = ()
    ) -> None:
        self._hold_ns = round(hold_s * _NS_PER_S)
        self._max_idle_ns = round(max_idle_s * _NS_PER_S)
        self._background = Background(threshold, ignored)
        self._held_frames = _HELD_FRAMES if hold_s else 1
        self._to_hold = 0
        self._moved_ns = self._admitted_ns = self._seen_ns = 0

    def admits(self, frame: Frame) -> bool:
        """Whether something moves, moved lately, or nothing was looked at for long."""
        now_ns = frame.timestamp_ns
        elapsed_s = (now_ns - self._seen_ns) / _NS_PER_S
        self._seen_ns = now_ns
        lately = 0 <= now_ns - self._moved_ns < self._hold_ns
        if self._background.differs(frame.pixels, elapsed_s, settling=lately):
            self._moved_ns, self._to_hold = now_ns, self._held_frames
        idle = not 0 <= now_ns - self._admitted_ns < self._max_idle_ns
        if not (lately or self._to_hold or idle):
            return False
        self._to_hold = max(0, self._to_hold - 1)
        self._admitted_ns = now_ns
        return True


class Background:
    """What a still camera sees while nothing moves: of each block its level and its noise.

    Blocks are means of luminance over a grid of single pixels. A block differs when it is off
    its level by more than `threshold` and more than its noise allows. The level is a running
    mean, after Wren et al. 1997 (Pfinder), of blocks in place of pixels; after a motion it soon
    is what is seen then. Noise is the mean deviation from a running mean that does not hurry.
    The light may change slowly, all blocks by the same factor, which the median tells.
    """

    def __init__(self, threshold: float, ignored: Sequence[Part] = ()) -> None:
        self._threshold = threshold
        self._ignored = ignored
        self._shape: tuple[int, ...] = ()

    def differs(
        self, pixels: NDArray[np.uint8], elapsed_s: float, *, settling: bool = False
    ) -> bool:
        """Whether RGB uint8 ``[h, w, 3]``, so long after the one before, is not background.

        `settling`: something moved lately.
        """
        first = pixels.shape != self._shape or elapsed_s < 0
        if pixels.shape != self._shape:
            self._shape = pixels.shape
            self._make_room()
        seen = self._blocks_of(pixels)
        if first:
            self._level, self._mean = seen.copy(), seen
            self._noise = np.full_like(seen, self._threshold / _NOISE_FACTOR / 2)
            return True
        moved = self._light_jumps(seen)
        difference = seen - self._level
        allowed = np.maximum(np.minimum(self._noise * _NOISE_FACTOR, _MOST_NOISE), self._threshold)
        moved |= self._enough(np.abs(difference), allowed)
        memory_s = _SETTLING_S if settling or moved else _MEMORY_S
        self._level += difference * _share(elapsed_s, memory_s)
        self._learn_noise(seen, elapsed_s)
        return moved

    def _light_jumps(self, seen: NDArray[np.float32]) -> bool:
        """Follow a change of light that all blocks share; whether it is too much for a frame."""
        ratios = (seen + _DARK) / (self._level + _DARK)
        light = float(np.partition(ratios, ratios.size // 2)[ratios.size // 2])
        change = abs(light - 1) * (float(self._level.mean()) + _DARK)
        shift = np.float32((light - 1) * _DARK)
        self._level = self._level * np.float32(light) + shift
        self._mean = self._mean * np.float32(light) + shift
        return change >= self._threshold

    def _enough(self, off: NDArray[np.float32], allowed: NDArray[np.float32]) -> bool:
        """Whether blocks are so far off that it is no noise: several, or one by twice as much."""
        several = min(_FEWEST_BLOCKS, off.size)
        count = int(np.count_nonzero(off >= allowed))
        return count >= several or bool((off >= 2 * allowed).any())

    def _learn_noise(self, seen: NDArray[np.float32], elapsed_s: float) -> None:
        difference = seen - self._mean
        self._mean += difference * _share(elapsed_s, _MEMORY_S)
        noise = np.minimum(np.abs(difference), _NOISE_LIMIT * self._noise + _LEAST_NOISE)
        self._noise += (noise - self._noise) * _share(elapsed_s, _NOISE_MEMORY_S)

    def _make_room(self) -> None:
        height, width = self._shape[:2]
        step = max(1, min(height, width) // _SAMPLES_ALONG)
        sampled = [max(1, side // step) for side in (height, width)]
        side = min(_BLOCK_SIDE, *sampled)
        down, across = (count // side for count in sampled)
        self._grid = tuple(
            slice(step // 2, step // 2 + step * side * count, step) for count in (down, across)
        )
        self._luma = np.empty((down * side, across * side), np.int16)
        self._lines = self._luma.reshape(down, side, across * side)
        self._sums = np.empty((down, across * side), np.int32)
        self._per_gray_level = np.float32(_LUMA_WEIGHTS * side * side)
        watched = _watched(self._ignored, (down, across)).reshape(-1)
        # Of a tiny picture every block may be ignored: then all are looked at.
        self._watched = np.flatnonzero(watched if watched.any() else ~watched)

    def _blocks_of(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        grid, luma = pixels[self._grid], self._luma
        np.add(grid[..., 0], grid[..., 2], out=luma, dtype=np.int16)
        np.add(luma, grid[..., 1], out=luma)
        np.add(luma, grid[..., 1], out=luma)
        sums = self._lines.sum(axis=1, dtype=np.int32, out=self._sums)
        blocks = sums.reshape(-1, self._lines.shape[1]).sum(axis=1)
        levels: NDArray[np.float32] = blocks[self._watched] / self._per_gray_level
        return levels.astype(np.float32)


def _share(elapsed_s: float, memory_s: float) -> np.float32:
    """How much of a running mean over `memory_s` what was seen for so long is."""
    return np.float32(-math.expm1(-elapsed_s / memory_s))
