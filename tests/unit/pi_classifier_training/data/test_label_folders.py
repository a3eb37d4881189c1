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


@pytest.mark.parametrize(
    "names",
    [
        ("train/red", "daisy"),  # a label called train
        ("train", "test/daisy"),  # photos lie in train itself
        ("train/red",),
        ("valid/red", "test/red"),
    ],
)
def test_other_folders_called_so_are_labels(names: tuple[str, ...], tmp_path: Path) -> None:
    make_folders(tmp_path, *names)
    expected = sorted({name.split("/")[0] for name in names})
    assert [(f.label, f.split) for f in label_folders(tmp_path)] == [(e, None) for e in expected]


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
