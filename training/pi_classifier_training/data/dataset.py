"""Folders of photos as a data set: one sub-folder per label, a split that stays put."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.photos import load_image
from pi_classifier_training.data.earlier_splits import earlier_splits
from pi_classifier_training.data.label_folders import (
    PHOTO_SUFFIXES,
    LabelFolder,
    label_folders,
    passed_over,
)
from pi_classifier_training.data.scenes import scenes
from pi_classifier_training.data.sharing import Listed, shared_out
from pi_classifier_training.data.splits import SPLITS, Split, SplitRule, video_split
from pi_classifier_training.data.stored_pixels import PixelRows, StoredPixels
from pi_classifier_training.errors import DatasetError

PhotoProgress = Callable[[Sequence["Photo"]], Iterable["Photo"]]
"""Passes photos on, and may show how far they have come."""


@dataclass(frozen=True, slots=True, init=False)
class Photo:
    """One photo, the label of the folder it lies in and the part of the data set it is for.

    Photos of one folder share its name in memory: data sets may have very many of them.
    """

    folder: str
    name: str
    label: str
    split: Split

    def __init__(self, path: Path, label: str, split: Split = "training") -> None:
        self._fill(sys.intern(str(path.parent)), path.name, sys.intern(label), split)

    @classmethod
    def of(cls, folder: str, name: str, label: str, split: Split) -> Self:
        """The photo `name` in `folder`; texts shared by many photos should be one object."""
        photo = cls.__new__(cls)
        photo._fill(folder, name, label, split)  # noqa: SLF001
        return photo

    def _fill(self, folder: str, name: str, label: str, split: Split) -> None:
        # Frozen data classes are filled this way.
        object.__setattr__(self, "folder", folder)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "split", split)

    @property
    def path(self) -> Path:
        return Path(self.folder, self.name)

    @property
    def path_text(self) -> str:
        """The path as text, made faster than `path`."""
        return f"{self.folder}/{self.name}"


def scan(image_dirs: Sequence[Path], rule: SplitRule | None = None) -> list[Photo]:
    """List the photos of one or more folders, one sub-folder per label, sorted.

    `rule` says how they are shared out among the splits, each folder for itself
    (`sharing.shared_out`). Raises DatasetError when a folder is missing, given twice, holds no
    photos, or a label's folder is empty.
    """
    return [photo for own in scan_folders(image_dirs, rule) for photo in own]


def scan_folders(image_dirs: Sequence[Path], rule: SplitRule | None = None) -> list[list[Photo]]:
    """The photos of each folder, as `scan` lists and splits them all."""
    require_different(image_dirs)
    listed: list[list[Listed]] = []
    for image_dir in image_dirs:
        own: list[Listed] = []
        for folder in label_folders(image_dir):
            before = len(own)
            own += (
                listed_in(folder, place, name)
                for place, name, kind in walk(str(folder.path))
                if kind == "photo"
            )
            if len(own) == before:
                raise DatasetError(
                    f"{folder.path}: holds no photos ({', '.join(PHOTO_SUFFIXES)}); add some or "
                    "remove the folder"
                )
        listed.append(own)
    photos = iter(split_photos(listed, rule or SplitRule()))
    return [list(islice(photos, len(own))) for own in listed]


def require_different(image_dirs: Sequence[Path]) -> None:
    """Photos that count twice would make every figure look surer than it is."""
    given: dict[Path, Path] = {}
    for image_dir in image_dirs:
        earlier = given.setdefault(image_dir.resolve(), image_dir)
        if earlier is not image_dir:
            raise DatasetError(
                f"{image_dir}: is the same folder as {earlier}; give every folder of photos once"
            )


def listed_in(label: LabelFolder, folder: str, name: str) -> Listed:
    """The photo `name` in `folder`, somewhere below a label's folder."""
    stated = label.split or video_split(name)
    return Listed(folder, name, sys.intern(label.label), stated, len(label.path.parts))


def split_photos(folders: Sequence[Sequence[Listed]], rule: SplitRule) -> list[Photo]:
    """The photos of several folders with their splits.

    Each folder is shared out for itself, so that its held-out photos are the same whatever
    other folders are named beside it; all together where a label would lack a split.
    """
    everything = [photo for own in folders for photo in own]
    if rule.earlier:
        splits = earlier_splits([(p.name, p.label, p.stated) for p in everything])
    else:
        splits = [split for own in folders for split in shared_out(own, rule, scenes)]
        if len(folders) > 1:
            present = {(p.label, split) for p, split in zip(everything, splits, strict=True)}
            if any((p.label, split) not in present for p in everything for split in SPLITS):
                splits = shared_out(everything, rule, scenes)
    return [
        Photo.of(p.folder, p.name, p.label, split)
        for p, split in zip(everything, splits, strict=True)
    ]


