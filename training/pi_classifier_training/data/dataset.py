"""Folders of photos as a data set: one sub-folder per label, a split that stays put."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.preprocessor import load_image
from pi_classifier_training.errors import DatasetError

Split = Literal["training", "validation", "test"]

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
VALIDATION_PERCENT = 10
TEST_PERCENT = 10
# Frames of one video are named NAME@video-TIME.jpg and belong to one split: they look alike.
VIDEO_MARKER = "@video-"


@dataclass(frozen=True, slots=True, init=False)
class Photo:
    """One photo and the label of the folder it lies in.

    Photos of one folder share its name in memory: data sets may have very many of them.
    """

    folder: str
    name: str
    label: str

    def __init__(self, path: Path, label: str) -> None:
        self._fill(sys.intern(str(path.parent)), path.name, sys.intern(label))

    @classmethod
    def of(cls, folder: str, name: str, label: str) -> Self:
        """The photo `name` in `folder`; texts shared by many photos should be one object."""
        photo = cls.__new__(cls)
        photo._fill(folder, name, label)  # noqa: SLF001
        return photo

    def _fill(self, folder: str, name: str, label: str) -> None:
        # Frozen data classes are filled this way.
        object.__setattr__(self, "folder", folder)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "label", label)

    @property
    def path(self) -> Path:
        return Path(self.folder, self.name)

    @property
    def path_text(self) -> str:
        """The path as text, made faster than `path`."""
        return f"{self.folder}/{self.name}"

    @property
    def split(self) -> Split:
        """The part of the data set this photo belongs to, for ever."""
        return split_of(self.name)


def split_of(file_name: str) -> Split:
    """Choose the split of a photo by a hash of its file name.

    The folder plays no part: a photo moved to another label, or a copy of it under
    another label, stays in the same split, so nothing leaks from test to training.
    Adding or removing other photos moves none either. Frames of one video
    (``NAME@video-…``) look alike: the part before the marker decides for all of them.
    """
    group = file_name.partition(VIDEO_MARKER)[0]
    digest = hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest()
    percent = int.from_bytes(digest[:8], "big") * 100 // 2**64
    if percent < TEST_PERCENT:
        return "test"
    if percent < TEST_PERCENT + VALIDATION_PERCENT:
        return "validation"
    return "training"


def scan(image_dirs: Sequence[Path]) -> list[Photo]:
    """List the photos of one or more folders, one sub-folder per label, sorted.

    Raises DatasetError when a folder is missing, holds no photos, or a label's
    folder is empty.
    """
    photos: list[Photo] = []
    for image_dir in image_dirs:
        for label_dir in label_dirs(image_dir):
            count_before = len(photos)
            photos.extend(_photos_in(sys.intern(str(label_dir)), sys.intern(label_dir.name)))
            if len(photos) == count_before:
                raise DatasetError(
                    f"{label_dir}: holds no photos ({', '.join(PHOTO_SUFFIXES)}); add some or "
                    "remove the folder"
                )
    return photos


def label_dirs(image_dir: Path) -> list[Path]:
    """The sub-folders of a folder of photos, one per label, sorted.

    Raises DatasetError when the folder is missing or has none.
    """
    if not image_dir.is_dir():
        raise DatasetError(
            f"{image_dir}: no such folder; --image-dir takes a folder with one sub-folder "
            "of photos per label"
        )
    folders = [d for d in sorted(image_dir.iterdir()) if d.is_dir() and d.name[0] != "."]
    if not folders:
        raise DatasetError(
            f"{image_dir}: has no sub-folders; put the photos of each label into a "
            f"sub-folder named after it, such as {image_dir / 'daisy'}/"
        )
    return folders


def _photos_in(folder: str, label: str) -> Iterator[Photo]:
    """Photos of a folder and then of those in it, in the order of their names."""
    with os.scandir(folder) as entries:
        names = sorted((e.name, e.is_dir()) for e in entries if not e.name.startswith("."))
    for name, is_folder in names:
        if not is_folder and name.lower().endswith(PHOTO_SUFFIXES):
            yield Photo.of(folder, name, label)
    for name, is_folder in names:
        if is_folder:
            yield from _photos_in(f"{folder}/{name}", label)


def labels_of(photos: Iterable[Photo]) -> tuple[str, ...]:
    """The labels of the photos, sorted; their order is the model's output order."""
    return tuple(sorted({photo.label for photo in photos}))


def require_trainable(photos: Sequence[Photo]) -> tuple[str, ...]:
    """Check that every label has photos in every split; return the labels.

    Raises DatasetError naming the labels with too few photos.
    """
    labels = labels_of(photos)
    if len(labels) < 2:
        raise DatasetError(
            f"there is only one label ({labels[0]}); a classifier needs at least two "
            "sub-folders to tell apart"
        )
    counts = Counter((photo.label, photo.split) for photo in photos)
    splits: tuple[Split, ...] = ("training", "validation", "test")
    poor = [
        f"{label} ({', '.join(f'{counts[label, s]} {s}' for s in splits)})"
        for label in labels
        if not all(counts[label, s] for s in splits)
    ]
    if poor:
        raise DatasetError(
            "too few photos to train, validate and test with: "
            + "; ".join(poor)
            + ". Every label needs at least one in each; 30 photos or more are usual"
        )
    return labels


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Decoded photos: pixels uint8 ``[n, S, S, 3]`` and label indices int64 ``[n]``.

    `pixels` lies in a memory-mapped file, so a large data set needs little memory.
    `aspects` is each photo's width / height as decoded, float32 ``[n]``.
    `unreadable` lists what was left out, one message a photo.
    """

    photos: tuple[Photo, ...]
    pixels: NDArray[np.uint8]
    indices: NDArray[np.int64]
    aspects: NDArray[np.float32]
    unreadable: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.photos)


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
    progress: Callable[[Sequence[Photo]], Iterable[Photo]] = iter,
) -> Images:
    """Decode photos one at a time into a temporary memory-mapped file.

    `transform` turns a photo into uint8 ``[side, side, 3]``. A photo that cannot be
    read is left out and listed, never fatal.
    """
    index = {label: i for i, label in enumerate(labels)}
    # The file has no name any more once it is open: nothing is left behind, whatever happens.
    with tempfile.TemporaryFile(prefix="pi-classifier-photos-") as file:
        shape = (max(1, len(photos)), side, side, 3)
        pixels = np.memmap(file, dtype=np.uint8, mode="w+", shape=shape)
    kept: list[Photo] = []
    aspects: list[float] = []
    unreadable: list[str] = []
    for photo in progress(photos):
        try:
            image = load_image(photo.path)
        except ImageError as error:
            unreadable.append(str(error))
            continue
        pixels[len(kept)] = transform(image)
        aspects.append(image.shape[1] / image.shape[0])
        kept.append(photo)
    return Images(
        tuple(kept),
        pixels[: len(kept)],
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
