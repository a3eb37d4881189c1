"""Folders of photos, their split, and what is done about bad ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.data.dataset import (
    PHOTO_SUFFIXES,
    decode,
    evenly_over_labels,
    require_trainable,
    scan,
    split_of,
    squeeze,
)
from pi_classifier_training.errors import DatasetError
from PIL import Image


def make_photo(path: Path, color: str = "red", size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)
    return path


def make_set(folder: Path, per_label: int = 60) -> Path:
    for label, color in (("cyan", "cyan"), ("magenta", "magenta")):
        for i in range(per_label):
            make_photo(folder / label / f"{label}{i}.png", color, (8, 8))
    return folder


def test_scan_lists_photos_with_the_label_of_their_folder(tmp_path: Path) -> None:
    for suffix in PHOTO_SUFFIXES:
        make_photo(tmp_path / "daisy" / f"a{suffix}")
    make_photo(tmp_path / "rose" / "deep" / "B.JPG")
    (tmp_path / "rose" / "notes.txt").write_text("not a photo")
    make_photo(tmp_path / ".thumbnails" / "x.jpg")
    photos = scan([tmp_path])
    assert [p.label for p in photos] == ["daisy"] * len(PHOTO_SUFFIXES) + ["rose"]
    assert photos[-1].path.name == "B.JPG"


def test_scan_joins_several_folders(tmp_path: Path) -> None:
    make_photo(tmp_path / "a" / "daisy" / "1.png")
    make_photo(tmp_path / "b" / "daisy" / "2.png")
    assert [p.path.name for p in scan([tmp_path / "a", tmp_path / "b"])] == ["1.png", "2.png"]


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda d: None, "has no sub-folders"),
        (shutil.rmtree, "no such folder"),
        (lambda d: (d / "daisy").mkdir(), "daisy: holds no photos"),
    ],
)
def test_scan_explains_what_is_wrong(tmp_path: Path, prepare: object, says: str) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    prepare(folder)  # type: ignore[operator]
    with pytest.raises(DatasetError, match=says) as caught:
        scan([folder])
    assert str(folder) in str(caught.value)
    assert caught.value.exit_code == 65


@given(st.text(min_size=1, max_size=30))
def test_split_depends_on_the_file_name_alone(name: str) -> None:
    assert split_of(name) == split_of(name)
    assert split_of(name) in ("training", "validation", "test")


def test_split_shares_are_as_stated() -> None:
    splits = [split_of(f"photo{i}.jpg") for i in range(20_000)]
    assert abs(splits.count("test") / len(splits) - 0.10) < 0.006
    assert abs(splits.count("validation") / len(splits) - 0.10) < 0.006


def test_split_is_pinned_for_ever() -> None:
    # Changing the rule would move test photos into training between two versions.
    assert [split_of(f"photo{i}.jpg") for i in (8, 10)] == ["test", "test"]
    assert [split_of(f"photo{i}.jpg") for i in (1, 4)] == ["validation", "validation"]
    assert [split_of(f"photo{i}.jpg") for i in (0, 2)] == ["training", "training"]


def test_a_copy_under_another_label_stays_in_its_split(tmp_path: Path) -> None:
    make_photo(tmp_path / "daisy" / "same.png")
    make_photo(tmp_path / "rose" / "same.png")
    first, second = scan([tmp_path])
    assert first.split == second.split


def test_one_label_is_refused(tmp_path: Path) -> None:
    make_photo(tmp_path / "daisy" / "1.png")
    with pytest.raises(DatasetError, match=r"only one label \(daisy\)"):
        require_trainable(scan([tmp_path]))


def test_too_few_photos_name_the_label(tmp_path: Path) -> None:
    make_set(tmp_path)
    make_photo(tmp_path / "yellow" / "1.png")
    with pytest.raises(DatasetError, match=r"too few photos.*yellow"):
        require_trainable(scan([tmp_path]))


def test_decode_leaves_unreadable_photos_out_and_lists_them(tmp_path: Path) -> None:
    make_photo(tmp_path / "daisy" / "a.png", "red")
    (tmp_path / "daisy" / "b.png").write_text("no photo")
    make_photo(tmp_path / "rose" / "c.png", "blue", (30, 60))
    images = decode(scan([tmp_path]), ("daisy", "rose"), squeeze(16), 16)
    assert [p.path.name for p in images.photos] == ["a.png", "c.png"]
    assert images.indices.tolist() == [0, 1]
    assert images.aspects.tolist() == pytest.approx([40 / 30, 0.5])
    assert images.pixels.shape == (2, 16, 16, 3)
    assert images.pixels[0].mean(axis=(0, 1)).tolist() == [255, 0, 0]
    assert len(images.unreadable) == 1
    assert "b.png" in images.unreadable[0]


def test_photos_are_drawn_evenly_over_labels() -> None:
    labels = ["many"] * 12 + ["one"]
    chosen = evenly_over_labels(labels, 5, seed=1)
    assert sorted(labels[i] for i in chosen) == ["many"] * 5 + ["one"]
    assert len(set(chosen)) == 6
    assert chosen == evenly_over_labels(labels, 5, seed=1)
    assert chosen != evenly_over_labels(labels, 5, seed=2)
