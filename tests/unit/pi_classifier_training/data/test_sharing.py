"""How photos are shared out: exact shares, whole groups, few moves, none empty."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.data.sharing import Listed, due_photos, shared_out
from pi_classifier_training.data.splits import SPLITS, Split, SplitRule, group_of, video_split

NAMES = st.builds(
    lambda first, count: {f"IMG_{first + i}.jpg" for i in range(count)},
    st.integers(0, 10**6),
    st.integers(3, 120),
)
PERCENT = st.sampled_from([5.0, 10.0, 12.5, 20.0, 40.0])


def no_scenes(_: Sequence[Listed]) -> Sequence[str]:
    raise AssertionError


def photo(name: str, label: str = "rose", stated: Split | None = None, *within: str) -> Listed:
    return Listed("/".join(("photos", label, *within)), name, label, stated, 2)


def splits_of(names: Iterable[str], rule: SplitRule | None = None) -> dict[str, Split]:
    """The splits of the photos of one label, by name."""
    names = sorted(names)
    photos = [photo(name, "rose", video_split(name)) for name in names]
    return dict(zip(names, shared_out(photos, rule or SplitRule(), no_scenes), strict=True))


def counts_of(splits: Iterable[Split]) -> tuple[int, int, int]:
    counts = Counter(splits)
    return counts["training"], counts["validation"], counts["test"]


class TestShares:
    @pytest.mark.parametrize(
        ("count", "shares"),
        [
            (1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (9, (7, 1, 1)), (14, (12, 1, 1)),
            (15, (11, 2, 2)), (30, (24, 3, 3)), (100, (80, 10, 10)),
        ],
    )  # fmt: skip
    def test_every_split_gets_its_due(self, count: int, shares: tuple[int, int, int]) -> None:
        assert counts_of(splits_of(f"{i}.jpg" for i in range(count)).values()) == shares

    @given(NAMES, PERCENT, PERCENT)
    def test_shares_are_exact_whatever_the_names(
        self, names: set[str], test: float, validation: float
    ) -> None:
        rule = SplitRule(test, validation)
        own = counts_of(splits_of(names, rule).values())
        due = due_photos(len(names), rule)
        assert own == (len(names) - sum(due), due[1], due[0])
        assert min(own) >= 1
        if len(names) >= 20:
            assert abs(own[2] - len(names) * test / 100) <= 0.5

    def test_labels_are_shared_out_one_by_one(self) -> None:
        photos = [
            photo(f"{i}.jpg", label) for label, n in (("a", 30), ("b", 40)) for i in range(n)
        ]
        splits = shared_out(photos, SplitRule(), no_scenes)
        assert counts_of(splits[:30]) == (24, 3, 3)
        assert counts_of(splits[30:]) == (32, 4, 4)


class TestMoves:
    @given(NAMES, st.integers(0, 10**6).map("new{}.jpg".format))
    def test_one_photo_more_moves_few_and_none_from_training_to_test(
        self, names: set[str], new: str
    ) -> None:
        before, after = splits_of(names), splits_of({*names, new})
        moved = Counter(
            (before[name], after[name]) for name in names if before[name] != after[name]
        )
        assert moved.total() <= 3
        assert ("training", "test") not in moved

    @given(NAMES, NAMES)
    def test_a_copy_under_another_label_is_elsewhere_only_at_the_border(
        self, one: set[str], other: set[str]
    ) -> None:
        """The order is that of the names alone: what two labels share stands in one order."""
        both = sorted(one | other)
        photos = [photo(name, label) for label in "ab" for name in both]
        splits = shared_out(photos, SplitRule(), no_scenes)
        assert splits[: len(both)] == splits[len(both) :]

    def test_the_place_in_folders_and_the_order_of_listing_play_no_part(self) -> None:
        names = [f"{i}.jpg" for i in range(40)]
        here = shared_out([photo(n) for n in names], SplitRule(), no_scenes)
        deep = [photo(n, "rose", None, "deep", "down") for n in reversed(names)]
        assert shared_out(deep, SplitRule(), no_scenes) == here[::-1]


class TestGroups:
    @given(st.lists(st.integers(1, 12), min_size=3, max_size=15))
    def test_videos_stay_whole_and_no_split_is_empty(self, frames: list[int]) -> None:
        names = [f"v{v}@video-{i}.jpg" for v, count in enumerate(frames) for i in range(count)]
        splits = splits_of(names)
        of_group = defaultdict(set)
        for name, split in splits.items():
            of_group[group_of(name)].add(split)
        assert all(len(own) == 1 for own in of_group.values())
        assert set(splits.values()) == set(SPLITS)

    @given(st.integers(10, 40), st.integers(1, 5))
    def test_groups_of_one_size_come_nearest_to_the_shares(self, groups: int, size: int) -> None:
        names = [f"v{v}@video-{i}.jpg" for v in range(groups) for i in range(size)]
        training, validation, test = counts_of(splits_of(names).values())
        for own in (validation, test):
            assert abs(own - groups * size / 10) <= size / 2 + 0.5
        assert training + validation + test == groups * size

    def test_a_group_that_would_be_over_by_as_much_as_is_lacking_trains(self) -> None:
        names = [f"v{v}@video-{i}.jpg" for v in range(15) for i in range(2)]
        assert counts_of(splits_of(names).values()) == (26, 2, 2)

    def test_small_groups_are_held_out_and_large_ones_train(self) -> None:
        names = [f"v{v}@video-{i}.jpg" for v, n in enumerate((100, 50, 20)) for i in range(n)]
        assert counts_of(splits_of(names).values()) == (100, 50, 20)

    def test_sub_folders_of_a_label(self) -> None:
        rule = SplitRule(group_by="folder")
        photos = [photo(f"{i}.jpg", "rose", None, f"bush {i % 12}", "x") for i in range(60)]
        splits = shared_out(photos, rule, no_scenes)
        assert all(splits[i] == splits[i % 12] for i in range(60))
        assert set(splits) == set(SPLITS)
        assert counts_of(splits)[1:] == (5, 5)

    @given(st.randoms(use_true_random=False))
    def test_names_of_one_kind_stay_together_across_labels(self, random: Random) -> None:
        seen = [(random.randrange(20), random.choice("abc")) for _ in range(60)]
        photos = [photo(f"site{site}-{i}.jpg", label) for i, (site, label) in enumerate(seen)]
        splits = shared_out(photos, SplitRule(group_by="regex:^(site[0-9]+)"), no_scenes)
        of_site = defaultdict(set)
        for (site, _), split in zip(seen, splits, strict=True):
            of_site[site].add(split)
        assert all(len(own) == 1 for own in of_site.values())

    def test_what_matches_no_pattern_is_shared_out_exactly(self) -> None:
        photos = [photo(f"{i}.jpg", label) for label in "ab" for i in range(30)]
        splits = shared_out(photos, SplitRule(group_by="regex:^(site[0-9]+)"), no_scenes)
        assert counts_of(splits[:30]) == counts_of(splits[30:]) == (24, 3, 3)


class TestStated:
    """Photos whose folder, or whose name as a frame, says what they are for."""

    def shares(self, **stated: int) -> dict[str, tuple[int, int, int]]:
        photos = [
            photo(f"{split}{i}.jpg", "rose", split)
            for split in SPLITS
            for i in range(stated.get(split, 0))
        ]
        splits = shared_out(photos, SplitRule(), no_scenes)
        return {
            stated: counts_of(s for p, s in zip(photos, splits, strict=True) if p.stated == stated)
            for stated in SPLITS
            if any(p.stated == stated for p in photos)
        }

    def test_all_three_are_obeyed(self) -> None:
        assert self.shares(training=5, validation=50, test=3) == {
            "training": (5, 0, 0), "validation": (0, 50, 0), "test": (0, 0, 3),
        }  # fmt: skip

    def test_without_validation_its_share_of_the_training_photos_validates(self) -> None:
        assert self.shares(training=50, test=9) == {"training": (45, 5, 0), "test": (0, 0, 9)}

    def test_without_tests_half_of_the_validation_photos_tests(self) -> None:
        assert self.shares(training=50, validation=20) == {
            "training": (50, 0, 0), "validation": (0, 10, 10),
        }  # fmt: skip
        assert self.shares(training=50, validation=1) == {
            "training": (45, 0, 5), "validation": (0, 1, 0),
        }  # fmt: skip

    def test_from_training_photos_alone_both_are_taken(self) -> None:
        assert self.shares(training=50) == {"training": (40, 5, 5)}

    def test_nothing_can_be_had_of_tests_alone(self) -> None:
        assert self.shares(test=50) == {"test": (0, 0, 50)}

    def test_frames_keep_what_their_video_is_for_beside_photos(self) -> None:
        names = [f"v@video-test-{i}.jpg" for i in range(2)] + [f"{i}.jpg" for i in range(28)]
        splits = splits_of(names)
        assert {splits[name] for name in names[:2]} == {"test"}
        assert counts_of(splits.values()) == (24, 3, 3)
