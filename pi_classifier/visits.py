"""Visits: something that stays, or is back soon, is seen once; two things at a time are two.

Pure: no clock, time is the frames' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pi_classifier.types import Box, Detection, shared_part

_NS_PER_S = 1_000_000_000
# Boxes of two frames that share more of the smaller one are of one thing that moved a little.
_SAME_PLACE = 0.2


class Visits:
    """Numbers the visits of each label, from 1.

    A label that is back within `gap_s` seconds is on the same visit.
    """

    def __init__(self, gap_s: float) -> None:
        self._gap_ns = round(gap_s * _NS_PER_S)
        self._numbers: dict[str, int] = {}
        self._left_ns: dict[str, int] = {}

    def change(self, before: str | None, now: str | None, timestamp_ns: int) -> int | None:
        """Note that the label in force has changed; returns the number of the new one's visit."""
        if before is not None:
            self._left_ns[before] = timestamp_ns
        if now is None:
            return None
        left_ns = self._left_ns.get(now)
        if left_ns is not None and timestamp_ns - left_ns <= self._gap_ns:
            return self._numbers[now]
        return self.begin(now)

    def begin(self, label: str) -> int:
        """Number a new visit."""
        self._numbers[label] = self._numbers.get(label, 0) + 1
        return self._numbers[label]


@dataclass(slots=True)
class _Track:
    """One thing: its label, where and when it was seen last, and in how many frames."""

    label: str
    box: Box
    seen_ns: int
    frames: int = 0
    visit: int | None = None


class Tracks:
    """Follows what is seen where from frame to frame, and numbers the visits.

    A detection belongs to the thing of its label whose last box it overlaps most, if that was
    seen within `gap_s` seconds. What `patience` frames have shown is a visit; until then it
    has no number, so that one mistaken window is none.
    """

    def __init__(self, gap_s: float, patience: int) -> None:
        self._gap_ns = round(gap_s * _NS_PER_S)
        self._patience = patience
        self._visits = Visits(gap_s)
        self._tracks: list[_Track] = []

    def follow(
        self, timestamp_ns: int, detections: Sequence[Detection]
    ) -> tuple[tuple[Detection, ...], tuple[str, ...]]:
        """Give the detections the numbers of their visits; also the labels of new visits."""
        self._tracks = [
            track for track in self._tracks if timestamp_ns - track.seen_ns <= self._gap_ns
        ]
        free = list(self._tracks)
        numbered: list[Detection] = []
        begun: list[str] = []
        for seen in detections:
            track = _nearest(seen, free)
            if track is None:
                track = _Track(seen.label, seen.box, timestamp_ns)
                self._tracks.append(track)
            else:
                free.remove(track)
            track.box, track.seen_ns = seen.box, timestamp_ns
            track.frames += 1
            if track.frames == self._patience:
                track.visit = self._visits.begin(seen.label)
                begun.append(seen.label)
            numbered.append(replace(seen, visit=track.visit))
        return tuple(numbered), tuple(begun)


def _nearest(seen: Detection, tracks: Sequence[_Track]) -> _Track | None:
    """The thing of the same label that shares most with it, if that is enough."""
    same = [track for track in tracks if track.label == seen.label]
    best = max(same, key=lambda track: shared_part(track.box, seen.box), default=None)
    if best is None or shared_part(best.box, seen.box) <= _SAME_PLACE:
        return None
    return best