def walk(folder: str, within: frozenset[str] = frozenset()) -> Iterator[tuple[str, str, str]]:
    """Yield folder, name and kind of what lies in `folder`, then of what lies in its folders.

    Kinds are "photo", by the name's ending, "other", and "ignored" for what is hidden or
    left by other programs, thumbnails for example. `within` are the real paths of the
    folders around: a link that leads back to one has no end, and is ignored.
    """
    within |= {os.path.realpath(folder)}
    with os.scandir(folder) as entries:
        # Of a link that leads to itself os.DirEntry does not say that it is no folder, it raises.
        names = sorted(
            (e.name, Path(e.path).is_dir() if e.is_symlink() else e.is_dir()) for e in entries
        )
    inner = []
    for name, is_folder in names:
        path = f"{folder}/{name}"
        if is_folder and not passed_over(name) and not _leads_back(path, within):
            inner.append(path)
        elif is_folder or name.startswith("."):
            yield folder, name, "ignored"
        else:
            photo = name.lower().endswith(PHOTO_SUFFIXES)
            yield folder, name, "photo" if photo else "other"
    for path in inner:
        yield from walk(path, within)


def _leads_back(folder: str, within: Iterable[str]) -> bool:
    real = os.path.realpath(folder)
    return any(f"{around}/".startswith(f"{real}/") for around in within)


def labels_of(photos: Iterable[Photo]) -> tuple[str, ...]:
    """The labels of the photos, sorted; their order is the model's output order."""
    return tuple(sorted({photo.label for photo in photos}))


def require_trainable(photos: Sequence[Photo]) -> tuple[str, ...]:
    """Check that every label has photos in every split; return the labels.

    Raises DatasetError naming the labels with too few photos.
    """
    labels = labels_of(photos)
    if len(labels) < 2:
        within = {photo.folder for photo in photos}
        hint = ""
        if len(within) > 1:
            hint = f". If its own sub-folders are the labels, give {os.path.commonpath(within)}"
        raise DatasetError(
            f"there is only one label ({labels[0]}); a classifier needs at least two "
            f"sub-folders to tell apart{hint}"
        )
    counts = Counter((photo.label, photo.split) for photo in photos)
    poor = [
        f"{label} ({', '.join(f'{counts[label, s]} {s}' for s in SPLITS)})"
        for label in labels
        if not all(counts[label, s] for s in SPLITS)
    ]
    if poor:
        raise DatasetError(
            "too few photos to train, validate and test with: "
            + "; ".join(poor)
            + ". Every label needs three photos, frames of one video counting as one; 30 or more "
            "are usual"
        )
    return labels


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Decoded photos: pixels uint8 ``[n, S, S, 3]`` and label indices int64 ``[n]``.

    `pixels` are read from a file where they are indexed: any number of photos needs no memory.
    `aspects` is each photo's width / height as decoded, float32 ``[n]``.
    `unreadable` lists what was left out, one message a photo.
    """

    photos: tuple[Photo, ...]
    pixels: PixelRows
    indices: NDArray[np.int64]
    aspects: NDArray[np.float32]
    unreadable: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.photos)


def readable(
    photos: Iterable[Photo], unreadable: list[str]
) -> Iterator[tuple[Photo, NDArray[np.uint8]]]:
    """Yield photos with their pixels, uint8 ``[h, w, 3]``, one at a time.

    What cannot be read is left out, never fatal: a message for each goes into `unreadable`.
    """
    for photo in photos:
        try:
            pixels = load_image(photo.path)
        except ImageError as error:
            unreadable.append(str(error))
        else:
            yield photo, pixels


def squeeze(side: int) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Make a function that squeezes a whole photo into a square of `side` pixels.

    Augmentation cuts its crops from these squares and undoes the squeeze.
    """

    def squeezed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        resized = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
        return np.asarray(resized)

    return squeezed


def decode(
    photos: Sequence[Photo],
    labels: Sequence[str],
    transform: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    side: int,
    progress: PhotoProgress = iter,
) -> Images:
    """Decode photos one at a time into a file without a name.

    `transform` turns a photo into uint8 ``[side, side, 3]``. A photo that cannot be
    read is left out and listed, never fatal. Raises OSError where the disk has no room.
    """
    index = {label: i for i, label in enumerate(labels)}
    pixels = StoredPixels(len(photos), side)
    kept: list[Photo] = []
    aspects: list[float] = []
    unreadable: list[str] = []
    for photo, image in readable(progress(photos), unreadable):
        pixels.append(transform(image))
        aspects.append(image.shape[1] / image.shape[0])
        kept.append(photo)
    return Images(
        tuple(kept),
        pixels,
        np.array([index[photo.label] for photo in kept], np.int64),
        np.array(aspects, np.float32),
        tuple(unreadable),
    )


def evenly_over_labels(labels: Sequence[str], per_label: int, seed: int) -> list[int]:
    """Choose up to `per_label` positions of every label in `labels`, shuffled by `seed`."""
    rng = np.random.default_rng(seed)
    names = np.array(labels)
    chosen = [
        rng.permutation(np.flatnonzero(names == label))[:per_label] for label in np.unique(names)
    ]
    return [int(i) for i in rng.permutation(np.concatenate(chosen))]
