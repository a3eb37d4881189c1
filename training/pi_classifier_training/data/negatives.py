"""Photos of anything but the labels: from which sources they come, and how those are split."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_classifier.modelfile.labels import silent_labels
from pi_classifier_training.data.dataset import Photo, labels_of, walk
from pi_classifier_training.data.doubtful_negatives import without_copies
from pi_classifier_training.data.label_folders import PHOTO_SUFFIXES, missing_folder
from pi_classifier_training.data.splits import SPLITS, Split, group_of, place, stated_split
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

    `folder` is where its folder lies, `photos` are the folder and the name of each.
    """

    folder: str
    name: str
    photos: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.photos)

    def labeled(self, label: str, split: Split) -> list[Photo]:
        """Its photos as those of a data set."""
        return [Photo.of(folder, name, label, split) for folder, name in self.photos]


@dataclass(frozen=True, slots=True, eq=False)
class Negatives:
    """The photos of nothing that join a user's own photos, and where they are from."""

    label: str = BACKGROUND
    photos: tuple[Photo, ...] = ()
    sources: tuple[NegativeSource, ...] = ()
    dirs: tuple[Path, ...] = ()

    @classmethod
    def joining(
        cls, photos: Sequence[Photo], image_dirs: Sequence[Path], dirs: Sequence[Path]
    ) -> Negatives:
        """Those in `dirs`, under the silent label that the user's `photos` have, if any.

        Raises DatasetError where a folder lies among the user's own, besides those of
        `negative_photos`.
        """
        if not dirs:
            return cls()
        require_apart(dirs, image_dirs)
        labels = labels_of(photos)
        silent = silent_labels(labels)
        label = silent[0] if silent else BACKGROUND
        sources = negative_sources(dirs)
        negatives = without_copies(_shared_out(sources, label, labels), photos)
        kept = {(photo.folder, photo.name) for photo in negatives}
        used = tuple(source for source in sources if not kept.isdisjoint(source.photos))
        return cls(label, tuple(negatives), used, tuple(d.resolve() for d in dirs))

    def places(self) -> dict[tuple[str, str], str]:
        """The name of the source of each photo, by the photo's folder and name."""
        return {
            photo: f"{source.folder}/{source.name}"
            for source in self.sources
            for photo in source.photos
        }

    def record(self) -> dict[str, Any]:
        """What ``run.json`` and model files say of them; nothing where there are none."""
        if not self.photos:
            return {}
        counts = Counter(photo.split for photo in self.photos)
        return {
            "negatives": {
                "name": " + ".join(folder.name for folder in self.dirs),
                "label": self.label,
                "photos": len(self.photos),
                "sources": len(self.sources),
                "counts": {split: counts[split] for split in SPLITS},
            }
        }


def recorded_dirs(run: Mapping[str, Any]) -> tuple[Path, ...]:
    """The folders of photos of nothing that the summary of a run names, where still there."""
    dirs = [Path(str(folder)) for folder in run.get("negatives") or ()]
    return tuple(folder for folder in dirs if folder.is_dir())


def recorded_negatives(run: Mapping[str, Any]) -> tuple[Photo, ...]:
    """The photos in those folders, as the run was trained with them.

    Folders that are gone are left out with a warning. Photos that came later are among them,
    so that a source may have changed its split.
    """
    dirs = recorded_dirs(run)
    for folder in map(str, run.get("negatives") or ()):
        if folder not in map(str, dirs):
            log.warning(
                "%s: the run was trained with negatives from there, and there is no such folder "
                "any more; they are left out",
                folder,
            )
    if not dirs:
        return ()
    label = run["data"]["negatives"]["label"]
    return tuple(negative_photos(dirs, label, labels=run["labels"]))


def without_labels(
    sources: Sequence[NegativeSource], labels: Sequence[str]
) -> list[NegativeSource]:
    """Those sources that are not called after one of `labels`: "sunflower" is after "Sunflowers".

    Silent labels do not count. What is left out is logged.
    """
    silent = silent_labels(labels)
    names = {_singular(label) for label in labels if label not in silent}
    kept = []
    for source in sources:
        if _singular(source.name.rpartition("/")[2]) in names:
            log.warning(
                "left out of the negatives: %s/%s (%d photos), which by its name shows one of the "
                "labels",
                source.folder,
                source.name,
                len(source),
            )
        else:
            kept.append(source)
    return kept


def _singular(name: str) -> str:
    words = name.casefold().replace("_", " ").replace("-", " ").split()
    return " ".join(word.removesuffix("s") for word in words)


def require_apart(dirs: Sequence[Path], image_dirs: Sequence[Path]) -> None:
    """Refuse a folder of negatives among those of labels: it would be a label as well.

    Raises DatasetError.
    """
    for directory in dirs:
        for labeled in image_dirs:
            if labeled.resolve() in (directory.resolve(), *directory.resolve().parents):
                raise DatasetError(
                    f"{directory}: lies in {labeled}, whose folders are labels; move the photos "
                    "of --negatives to a folder outside, or leave --negatives out and call their "
                    f"folder {labeled / BACKGROUND}"
                )


