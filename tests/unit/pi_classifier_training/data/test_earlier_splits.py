"""The split of earlier model files: a rule that must never change."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.data.earlier_splits import earlier_splits, split_of
from pi_classifier_training.data.splits import SPLITS, Split


def percent_of(name: str) -> float:
    """Where a name's hash lies between 0 and 100, by exact arithmetic."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) * 100 / 16**16


def test_split_is_pinned_for_ever() -> None:
    # Changing the rule would make photos that shipped models were trained on test them.
    assert [split_of(f"photo{i}.jpg") for i in (8, 10)] == ["test", "test"]
    assert [split_of(f"photo{i}.jpg") for i in (1, 4)] == ["validation", "validation"]
    assert [split_of(f"photo{i}.jpg") for i in (0, 2)] == ["training", "training"]
    assert split_of(b"caf\xe9.jpg".decode("utf-8", "surrogateescape")) == "training"


@given(st.integers(0, 10**6))
def test_a_tenth_by_hash_is_for_tests_and_the_next_for_validation(number: int) -> None:
    name = f"IMG_{number}.jpg"
    percent = percent_of(name)
    expected = "test" if percent < 10 else "validation" if percent < 20 else "training"
    assert split_of(name) == expected


@given(st.sets(st.integers(0, 10**6), min_size=3, max_size=40))
def test_none_is_empty_and_shares_that_suffice_stay(numbers: set[int]) -> None:
    names = [f"{n}.jpg" for n in numbers]
    splits = earlier_splits([(name, "a", None) for name in names])
    assert set(splits) == set(SPLITS)
    by_name = [split_of(name) for name in names]
    if set(by_name) == set(SPLITS):
        assert splits == by_name
    order = [split for _, split in sorted(zip(map(percent_of, names), splits, strict=True))]
    assert order == sorted(order, key=("test", "validation", "training").index)


@pytest.mark.parametrize(
    ("folder", "folders", "shares"),
    [
        ("training", ("training", "test"), {"training": 0.9, "validation": 0.1}),
        ("validation", ("training", "validation"), {"validation": 0.5, "test": 0.5}),
        ("training", ("training", "validation"), {"training": 1.0}),
    ],
)
def test_a_split_without_a_folder_was_taken_from_another(
    folder: Split, folders: tuple[Split, ...], shares: dict[Split, float]
) -> None:
    others = [(f"x{split}{i}.jpg", "a", split) for split in folders for i in range(40)]
    splits = earlier_splits([*((f"{i}.jpg", "a", folder) for i in range(4000)), *others])[:4000]
    assert {s: round(splits.count(s) / 4000, 1) for s in set(splits)} == shares
