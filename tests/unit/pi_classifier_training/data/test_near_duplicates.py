"""Photos that look alike: pairs, hashes, groups, against comparing each with each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.data.near_duplicates import (
    MAX_BITS,
    MIN_CORRELATION,
    DisjointSets,
    close_pairs,
    hamming_distance,
    similar_pairs,
)
from pi_classifier_training.data.similarity import GRAY_SIDE, correlation

Pictures = list[NDArray[np.uint8]]


def picture(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (GRAY_SIDE, GRAY_SIDE), np.uint8)


class TestCorrelation:
    def test_is_pearsons(self) -> None:
        a, b = picture(1), picture(2)
        b[:16] = a[:16]
        expected = np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1]
        assert correlation(a, b) == pytest.approx(expected)

    @given(st.sampled_from([0.25, 0.5]), st.sampled_from([0, 20, 120]))
    def test_brightness_and_contrast_do_not_matter(self, contrast: float, brightness: int) -> None:
        exact = picture(1)
        changed = np.round(exact * contrast + brightness).astype(np.uint8)
        assert correlation(exact, changed) > 0.999

    def test_a_negative_is_the_opposite(self) -> None:
        assert correlation(picture(1), 255 - picture(1)) == pytest.approx(-1)

    def test_pictures_of_one_color_are_like_nothing(self) -> None:
        flat = np.full((32, 32), 7, np.uint8)
        assert correlation(flat, flat) == 0
        assert correlation(flat, picture(1)) == 0


HASH = st.integers(0, 2**64 - 1)


@given(HASH, HASH)
def test_bits_apart_are_counted(a: int, b: int) -> None:
    distance = hamming_distance(np.array([a], np.uint64), np.array([b], np.uint64))
    assert distance.tolist() == [(a ^ b).bit_count()]


def pairs_of(patterns: list[int]) -> set[tuple[int, int]]:
    return {
        (min(i, j), max(i, j))
        for first, second in close_pairs(np.array(patterns, np.uint64))
        for i, j in zip(first.tolist(), second.tolist(), strict=True)
    }


class TestClosePairs:
    @given(st.lists(st.integers(0, 3), min_size=4, max_size=4), HASH)
    def test_seven_bits_in_any_bands_are_found_eight_are_not(
        self, bands: list[int], one: int
    ) -> None:
        """Bits turned band by band: at most seven in all always leave a band with one at most."""
        flips = [16 * band + bit for band, count in enumerate(bands) for bit in range(count)]
        near = one
        for bit in flips:
            near ^= 1 << bit
        assert pairs_of([one, near]) == ({(0, 1)} if len(flips) <= MAX_BITS else set())

    @given(st.integers(0, 3), st.integers(0, 15), HASH)
    def test_seven_bits_of_which_only_one_is_in_a_band(
        self, band: int, bit: int, one: int
    ) -> None:
        """The others have two each: by that one bit, wherever it stands, it is found."""
        flips = [16 * band + bit, *(16 * b + i for b in range(4) if b != band for i in (3, 11))]
        near = one
        for flip in flips:
            near ^= 1 << flip
        assert pairs_of([near, one]) == {(0, 1)}

    def test_equal_hashes_are_a_pair_each_with_each(self) -> None:
        assert pairs_of([5, 255 << 32, 5, 5]) == {(0, 2), (0, 3), (2, 3)}

    def test_nothing_is_near_nothing(self) -> None:
        assert pairs_of([]) == set()
        assert pairs_of([7]) == set()

    def test_very_many_equal_ones_are_linked_all_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each is compared with only the next few, which still joins all of them."""
        monkeypatch.setattr(f"{similar_pairs.__module__}.LONGEST_RUN", 3)
        groups = DisjointSets(50)
        for i, j in pairs_of([42] * 50):
            groups.join(i, j)
        assert groups.members() == [list(range(50))]


class TestAlike:
    def linked(self, pictures: Pictures, patterns: list[int]) -> list[tuple[int, int]]:
        pairs = similar_pairs(np.array(patterns, np.uint64), lambda i: pictures[i])
        return [(min(i, j), max(i, j)) for i, j, _ in pairs]

    def test_near_hashes_must_also_look_alike(self) -> None:
        same, other = picture(1), picture(2)
        assert self.linked([same, other, same], [5, 5, 4]) == [(0, 2)]

    def test_pictures_that_look_alike_need_near_hashes_to_be_compared(self) -> None:
        assert self.linked([picture(1)] * 2, [0, 2**64 - 1]) == []

    def test_a_group_is_linked_once_not_pair_by_pair(self) -> None:
        assert len(self.linked([picture(1)] * 20, [5] * 20)) == 19

    @pytest.mark.parametrize("above", [True, False])
    def test_the_border_of_what_is_alike(self, above: bool) -> None:
        """A picture mixed with another until its correlation is just above or below."""
        exact, other = picture(1).astype(float) - 128, picture(2).astype(float) - 128
        target = MIN_CORRELATION + (0.01 if above else -0.01)
        mixed = target * exact + np.sqrt(1 - target**2) * other
        mixed = np.clip(mixed * 0.7 + 128, 0, 255).astype(np.uint8)
        value = correlation(picture(1), mixed)
        assert (value >= MIN_CORRELATION) == above
        assert bool(self.linked([picture(1), mixed], [5, 5])) == above

    def test_the_correlation_is_told(self) -> None:
        ((_, _, value),) = similar_pairs(np.array([5, 5], np.uint64), lambda _: picture(1))
        assert value == pytest.approx(1.0)


class TestGroups:
    def test_the_smallest_member_stands_for_its_group(self) -> None:
        groups = DisjointSets(6)
        groups.join(5, 3)
        groups.join(3, 1)
        assert [groups.root(i) for i in range(6)] == [0, 1, 2, 1, 4, 1]
        assert groups.members() == [[1, 3, 5]]

    def test_joining_again_changes_nothing(self) -> None:
        groups = DisjointSets(3)
        for _ in range(3):
            groups.join(2, 0)
        assert groups.members() == [[0, 2]]
        assert DisjointSets(4).members() == []


@given(
    st.integers(0, 2**64 - 1),
    st.sets(st.integers(0, 63), max_size=MAX_BITS + 1),
    st.lists(st.integers(0, 2**64 - 1), max_size=20),
)
def test_all_close_hashes_are_found_and_no_others(
    one: int, flips: set[int], others: list[int]
) -> None:
    near = one
    for bit in flips:
        near ^= 1 << bit
    patterns = np.array([one, *others, near], np.uint64)
    pairs = {
        tuple(sorted((int(i), int(j))))
        for a, b in close_pairs(patterns)
        for i, j in zip(a, b, strict=True)
    }
    n = len(patterns)
    expected = {
        (i, j)
        for i in range(n)
        for j in range(i + 1, n)
        if hamming_distance(patterns[i : i + 1], patterns[j : j + 1])[0] <= MAX_BITS
    }
    assert pairs == expected


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_groups_are_what_is_connected(pairs: list[tuple[int, int]]) -> None:
    groups = DisjointSets(10)
    sets = [{i} for i in range(10)]
    for i, j in pairs:
        groups.join(i, j)
        if sets[i] is not sets[j]:
            sets[i] |= sets[j]
            for k in sets[i]:
                sets[k] = sets[i]
    connected = {tuple(sorted(s)) for s in sets if len(s) > 1}
    assert [tuple(members) for members in groups.members()] == sorted(connected)
