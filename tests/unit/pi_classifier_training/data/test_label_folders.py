"""Folders and the labels that their names mean."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pi_classifier_training.data.label_folders import LabelFolder, label_folders, label_named
from pi_classifier_training.errors import DatasetError


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("daisy", "daisy"),
        ("red ", "red"),
        ("wild  rose", "wild rose"),
        ("gre\u2028en", "gre en"),
        ("gre\nen", "gre en"),
        ("0 fingers", "0 fingers"),
        ("Blaumeise u\u0308", "Blaumeise ü"),
        (os.fsdecode("Blaumeise ü".encode("latin-1")), "Blaumeise ü"),
    ],
)
def test_the_label_of_a_name(name: str, label: str) -> None:
    assert label_named(name) == label


def make_folders(within: Path, *names: str) -> Path:
    for name in names:
        (within / name).mkdir(parents=True)
    return within


def test_labels_within_splits(tmp_path: Path) -> None:
    make_folders(tmp_path, "train/daisy", "train/rose", "valid/rose", ".git", "@eaDir")
    assert label_folders(tmp_path) == [
        LabelFolder(tmp_path / "train/daisy", "daisy", "training"),
        LabelFolder(tmp_path / "train/rose", "rose", "training"),
        LabelFolder(tmp_path / "valid/rose", "rose", "validation"),
    ]


def make_photos(within: Path, *names: str) -> Path:
    """Photos that nobody opens."""
    for name in names:
        (within / name).parent.mkdir(parents=True, exist_ok=True)
        (within / name).touch()
    return within


@pytest.mark.parametrize(
    "folders",
    [
        {"train": "training", "valid": "validation", "test": "test"},
        {"Train": "training", "VAL": "validation", "Testing": "test"},
        {"training": "training", "test": "test"},
        {"train": "training", "validation": "validation"},
        {"train": "training"},
        {"valid": "validation", "test": "test"},
        {"images/train": "training", "images/test": "test"},
        {"train": "training", "training": "training", "test": "test"},
    ],
)
def test_layouts_of_data_sets_that_are_split_already(
    folders: dict[str, str], tmp_path: Path
) -> None:
    for folder in folders:
        make_photos(tmp_path, f"{folder}/red/1.jpg", f"{folder}/blue /deep/2.jpg")
    make_photos(tmp_path, "README.txt", "annotations/list.csv", ".cache/x/1.jpg", "cover.jpg")
    found = label_folders(tmp_path)
    assert [(f.label, f.split) for f in found] == [
        (label, folders[folder]) for folder in sorted(folders) for label in ("blue", "red")
    ]
    assert {f.path.parent for f in found} == {tmp_path / folder for folder in folders}
    one = next(iter(folders))
    assert [f.split for f in label_folders(tmp_path / one)] == [None, None]


@pytest.mark.parametrize(
    "names",
    [
        ("train/red/1.jpg", "daisy/1.jpg"),  # a label called train, with groups in it
        ("train/1.jpg", "bus/1.jpg", "car/1.jpg"),
        ("train/1.jpg", "test/1.jpg", "car/1.jpg"),
        ("images/1.jpg", "red/train/1.jpg"),
        ("images/train/red/1.jpg", "daisy/1.jpg"),
        ("images/train/red/1.jpg", "images/daisy/1.jpg"),
    ],
)
def test_other_folders_called_so_are_labels(names: tuple[str, ...], tmp_path: Path) -> None:
    make_photos(tmp_path, *names)
    expected = sorted({name.split("/")[0] for name in names})
    assert [(f.label, f.split) for f in label_folders(tmp_path)] == [(e, None) for e in expected]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("train/1.jpg", "test/1.jpg"), "test, train are called after splits and hold no folders"),
        (("train/red/1.jpg", "test/1.jpg"), "test: holds photos but no folders of labels"),
        (
            ("train/red/1.jpg", "test/red/1.jpg", "more/1.jpg"),
            "test, train are called after splits, and more beside them would be a label",
        ),
    ],
)
def test_layouts_that_cannot_be_told_are_refused(
    names: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=says):
        label_folders(make_photos(tmp_path, *names))


def test_the_folder_of_one_label_is_known_by_those_beside_it(tmp_path: Path) -> None:
    make_photos(tmp_path, "photos/daisy/1.jpg", "photos/rose/1.jpg", "alone/1.jpg")
    with pytest.raises(DatasetError, match=f"give the folder above it, {tmp_path}/photos$"):
        label_folders(tmp_path / "photos" / "daisy")
    with pytest.raises(DatasetError, match="put the photos of each label into a sub-folder"):
        label_folders(make_folders(tmp_path, "empty") / "empty")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("red", "red "), "both mean the label 'red'"),
        (("red", "\u2028"), "name is blank"),
        ((), "has no sub-folders"),
        ((".git",), "has no sub-folders"),
    ],
)
def test_names_that_mean_no_label(names: tuple[str, ...], says: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=says):
        label_folders(make_folders(tmp_path, *names))
