"""Photos of anything but the labels: from which sources they come, and how those are split."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pi_classifier_training.data.dataset import PHOTO_SUFFIXES, Photo, walk
from pi_classifier_training.data.label_folders import passed_over
from pi_classifier_training.data.splits import SPLITS, Split, group_of, stated_split
from pi_classifier_training.errors import DatasetError

log = logging.getLogger(__name__)

# The label of photos that show none of the user's things.
BACKGROUND = "background"
SHARES: Mapping[Split, float] = {"test": 0.1, "validation": 0.1}
# Held-out photos come from so many sources at least, where there are as many small ones.
FEWEST_HELD_OUT = 3


@dataclass(frozen=True, slots=True)
class NegativeSource:
    """Photos that look alike because one place, or one collection, is where they come from.

    `photos` are the folder and the name of each.
    """

    name: str
    photos: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.photos)

    def labeled(self, label: str, split: Split) -> list[Photo]:
        """Its photos as those of a data set."""
        return [Photo.of(folder, name, label, split) for folder, name in self.photos]


def negative_photos(
    dirs: Sequence[Path], label: str = BACKGROUND, shares: Mapping[Split, float] = SHARES
) -> list[Photo]:
    """The photos of one or more folders as those of `label`, every source in one split.

    A sub-folder is a source, as deep as it goes; a photo that lies in none is one by itself
    (`negative_sources`). With fewer than three sources every photo is one, which is logged.
    Raises DatasetError for a missing folder, one without photos and fewer than three photos.
    """
    sources = negative_sources(dirs)
    if len(sources) < len(SPLITS):
        names = " and ".join(source.name for source in sources)
        log.warning(
            "the negatives all come from %s, and photos of one place look alike: how the model "
            "takes other places cannot be told. Put photos of three places or more into a "
            "sub-folder each",
            names,
        )
        sources = _single_photos(sources)
    splits = source_splits(sources, shares)
    return [
        photo
        for source, split in zip(sources, splits, strict=True)
        for photo in source.labeled(label, split)
    ]


def negative_sources(dirs: Sequence[Path]) -> list[NegativeSource]:
    """The sources in one or more folders, in the order of their names.

    A sub-folder is a source with all that lies below it. Photos beside the sub-folders are
    sources of their own, frames of one video together. Folders called ``train``, ``valid``
    or ``test`` are looked through: a source in several of them stays one. Raises
    DatasetError for a missing folder and for one without photos.
    """
    sources: list[NegativeSource] = []
    seen: set[str] = set()
    for directory in dirs:
        if not directory.is_dir():
            raise DatasetError(
                f"{directory}: no such folder; --negatives takes a folder of photos that show "
                "none of the labels"
            )
        found = _sources_in(directory)
        if not found:
            raise DatasetError(
                f"{directory}: holds no photos ({', '.join(PHOTO_SUFFIXES)}); --negatives takes "
                "photos that show none of the labels"
            )
        for name, photos in found.items():
            # Folders may overlap: each photo counts once.
            new = tuple(photo for photo in photos if os.path.realpath("/".join(photo)) not in seen)
            seen.update(os.path.realpath("/".join(photo)) for photo in new)
            if new:
                sources.append(NegativeSource(f"{directory.resolve().name}/{name}", new))
    return sorted(sources, key=lambda source: source.name)


def _sources_in(directory: Path) -> dict[str, list[tuple[str, str]]]:
    roots = _looked_through(directory)
    sources: dict[str, list[tuple[str, str]]] = {}
    for root in roots:
        for folder, name, kind in walk(str(root)):
            if kind == "photo":
                inner = Path(folder).relative_to(root).parts
                source = inner[0] if inner else group_of(name)
                sources.setdefault(source, []).append((folder, name))
    return sources


def _looked_through(directory: Path) -> list[Path]:
    """The folders whose sub-folders are sources: those of splits, where all are, else itself."""
    inner = [d for d in sorted(directory.iterdir()) if d.is_dir() and not passed_over(d.name)]
    return inner if inner and all(stated_split(d.name) for d in inner) else [directory]


def _single_photos(sources: Iterable[NegativeSource]) -> list[NegativeSource]:
    """Every photo as a source by itself, frames of one video together."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for source in sources:
        for folder, name in source.photos:
            groups.setdefault(f"{source.name}/{group_of(name)}", []).append((folder, name))
    return [NegativeSource(name, tuple(photos)) for name, photos in groups.items()]


def source_splits(sources: Sequence[NegativeSource], shares: Mapping[Split, float]) -> list[Split]:
    """The split of each source: shares of all photos as exact as whole sources allow.

    Sources come in the order of a hash of their names, and each joins the first held-out
    split that it brings nearer to its share; so further sources move few. A source that is
    over a third of that share trains, where smaller ones suffice: figures from many places
    say more. No split is left without a source. Raises DatasetError for fewer than three.
    """
    if len(sources) < len(SPLITS):
        raise DatasetError(
            f"{sum(map(len, sources))} photos of nothing are too few to train, validate and test "
            "with; --negatives needs three at least, frames of one video counting as one. A "
            "hundred or more from several places are usual"
        )
    left = sorted(range(len(sources)), key=lambda number: _place(sources[number].name))
    splits: list[Split] = ["training"] * len(sources)
    photos = sum(map(len, sources))
    held_out: tuple[Split, ...] = ("test", "validation")
    for place, split in enumerate(held_out):
        sizes = {number: len(sources[number]) for number in left}
        # One source at least is left to each split that comes after this one.
        most = len(left) - (len(held_out) - place)
        chosen = _nearest(sizes, shares[split] * photos)[:most]
        for number in chosen or [min(left, key=sizes.__getitem__)]:
            splits[number] = split
            left.remove(number)
    return splits


def _nearest(sizes: Mapping[int, int], target: float) -> list[int]:
    """Those numbers, in their order, whose sizes together come near `target`; small ones first."""
    chosen: list[int] = []
    count = 0
    for largest in (target / FEWEST_HELD_OUT, target * 2):
        for number, size in sizes.items():
            if number not in chosen and size <= largest and 2 * (target - count) >= size:
                chosen.append(number)
                count += size
    return chosen


def _place(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
