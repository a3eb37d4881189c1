"""The split of model files made before shares were exact: a photo's hash alone decides.

Kept so that photos which such a model was trained on never test it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pi_classifier_training.data.splits import SPLITS, VIDEO_MARKER, Split, place

# File name, label, and the split that a folder states.
Named = tuple[str, str, Split | None]


def split_of(file_name: str) -> Split:
    """Choose the split of a photo by a hash of its file name; frames of a video share theirs."""
    percent = _place(file_name) * 100 >> 64
    if percent < 10:
        return "test"
    return "validation" if percent < 20 else "training"


def earlier_splits(photos: Sequence[Named]) -> list[Split]:
    """The split of every photo: its folder's, else its hash's, and then no label lacks one."""
    stated = {split for _, _, split in photos if split is not None}
    splits = [
        split_of(name) if split is None else _completed(name, split, stated)
        for name, _, split in photos
    ]
    present = {(label, split) for (_, label, _), split in zip(photos, splits, strict=True)}
    for label in {label for _, label, _ in photos}:
        if any((label, split) not in present for split in SPLITS):
            members = [i for i, (_, other, _) in enumerate(photos) if other == label]
            filled = _filled({_group(photos[i][0]) for i in members})
            for i in members:
                splits[i] = filled[_group(photos[i][0])]
    return splits


def _group(file_name: str) -> str:
    return file_name.partition(VIDEO_MARKER)[0]


def _place(file_name: str) -> int:
    return place(_group(file_name))


def _completed(file_name: str, folder: Split, folders: Iterable[Split]) -> Split:
    """A tenth of the training photos validates, or half of the validation photos tests."""
    present = set(folders)
    if folder == "training" and "validation" not in present:
        return "validation" if split_of(file_name) == "validation" else folder
    if folder == "validation" and "test" not in present:
        return "test" if _place(file_name) % 2 else folder
    return folder


def _filled(names: Iterable[str]) -> dict[str, Split]:
    """The splits of a label's groups: the lowest hashes test, the next validate."""
    groups = sorted(names, key=place)
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
