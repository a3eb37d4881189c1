"""Which split a photo belongs to: rules that must never change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.data.splits import (
    SPLITS,
    Split,
    completed_split,
    filled_splits,
    group_of,
    split_of,
    stated_split,
)


def percent_of(name: str) -> float:
    """Where a name's hash lies between 0 and 100, by exact arithmetic."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) * 100 / 16**16


class TestSplit:
    @given(st.integers(0, 10**6))
    def test_a_tenth_by_hash_is_for_tests_and_the_next_for_validation(self, number: int) -> None:
        name = f"IMG_{number}.jpg"
        percent = percent_of(name)
        expected = "test" if percent < 10 else "validation" if percent < 20 else "training"
        assert split_of(name) == expected

    def test_names_close_to_the_borders(self) -> None:
        """Of 20,000 names those whose hash is nearest to 10 and 20 percent, on either side."""
        names = sorted((f"{i}.jpg" for i in range(20_000)), key=percent_of)
        for border, below, above in ((10, "test", "validation"), (20, "validation", "training")):
            at = next(i for i, name in enumerate(names) if percent_of(name) >= border)
            assert (split_of(names[at - 1]), split_of(names[at])) == (below, above)

    @given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
    def test_all_frames_of_a_video_share_their_split(
        self, video: str, one: str, other: str
    ) -> None:
        assert split_of(f"{video}@video-{one}.jpg") == split_of(f"{video}@video-{other}")

    def test_a_name_that_is_no_text_has_a_split_too(self) -> None:
        assert split_of(b"caf\xe9.jpg".decode("utf-8", "surrogateescape")) == "training"


@given(st.text(min_size=1, max_size=30))
def test_split_depends_on_the_file_name_alone(name: str) -> None:
    assert split_of(name) == split_of(name)
    assert split_of(name) in ("training", "validation", "test")


def test_split_shares_are_as_stated() -> None:
    splits = [split_of(f"photo{i}.jpg") for i in range(20_000)]
    assert abs(splits.count("test") / len(splits) - 0.10) < 0.006
    assert abs(splits.count("validation") / len(splits) - 0.10) < 0.006


def test_split_is_pinned_for_ever() -> None:
    # Changing the rule would move test photos into training between two versions.
    assert [split_of(f"photo{i}.jpg") for i in (8, 10)] == ["test", "test"]
    assert [split_of(f"photo{i}.jpg") for i in (1, 4)] == ["validation", "validation"]
    assert [split_of(f"photo{i}.jpg") for i in (0, 2)] == ["training", "training"]


class TestFilled:
    @given(st.sets(st.integers(0, 10**6), min_size=3, max_size=40))
    def test_none_is_empty_and_shares_that_suffice_stay(self, numbers: set[int]) -> None:
        names = [f"{n}.jpg" for n in numbers]
        splits = filled_splits(names)
        assert set(splits.values()) == set(SPLITS)
        by_name = {name: split_of(name) for name in names}
        if set(by_name.values()) == set(SPLITS):
            assert splits == by_name

    @given(st.sets(st.integers(0, 10**6), min_size=3, max_size=40))
    def test_lower_hashes_test_and_the_next_validate(self, numbers: set[int]) -> None:
        splits = filled_splits(f"{n}.jpg" for n in numbers)
        order = [splits[name] for name in sorted(splits, key=percent_of)]
        assert order == sorted(order, key=("test", "validation", "training").index)

    @given(st.sets(st.integers(0, 10**6), min_size=3, max_size=40))
    def test_as_few_photos_move_as_can(self, numbers: set[int]) -> None:
        names = [f"{n}.jpg" for n in numbers]
        lacking = len(set(SPLITS) - {split_of(name) for name in names})
        moved = [name for name, split in filled_splits(names).items() if split != split_of(name)]
        # A photo taken out of the next split may leave a place there to fill.
        assert len(moved) <= 2 * lacking

    def test_frames_of_one_video_stay_together_and_two_groups_are_too_few(self) -> None:
        frames = [f"{video}@video-{i}.jpg" for video in "abc" for i in range(5)]
        splits = filled_splits(frames)
        assert sorted(splits) == ["a", "b", "c"]
        assert set(splits.values()) == set(SPLITS)
        two = [name for name in frames if group_of(name) != "c"]
        assert filled_splits(two) == {group: split_of(f"{group}@video-0") for group in "ab"}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "training"), ("Training", "training"), ("VAL", "validation"),
        ("valid", "validation"), ("validation", "validation"), ("test", "test"),
        ("trained", None), ("daisy", None), ("", None),
    ],
)  # fmt: skip
def test_folders_that_state_a_split(name: str, split: Split | None) -> None:
    assert stated_split(name) == split


@pytest.mark.parametrize(
    ("folder", "folders", "shares"),
    [
        ("training", SPLITS, {"training": 1.0}),
        ("test", SPLITS, {"test": 1.0}),
        ("training", ("training", "test"), {"training": 0.9, "validation": 0.1}),
        ("validation", ("training", "validation"), {"validation": 0.5, "test": 0.5}),
        ("training", ("training", "validation"), {"training": 1.0}),
    ],
)
def test_a_split_without_a_folder_is_taken_from_another(
    folder: Split, folders: Iterable[Split], shares: dict[Split, float]
) -> None:
    splits = [completed_split(f"{i}.jpg", folder, folders) for i in range(4000)]
    assert {s: round(splits.count(s) / 4000, 1) for s in set(splits)} == shares
