"""Which photos train, which choose between trainings, and which only test."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Literal

Split = Literal["training", "validation", "test"]
SPLITS: tuple[Split, ...] = ("training", "validation", "test")

VALIDATION_PERCENT = 10
TEST_PERCENT = 10
# Frames of one video are named NAME@video-TIME.jpg and belong to one split: they look alike.
VIDEO_MARKER = "@video-"

# What other programs call the folders of a data set that is split already.
_FOLDERS: dict[str, Split] = {
    "train": "training", "training": "training",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


def split_of(file_name: str) -> Split:
    """Choose the split of a photo by a hash of its file name.

    The folder plays no part: a photo moved to another label, or a copy of it under
    another label, stays in the same split, so nothing leaks from test to training.
    Adding or removing other photos moves none either. Frames of one video
    (``NAME@video-…``) look alike: the part before the marker decides for all of them.
    """
    percent = _place(group_of(file_name)) * 100 >> 64
    if percent < TEST_PERCENT:
        return "test"
    if percent < TEST_PERCENT + VALIDATION_PERCENT:
        return "validation"
    return "training"


def group_of(file_name: str) -> str:
    """The part of a file name that decides its split: equal for the frames of a video."""
    return file_name.partition(VIDEO_MARKER)[0]


def _place(group: str) -> int:
    """Where a group lies among all, from 0 up to 2**64."""
    digest = hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big")


def filled_splits(file_names: Iterable[str]) -> dict[str, Split]:
    """Choose the splits of all photos of one label by their groups, so that none is empty.

    They are those of `split_of` where that leaves none empty. Else the shares move: the
    groups with the lowest hashes test, the next validate, at least one each. Fewer than
    three groups stay as they are. Returns the split of every group.
    """
    groups = sorted({group_of(name) for name in file_names}, key=_place)
    splits = {group: split_of(group) for group in groups}
    if len(groups) < len(SPLITS):
        return splits
    counts = Counter(splits.values())
    test, validation = max(1, counts["test"]), max(1, counts["validation"])
    while test + validation >= len(groups):  # one is left to train with
        if test >= validation:
            test -= 1
        else:
            validation -= 1
    for number, group in enumerate(groups):
        held_out: Split = "test" if number < test else "validation"
        splits[group] = held_out if number < test + validation else "training"
    return splits


def stated_split(folder_name: str) -> Split | None:
    """The split that a folder's name states, "valid" for validation; None for any other name."""
    return _FOLDERS.get(folder_name.lower())


def completed_split(file_name: str, folder: Split, folders: Iterable[Split]) -> Split:
    """The split of a photo in a folder that states one, in a data set with such `folders`.

    What has no folder is taken from another by the hash of the file name: a tenth of the
    training photos to validate with, half of the validation photos to test with.
    """
    present = set(folders)
    if folder == "training" and "validation" not in present:
        return "validation" if split_of(file_name) == "validation" else folder
    if folder == "validation" and "test" not in present:
        return "test" if _place(group_of(file_name)) % 2 else folder
    return folder
