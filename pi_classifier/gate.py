"""Gates: which frames are worth classifying."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pi_classifier.setting import setting
from pi_classifier.types import Frame, Gate

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_THUMBNAIL_SIDE = 32  # about so many sampled pixels along the shorter side
_LUMA_WEIGHTS = 4  # red + 2 × green + blue, a cheap stand-in for Rec. 601 luma


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Which frames are classified."""

    kind: str = setting(
        "always",
        "classify every frame, one per interval, or those after something moved",
        choices=("always", "interval", "motion"),
    )
    interval_ms: float = setting(
        500.0, "interval: classify one frame in so many milliseconds", minimum=0.0
    )
    threshold: float = setting(
        6.0, "motion: mean change in gray levels that counts", minimum=0.0, maximum=255.0
    )
    hold_s: float = setting(
        2.0, "motion: keep classifying for so long after it, for the smoother to decide",
        minimum=0.0,
    )  # fmt: skip
    max_idle_s: float = setting(
        5.0, "motion: classify at least one frame in so many seconds", minimum=0.0
    )


def open_gate(settings: GateSettings) -> Gate:
    """Make the gate that `settings.kind` names."""
    if settings.kind == "interval":
        return IntervalGate(settings.interval_ms)
    if settings.kind == "motion":
        return MotionGate(settings.threshold, settings.hold_s, settings.max_idle_s)
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
    """Admits frames that differ from the last admitted one, and a while after.

    The difference is the mean absolute change of luminance, in gray levels, over
    a grid of single pixels: cheap, and noise averages out. A frame of another size
    counts as motion. At least one frame in `max_idle_s` is admitted.
    """

    def __init__(self, threshold: float, hold_s: float, max_idle_s: float) -> None:
        self._threshold = threshold
        self._hold_ns = round(hold_s * _NS_PER_S)
        self._max_idle_ns = round(max_idle_s * _NS_PER_S)
        self._shape: tuple[int, ...] = ()
        self._current: NDArray[np.int16] = np.empty((0, 0), np.int16)
        self._admitted = self._difference = self._current
        self._moved_ns = self._admitted_ns = 0

    def admits(self, frame: Frame) -> bool:
        """Whether something moved, moved lately, or nothing was looked at for long."""
        now_ns = frame.timestamp_ns
        moved = self._changed(frame)
        if moved:
            self._moved_ns = now_ns
        held = 0 <= now_ns - self._moved_ns < self._hold_ns
        idle = not 0 <= now_ns - self._admitted_ns < self._max_idle_ns
        if not (moved or held or idle):
            return False
        self._admitted_ns = now_ns
        self._current, self._admitted = self._admitted, self._current
        return True

    def _changed(self, frame: Frame) -> bool:
        pixels = frame.pixels
        first = pixels.shape != self._shape
        if first:
            self._shape = pixels.shape
            self._make_room()
        height, width = pixels.shape[:2]
        step = max(1, min(height, width) // _THUMBNAIL_SIDE)
        grid = pixels[step // 2 :: step, step // 2 :: step]
        current = self._current
        np.add(grid[..., 0], grid[..., 2], out=current, dtype=np.int16)
        np.add(current, grid[..., 1], out=current)
        np.add(current, grid[..., 1], out=current)
        if first:
            return True
        np.subtract(current, self._admitted, out=self._difference)
        np.abs(self._difference, out=self._difference)
        change = int(self._difference.sum(dtype=np.int64)) / self._difference.size
        return change >= self._threshold * _LUMA_WEIGHTS

    def _make_room(self) -> None:
        height, width = self._shape[:2]
        step = max(1, min(height, width) // _THUMBNAIL_SIDE)
        shape = len(range(step // 2, height, step)), len(range(step // 2, width, step))
        self._current = np.empty(shape, np.int16)
        self._admitted = np.empty(shape, np.int16)
        self._difference = np.empty(shape, np.int16)
