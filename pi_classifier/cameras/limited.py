"""Frames that end by themselves: after a number of frames, or after some time of frames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, takewhile

from pi_classifier.types import Frame


def limited(
    frames: Iterator[Frame], count: int | None = None, duration_s: float | None = None
) -> Iterator[Frame]:
    """Yield at most `count` frames, and only those of the first `duration_s` seconds.

    Seconds are those of the frames' timestamps, from the first frame on. None: no limit.
    """
    if duration_s is not None:
        frames = _first_ns(frames, round(duration_s * 1e9))
    return islice(frames, count)


def _first_ns(source: Iterator[Frame], duration_ns: int) -> Iterator[Frame]:
    first = next(source, None)
    if first is None:
        return
    end_ns = first.timestamp_ns + duration_ns
    yield first
    yield from takewhile(lambda frame: frame.timestamp_ns < end_ns, source)
