"""Photos that look alike, found without comparing each with each.

Difference hashes are cut into four bands of 16 bits. Two hashes that differ in at most
7 bits differ in at most one bit in some band, so photos with an equal band or one of
its 16 neighbors are all that need comparing (multi-index hashing, Norouzi et al. 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.data.similarity import correlation

MAX_BITS = 7
# Correlation of the small gray pictures from which on two photos count as alike: of the
# pairs it reports among the flower photos none is a false alarm.
MIN_CORRELATION = 0.90
# Among very many photos with an equal band each is compared with this many next ones.
LONGEST_RUN = 1000
_BITS = np.array([i.bit_count() for i in range(256)], np.uint8)

Indices = NDArray[np.int64]


class DisjointSets:
    """Sets of things that belong together, joined pair by pair (union-find)."""

    def __init__(self, count: int) -> None:
        self._parents = np.arange(count)

    def root(self, i: int) -> int:
        """The thing that stands for the group of `i`: its smallest member."""
        while self._parents[i] != i:
            self._parents[i] = self._parents[self._parents[i]]
            i = int(self._parents[i])
        return i

    def join(self, i: int, j: int) -> None:
        """Make one group of two."""
        low, high = sorted((self.root(i), self.root(j)))
        self._parents[high] = low

    def members(self) -> list[list[int]]:
        """The groups of two or more, in order."""
        # A thing alone is neither anyone's child nor anyone's parent.
        children = np.flatnonzero(self._parents != np.arange(len(self._parents)))
        found: dict[int, list[int]] = {}
        for i in children:
            root = self.root(int(i))
            found.setdefault(root, [root]).append(int(i))
        return [found[root] for root in sorted(found)]


def hamming_distance(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
    """In how many bits hashes differ, pair by pair."""
    bits = _BITS[(a ^ b).view(np.uint8).reshape(-1, 8)]
    apart: NDArray[np.int64] = bits.sum(axis=1, dtype=np.int64)
    return apart


def close_pairs(patterns: NDArray[np.uint64]) -> Iterator[tuple[Indices, Indices]]:
    """Yield pairs of positions whose hashes differ in at most 7 bits, some several times."""
    for first, second in _candidates(patterns):
        close = hamming_distance(patterns[first], patterns[second]) <= MAX_BITS
        if close.any():
            yield first[close], second[close]


def _candidates(patterns: NDArray[np.uint64]) -> Iterator[tuple[Indices, Indices]]:
    for band in range(4):
        keys = ((patterns >> np.uint64(16 * band)) & np.uint64(0xFFFF)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        places = np.arange(len(keys))
        yield from _runs(order, places, places + 1, np.searchsorted(keys, keys, "right"))
        for bit in range(16):
            other = keys ^ (1 << bit)
            chosen = np.flatnonzero(other > keys)  # each pair from one side only
            start = np.searchsorted(keys, other[chosen], "left")
            end = np.searchsorted(keys, other[chosen], "right")
            yield from _runs(order, chosen, start, end)


def _runs(
    order: Indices, first: Indices, start: Indices, end: Indices
) -> Iterator[tuple[Indices, Indices]]:
    """Pair each of `first` with places start…end − 1, one step of all at a time."""
    end = np.minimum(end, start + LONGEST_RUN)
    while True:
        going = start < end
        first, start, end = first[going], start[going], end[going]
        if not len(first):
            return
        yield order[first], order[start]
        start = start + 1  # a new array: the one yielded stays


def similar_pairs(
    patterns: NDArray[np.uint64], small: Callable[[int], NDArray[np.uint8]]
) -> Iterator[tuple[int, int, float]]:
    """Yield pairs that look alike with their correlation: enough to link each group.

    `small` gives the small gray picture at a position.
    """
    groups = DisjointSets(len(patterns))
    for firsts, seconds in close_pairs(patterns):
        for i, j in zip(firsts.tolist(), seconds.tolist(), strict=True):
            if groups.root(i) != groups.root(j):
                value = correlation(small(i), small(j))
                if value >= MIN_CORRELATION:
                    groups.join(i, j)
                    yield i, j, value
