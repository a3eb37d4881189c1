"""Folders of photos: what is a label's folder, and which label its name means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.modelfile.labels import clean_label
from pi_classifier.printable import is_visible
from pi_classifier_training.data.splits import Split, stated_split
from pi_classifier_training.errors import DatasetError

# Browsers and old cameras write JPEG files as .jfif and .jpe.
PHOTO_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff",
)  # fmt: skip
# Left by network storage, archives and notebooks beside and among photos.
_PASSED_OVER = {"@eadir", "#recycle", "#snapshot", "__macosx", "$recycle.bin", "lost+found"}


@dataclass(frozen=True, slots=True)
class LabelFolder:
    """A folder of photos of one label; `split` is None where no folder's name states it."""

    path: Path
    label: str
    split: Split | None = None


def label_folders(image_dir: Path) -> list[LabelFolder]:
    """The folders of labels in a folder of photos, sorted by path.

    Where its sub-folders are called after splits, such as ``train``, ``valid`` and
    ``test``, labels are the folders within those; also where they lie one folder further
    down, in ``images`` say. Raises DatasetError when the folder is missing or has none, two
    names mean the same label, or it is not clear what its folders are.
    """
    if not image_dir.is_dir():
        raise DatasetError(
            f"{image_dir}: {missing_folder(image_dir)}; --image-dir takes a folder with one "
            "sub-folder of photos per label"
        )
    folders = _sub_folders(image_dir)
    if not folders:
        raise _without_labels(image_dir)
    inner = _only_layout(folders)
    if inner is not None:
        image_dir, folders = inner, _sub_folders(inner)
    splits = _split_folders(image_dir, folders)
    if not splits:
        return _named(folders, None)
    return [label for folder, split in splits for label in _named(_sub_folders(folder), split)]


def missing_folder(path: Path) -> str:
    """What is said of a path that should be a folder and is none."""
    return "is a file" if path.exists() else "no such folder"


def _without_labels(image_dir: Path) -> DatasetError:
    """What to say of a folder without sub-folders, which may be that of one label."""
    beside = [d.name for d in _sub_folders(image_dir.resolve().parent)]
    if _holds_photos(image_dir) and len(beside) > 1:
        return DatasetError(
            f"{image_dir}: holds photos but has no sub-folders; if it is the folder of one label, "
            f"give the folder above it, {image_dir.resolve().parent}"
        )
    return DatasetError(
        f"{image_dir}: has no sub-folders; put the photos of each label into a "
        f"sub-folder named after it, such as {image_dir / 'daisy'}/"
    )


def passed_over(folder_name: str) -> bool:
    """Whether a folder of that name is hidden, or another program's, and holds no photos."""
    return folder_name.startswith(".") or folder_name.lower() in _PASSED_OVER


def label_named(folder_name: str) -> str:
    """The label that a folder's name means: on one line, without spaces around it.

    A name that is not UTF-8 is taken for Latin-1, as in archives made by old systems; an
    accent that stands behind its letter (as macOS writes) is joined with it.
    """
    try:
        folder_name.encode()
    except UnicodeEncodeError:
        folder_name = os.fsencode(folder_name).decode("latin-1")
    return clean_label(" ".join(folder_name.split()))


def _sub_folders(folder: Path) -> list[Path]:
    return [d for d in sorted(folder.iterdir()) if d.is_dir() and not passed_over(d.name)]


def _split_folders(image_dir: Path, folders: Sequence[Path]) -> list[tuple[Path, Split]]:
    """The folders with the split they state; none where their names are those of labels.

    Raises DatasetError where some are called after splits and the rest cannot be told.
    """
    stated = [(folder, split) for folder in folders if (split := stated_split(folder.name))]
    if not any(_sub_folders(folder) for folder, _ in stated):
        # "train" may be a label beside "car" and "bus"; "train" and "test" alone are no labels.
        if len(stated) < 2 or len(stated) < len(folders):
            return []
        raise DatasetError(
            f"{image_dir}: its folders {_listed(folders)} are called after splits and hold no "
            f"folders of labels; put the photos of each label into a sub-folder, such as "
            f"{folders[0] / 'daisy'}/"
        )
    others = [d for d in folders if not stated_split(d.name) and _holds_photos(d)]
    if len(stated) == 1 and others:
        return []
    if others:
        raise DatasetError(
            f"{image_dir}: {_listed([folder for folder, _ in stated])} are called after splits, "
            f"and {_listed(others)} beside them would be a label; move it elsewhere, or move all "
            "labels into one of them"
        )
    for folder, _ in stated:
        if not _sub_folders(folder) and _holds_photos(folder):
            raise DatasetError(
                f"{folder}: holds photos but no folders of labels, as the others beside it do; "
                "sort its photos into such folders, or move it elsewhere"
            )
    return [(folder, split) for folder, split in stated if _sub_folders(folder)]


def _only_layout(folders: Sequence[Path]) -> Path | None:
    """The one of `folders` that alone holds photos, all in folders called after splits."""
    within = [d for d in folders if any(_is_layout(inner) for inner in _sub_folders(d))]
    if len(within) != 1 or stated_split(within[0].name):
        return None
    (only,) = within
    all_stated = all(stated_split(d.name) for d in _sub_folders(only))
    alone = not any(_holds_photos(d) for d in folders if d != only)
    return only if all_stated and alone else None


def _is_layout(folder: Path) -> bool:
    return stated_split(folder.name) is not None and bool(_sub_folders(folder))


def _holds_photos(folder: Path) -> bool:
    """Whether there is a photo in the folder, however deep."""
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not passed_over(name)]
        if any(Path(place, name).suffix.lower() in PHOTO_SUFFIXES for name in names):
            return True
    return False


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(folder.name for folder in folders)


def _named(folders: Sequence[Path], split: Split | None) -> list[LabelFolder]:
    of_label: dict[str, Path] = {}
    for path in folders:
        label = label_named(path.name)
        if not is_visible(label):
            raise DatasetError(f"{path}: its name is blank; name the folder after its label")
        if label in of_label:
            raise DatasetError(
                f"{path}: and {of_label[label]} both mean the label {label!r}; put the photos "
                "into one of them"
            )
        of_label[label] = path
    return [LabelFolder(path, label, split) for label, path in of_label.items()]
