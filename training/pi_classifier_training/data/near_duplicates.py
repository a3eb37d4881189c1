"""Near-duplicates: photos that look alike, without comparing each with each.

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
    """Sets of things that belong together, joined pair by pair (union-find).

    Among n photos there may be about n² / 2 pairs, but n − 1 of them join everything: with
    the sets known, all other pairs need not be looked at.
    """

    def __init__(self, count: int) -> None:
        self._parents = np.arange(count)

    def root(self, i: int) -> int:
        """The thing that stands for the group of `i`: its smallest member."""
        while self._parents[i] != i:
            # Halving the path keeps later walks short.
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
        groups: dict[int, list[int]] = {}
        for i in children:
            root = self.root(int(i))
            groups.setdefault(root, [root]).append(int(i))
        return [groups[root] for root in sorted(groups)]


def hamming_distance(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
    """In how many bits hashes differ, pair by pair."""
    bits = _BITS[(a ^ b).view(np.uint8).reshape(-1, 8)]
    apart: NDArray[np.int64] = bits.sum(axis=1, dtype=np.int64)
    return apart


def close_pairs(hashes: NDArray[np.uint64]) -> Iterator[tuple[Indices, Indices]]:
    """Yield pairs of positions whose hashes differ in at most 7 bits, some several times."""
    for first, second in _candidates(hashes):
        close = hamming_distance(hashes[first], hashes[second]) <= MAX_BITS
        if close.any():
            yield first[close], second[close]


def _candidates(hashes: NDArray[np.uint64]) -> Iterator[tuple[Indices, Indices]]:
    """Pairs with a band that differs in at most one bit: all pairs within `MAX_BITS`, and more.

    7 differing bits cannot put 2 or more into each of 4 bands. Looking up a band and its 16
    neighbors costs 17 binary searches a photo and band; all pairs within 7 bits of 64 could
    not be listed by a hash's neighbors, of which there are 7 · 10^8.
    """
    for band in range(4):
        keys = ((hashes >> np.uint64(16 * band)) & np.uint64(0xFFFF)).astype(np.int64)
        # Sorted by the band, equal bands lie side by side and others are found by bisection.
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
    """Pair each of `first` with places start…end − 1, one step of all at a time.

    Runs of equal bands may be long (dark photos share their hash), and all pairs within one
    would be their square: whoever has `LONGEST_RUN` neighbors is joined to the rest by them.
    """
    end = np.minimum(end, start + LONGEST_RUN)
    while True:
        going = start < end
        first, start, end = first[going], start[going], end[going]
        if not len(first):
            return
        yield order[first], order[start]
        start = start + 1  # a new array: the one yielded stays


def similar_pairs(
    hashes: NDArray[np.uint64], small: Callable[[int], NDArray[np.uint8]]
) -> Iterator[tuple[int, int, float]]:
    """Yield pairs of near-duplicates with their correlation: enough to link each group.

    `small` gives the small gray picture at a position. The hashes only choose whom to
    compare: as many unlike photos have close hashes, the pictures decide.
    """
    groups = DisjointSets(len(hashes))
    for firsts, seconds in close_pairs(hashes):
        for i, j in zip(firsts.tolist(), seconds.tolist(), strict=True):
            if groups.root(i) != groups.root(j):
                value = correlation(small(i), small(j))
                if value >= MIN_CORRELATION:
                    groups.join(i, j)
                    yield i, j, value
