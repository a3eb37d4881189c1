"""How photos are shared out among the splits: exact shares, whole groups, few moves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pi_classifier_training.data.splits import SPLITS, Split, SplitRule, group_of, place

# How many photos of which labels belong to a group.
Sizes = Mapping[str, Mapping[str, int]]
_HELD_OUT: tuple[Split, ...] = ("test", "validation")


class Listed(NamedTuple):
    """A photo as it lies in a folder: `stated` is the split that a folder or its name states.

    `depth` is how many folders of `folder` lead to its label's, that one included.
    """

    folder: str
    name: str
    label: str
    stated: Split | None
    depth: int


def shared_out(
    photos: Sequence[Listed],
    rule: SplitRule,
    scenes: Callable[[Sequence[Listed]], Sequence[str]],
) -> list[Split]:
    """Choose the split of every photo of one folder, in order.

    What a folder or a frame's name states holds. Of the others, each label gives its share
    to test and to validation: groups in the order of their hashes, each taken while it
    brings the split nearer to its share. So of photos without groups the first test, the
    next validate, and one more moves three at most, none from training to test. A label
    whose photos all have a stated split gives of them what is missing. No split is empty
    where a label has three groups or more; groups of several labels are kept whole before
    that. `scenes` names the group of every photo where they are grouped by how they look.
    """
    groups = _groups(photos, rule, scenes)
    splits: list[Split | None] = [photo.stated for photo in photos]
    by_label: dict[str, list[int]] = defaultdict(list)
    for i, photo in enumerate(photos):
        by_label[photo.label].append(i)
    free: dict[str, list[int]] = {}
    for label, own in by_label.items():
        undecided = [i for i in own if splits[i] is None]
        if undecided:
            free[label] = undecided
        else:
            _complete(own, splits, groups, rule)
    problems = [free] if rule.across_labels else [{label: own} for label, own in free.items()]
    for problem in problems:
        _share(problem, by_label, splits, groups, rule)
    return [split or "training" for split in splits]


def _groups(
    photos: Sequence[Listed], rule: SplitRule, scenes: Callable[[Sequence[Listed]], Sequence[str]]
) -> Sequence[str]:
    """The group of every photo; what belongs to none is told apart by its label too."""
    if rule.group_by == "scene":
        return scenes(photos)
    groups = rule.groups(
        [(photo.name, photo.folder.split("/")[photo.depth :]) for photo in photos]
    )
    if rule.across_labels:
        return [
            group if group.endswith("/") else alone(photo)
            for group, photo in zip(groups, photos, strict=True)
        ]
    return groups


def alone(photo: Listed) -> str:
    """The group of a photo of no other label, ordered by its name alone."""
    return f"{photo.label}\0{group_of(photo.name)}"


def _share(
    problem: Mapping[str, Sequence[int]],
    by_label: Mapping[str, Sequence[int]],
    splits: list[Split | None],
    groups: Sequence[str],
    rule: SplitRule,
) -> None:
    """Share out the photos of some labels that have no split yet."""
    due: Counter[tuple[str, Split]] = Counter()
    for label, free in problem.items():
        stated = Counter(splits[i] for i in by_label[label])
        counts = due_photos(len(by_label[label]), rule)
        for split, count in zip(_HELD_OUT, counts, strict=True):
            due[label, split] = min(max(0, count - stated[split]), len(free))
    chosen = choose(_sizes(problem, groups), due, _HELD_OUT, _stated(problem, by_label, splits))
    for free in problem.values():
        for i in free:
            splits[i] = chosen[groups[i]]


def _stated(
    problem: Mapping[str, Sequence[int]],
    by_label: Mapping[str, Sequence[int]],
    splits: Sequence[Split | None],
) -> set[tuple[str, Split]]:
    return {
        (label, split)
        for label in problem
        for i in by_label[label]
        if (split := splits[i]) is not None
    }


def _complete(
    own: Sequence[int], splits: list[Split | None], groups: Sequence[str], rule: SplitRule
) -> None:
    """Give a label's missing splits photos of those that its folders state.

    Without a folder for validation its share of the training photos validates; without one
    for tests half of the validation photos test. From training photos alone both are taken.
    """
    present = {splits[i] for i in own}
    lacking = tuple(s for s in _HELD_OUT if s not in present)
    validating = [i for i in own if splits[i] == "validation"]
    giver: Split = "training"
    test, validation = due_photos(sum(splits[i] == giver for i in own), rule)
    if lacking == ("test",) and len({groups[i] for i in validating}) > 1:
        giver, test = "validation", len(validating) // 2
    if not lacking or giver not in present:
        return
    giving = [i for i in own if splits[i] == giver]
    due: dict[tuple[str, Split], int] = {("", "test"): test, ("", "validation"): validation}
    chosen = choose(_sizes({"": giving}, groups), due, lacking, set(), giver)
    for i in giving:
        splits[i] = chosen[groups[i]]


def _sizes(problem: Mapping[str, Sequence[int]], groups: Sequence[str]) -> Sizes:
    sizes: dict[str, Mapping[str, int]] = {}
    for label, own in problem.items():
        single = {label: 1}  # one for all: most photos are groups of their own
        for i in own:
            counts = sizes.get(groups[i])
            sizes[groups[i]] = (
                single if counts is None else {**counts, label: counts.get(label, 0) + 1}
            )
    return sizes


def due_photos(count: int, rule: SplitRule) -> tuple[int, int]:
    """How many of a label's `count` photos test and validate: the shares, at least one each.

    One at least is left to train with.
    """
    test, validation = (
        max(1, int(count * percent / 100 + 0.5))
        for percent in (rule.test_percent, rule.validation_percent)
    )
    while test + validation > max(0, count - 1):
        if validation >= test:
            validation -= 1
        else:
            test -= 1
    return test, validation


def choose(
    sizes: Sizes,
    due: Mapping[tuple[str, Split], int],
    held_out: tuple[Split, ...],
    stated: set[tuple[str, Split]],
    rest: Split = "training",
) -> dict[str, Split]:
    """Choose the split of every group: `held_out` ones get what is `due`, `rest` the others.

    `stated` are the labels and splits that have photos already.
    """
    left = {key: count for key, count in due.items() if key[1] in held_out}
    chosen: dict[str, Split] = {}
    order = sorted(sizes, key=lambda group: (place(group.rpartition("\0")[2]), group))
    for group in order:
        counts = sizes[group]
        split = next((s for s in held_out if _nearer(counts, left, s)), rest)
        chosen[group] = split
        if split != rest:
            for label, count in counts.items():
                left[label, split] -= count
    _fill(chosen, order, sizes, (*held_out, rest), stated)
    return chosen


def _nearer(
    counts: Mapping[str, int], left: Mapping[tuple[str, Split], int], split: Split
) -> bool:
    """Whether a group brings `split` nearer to what its labels are due."""
    gain = 0
    for label, count in counts.items():
        wanted = left[label, split]
        gain += abs(wanted) - abs(wanted - count)
    return gain > 0


def _fill(
    chosen: dict[str, Split],
    order: Sequence[str],
    sizes: Sizes,
    wanted: tuple[Split, ...],
    stated: set[tuple[str, Split]],
) -> None:
    """Give splits that a label left empty one of its groups, of a split that has several."""
    members: dict[tuple[str, Split], int] = Counter(
        (label, chosen[group]) for group in order for label in sizes[group]
    )
    for key in stated:
        members[key] += 1
    labels = sorted({label for counts in sizes.values() for label in counts})
    for split in wanted:
        for label in labels:
            if members[label, split]:
                continue
            givers = [
                group
                for group in order
                if label in sizes[group]
                and all(members[own, chosen[group]] > 1 for own in sizes[group])
            ]
            if not givers:
                continue
            # The smallest costs the other split least; what trains is given before what tests.
            group = min(
                givers,
                key=lambda g: (sum(sizes[g].values()), SPLITS.index(chosen[g])),
            )
            for own in sizes[group]:
                members[own, chosen[group]] -= 1
                members[own, split] += 1
            chosen[group] = split