def negative_photos(
    dirs: Sequence[Path],
    label: str = BACKGROUND,
    *,
    labels: Sequence[str] = (),
) -> list[Photo]:
    """The photos of one or more folders as those of `label`, every source in one split.

    A sub-folder is a source, as deep as it goes; a photo that lies in none is one by itself
    (`negative_sources`). Each folder is shared out for itself, so that its held-out photos are
    the same whatever others are named beside it. In one with fewer than three sources every
    photo is one, which is logged. Sources that are called after one of `labels` are left out
    (`without_labels`) once all have their splits. Raises DatasetError for a missing folder,
    one without photos and where there are fewer than three photos.
    """
    return _shared_out(negative_sources(dirs), label, labels)


def _shared_out(
    sources: Sequence[NegativeSource], label: str, labels: Sequence[str]
) -> list[Photo]:
    photos: list[Photo] = []
    kept = {p for source in without_labels(sources, labels) for p in source.photos}
    for folder in dict.fromkeys(source.folder for source in sources):
        in_folder = [source for source in sources if source.folder == folder]
        if len(in_folder) < len(SPLITS):
            log.warning(
                "%s: all its photos come from %s, and photos of one place look alike: how the "
                "model takes other places cannot be told. Put photos of three places or more "
                "into a sub-folder each",
                folder,
                " and ".join(source.name for source in in_folder),
            )
            in_folder = _single_photos(in_folder)
        splits = source_splits(in_folder)
        for source, split in zip(in_folder, splits, strict=True):
            photos += source.labeled(label, split)
    return [photo for photo in photos if (photo.folder, photo.name) in kept]


def negative_sources(dirs: Sequence[Path]) -> list[NegativeSource]:
    """The sources in one or more folders, those of a folder in the order of their names.

    A sub-folder that holds photos is a source with all that lies below it; one that holds
    only folders is looked through. A source that lies in ``train`` and in ``test`` stays one.
    Photos beside the sub-folders are sources of their own, frames of one video together.
    Raises DatasetError for a missing folder and for one without photos.
    """
    sources: list[NegativeSource] = []
    seen: set[str] = set()
    for directory in dirs:
        if not directory.is_dir():
            raise DatasetError(
                f"{directory}: {missing_folder(directory)}; expected a folder of photos that "
                "show none of the labels"
            )
        photos_of = _sources_in(directory)
        if not photos_of:
            raise DatasetError(
                f"{directory}: holds no photos ({', '.join(PHOTO_SUFFIXES)}); expected photos "
                "that show none of the labels"
            )
        for name, photos in sorted(photos_of.items()):
            # Folders may overlap: each photo counts once.
            files = {os.path.realpath("/".join(photo)): photo for photo in photos}
            new = tuple(photo for file, photo in files.items() if file not in seen)
            seen.update(files)
            if new:
                sources.append(NegativeSource(str(directory), name, new))
    return sources


def _sources_in(directory: Path) -> dict[str, list[tuple[str, str]]]:
    root, sources = str(directory), dict[str, list[tuple[str, str]]]()
    holders: set[str] = set()
    # A folder's own photos come before those of the folders in it.
    for folder, name, kind in walk(root):
        if kind == "photo":
            within = (Path(folder), *Path(folder).parents)
            holder = next((str(p) for p in reversed(within) if str(p) in holders), folder)
            if folder != root:
                holders.add(holder)
            inner = [p for p in Path(holder).relative_to(root).parts if not stated_split(p)]
            source = "/".join(inner) if folder != root and inner else group_of(name)
            sources.setdefault(source, []).append((folder, name))
    return sources


def _single_photos(sources: Iterable[NegativeSource]) -> list[NegativeSource]:
    """Every photo as a source by itself, frames of one video together."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for source in sources:
        for folder, name in source.photos:
            key = source.folder, f"{source.name}/{group_of(name)}"
            groups.setdefault(key, []).append((folder, name))
    return [NegativeSource(*key, tuple(photos)) for key, photos in groups.items()]


def source_splits(sources: Sequence[NegativeSource]) -> list[Split]:
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
    left = sorted(range(len(sources)), key=lambda number: place(sources[number].name))
    splits: list[Split] = ["training"] * len(sources)
    photos = sum(map(len, sources))
    held_out: tuple[Split, ...] = ("test", "validation")
    for turn, split in enumerate(held_out):
        sizes = {number: len(sources[number]) for number in left}
        # One source at least is left to each split that comes after this one.
        most = len(left) - (len(held_out) - turn)
        chosen = _nearest(sizes, SHARES[split] * photos)[:most]
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
