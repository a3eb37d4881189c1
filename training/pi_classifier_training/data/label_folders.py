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

    Where all its sub-folders are called after splits, such as ``train``, ``valid`` and
    ``test``, labels are the folders within those. Raises DatasetError when the folder is
    missing or has none, or two names mean the same label.
    """
    if not image_dir.is_dir():
        raise DatasetError(
            f"{image_dir}: no such folder; --image-dir takes a folder with one sub-folder "
            "of photos per label"
        )
    folders = _sub_folders(image_dir)
    if not folders:
        raise DatasetError(
            f"{image_dir}: has no sub-folders; put the photos of each label into a "
            f"sub-folder named after it, such as {image_dir / 'daisy'}/"
        )
    splits = _split_folders(folders)
    if splits is None:
        return _named(folders, None)
    return [label for folder, split in splits for label in _named(_sub_folders(folder), split)]


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


def _split_folders(folders: Sequence[Path]) -> list[tuple[Path, Split]] | None:
    """The folders with the split they state, if all do and hold folders themselves."""
    splits = [(folder, split) for folder in folders if (split := stated_split(folder.name))]
    complete = len(splits) == len(folders) > 1 and all(_sub_folders(f) for f in folders)
    return splits if complete and "training" in dict(splits).values() else None


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
