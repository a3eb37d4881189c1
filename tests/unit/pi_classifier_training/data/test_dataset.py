"""The split of photos, drawing from labels, squeezing: rules that must never change."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.data.dataset import (
    Photo,
    decode,
    evenly_over_labels,
    labels_of,
    require_trainable,
    scan,
    squeeze,
)
from pi_classifier_training.data.earlier_splits import earlier_splits
from pi_classifier_training.data.label_folders import PHOTO_SUFFIXES
from pi_classifier_training.data.splits import SPLITS, SplitRule
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.evaluation.labeling import match_labels
from PIL import Image

from pi_classifier.modelfile.labels import label_text, parse_labels


class TestPhoto:
    def test_names_its_file_and_its_split(self) -> None:
        photo = Photo(Path("photos/daisy/deep/a.jpg"), "daisy")
        assert photo.path == Path("photos/daisy/deep/a.jpg")
        assert photo.path_text == "photos/daisy/deep/a.jpg"
        assert (photo.folder, photo.name, photo.label) == ("photos/daisy/deep", "a.jpg", "daisy")

    def test_is_equal_however_it_was_made_and_shares_its_folders_name(self) -> None:
        one, other = (Photo(Path(f"photos/daisy/{n}.jpg"), "daisy") for n in "ab")
        assert Photo.of("photos/daisy", "a.jpg", "daisy", "training") == one
        assert one != other
        assert one.folder is other.folder
        assert one.label is other.label

    def test_labels_are_sorted_and_once_each(self) -> None:
        photos = [Photo(Path("x.jpg"), label) for label in ("rose", "daisy", "Äpfel", "rose")]
        assert labels_of(photos) == ("daisy", "rose", "Äpfel")


class TestTrainable:
    def photos(self, **counts: int) -> list[Photo]:
        """So many photos of each label and split, named ``label_split``."""
        found = []
        for key, count in counts.items():
            label, split = key.rsplit("_", 1)
            (own,) = (known for known in SPLITS if known == split)
            found += [Photo(Path(label) / f"{i}.jpg", label, own) for i in range(count)]
        return found

    def test_one_of_each_is_enough(self) -> None:
        one = {
            f"{label}_{split}": 1 for label in "ab" for split in ("training", "validation", "test")
        }
        assert require_trainable(self.photos(**one)) == ("a", "b")

    @pytest.mark.parametrize("lacking", ["training", "validation", "test"])
    def test_a_label_that_lacks_a_split_is_named_with_its_counts(self, lacking: str) -> None:
        counts = {"training": 3, "validation": 2, "test": 1} | {lacking: 0}
        sound = {f"a_{split}": 1 for split in counts}
        poor = {f"b_{split}": n for split, n in counts.items()}
        said = ", ".join(f"{n} {split}" for split, n in counts.items())
        with pytest.raises(DatasetError, match=rf"test with: b \({said}\)\. Every label"):
            require_trainable(self.photos(**sound, **poor))


class TestDrawing:
    @given(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=40),
        st.sampled_from([1, 2, 5, 40, 41]),
        st.integers(0, 3),
    )
    def test_as_many_of_every_label_as_there_are_up_to_a_number(
        self, labels: list[str], most: int, seed: int
    ) -> None:
        chosen = evenly_over_labels(labels, most, seed)
        assert len(set(chosen)) == len(chosen)
        drawn, given_ = Counter(labels[i] for i in chosen), Counter(labels)
        assert drawn == {label: min(most, n) for label, n in given_.items()}

    def test_labels_come_mixed(self) -> None:
        chosen = evenly_over_labels(["a"] * 50 + ["b"] * 50, 50, seed=1)
        assert sorted(chosen) == list(range(100))
        # Of the first half about half are of each: not one label after the other.
        assert 10 < sum(i < 50 for i in chosen[:50]) < 40


class TestDecoding:
    def test_a_squeeze_keeps_places_and_colors(self) -> None:
        image = np.zeros((20, 40, 3), np.uint8)
        image[:, 20:] = (255, 0, 0)
        squeezed = squeeze(8)(image)
        assert squeezed.shape == (8, 8, 3)
        assert squeezed[:, :3].max() == 0
        assert (squeezed[:, 5:] == (255, 0, 0)).all()

    def test_every_photo_has_its_label_and_its_shape(self, tmp_path: Path) -> None:
        photos = []
        for label, size in (("b", (30, 10)), ("a", (10, 40))):
            (tmp_path / label).mkdir()
            Image.new("RGB", size, (10, 20, 30)).save(tmp_path / label / "x.png")
            photos.append(Photo(tmp_path / label / "x.png", label))
        images = decode(photos, ("a", "b"), squeeze(4), 4)
        assert len(images) == 2
        assert images.indices.tolist() == [1, 0]
        assert images.aspects.tolist() == [3.0, 0.25]
        assert (images.pixels[:] == (10, 20, 30)).all()
        assert images.pixels[:].dtype == np.uint8

    def test_no_photos_are_no_photos(self) -> None:
        images = decode([], ("a",), squeeze(4), 4)
        assert len(images) == 0
        assert images.pixels.shape == (0, 4, 4, 3)


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
    (tmp_path / "daisy").mkdir()
    for suffix in PHOTO_SUFFIXES:
        make_photo(tmp_path / "new.png").rename(tmp_path / "daisy" / f"a{suffix}")
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


def test_a_file_is_no_folder_and_a_folder_is_given_once(tmp_path: Path) -> None:
    photos = make_set(tmp_path / "photos", per_label=3)
    (tmp_path / "same").symlink_to(photos)
    with pytest.raises(DatasetError, match=r"same: is the same folder as .*photos; give every"):
        scan([photos, tmp_path / "same"])
    (tmp_path / "list.txt").touch()
    with pytest.raises(DatasetError, match=r"list\.txt: is a file; --image-dir takes a folder"):
        scan([tmp_path / "list.txt"])


def test_a_copy_under_another_label_stays_in_its_split(tmp_path: Path) -> None:
    make_photo(tmp_path / "daisy" / "same.png")
    make_photo(tmp_path / "rose" / "same.png")
    first, second = scan([tmp_path])
    assert first.split == second.split


def test_thirty_photos_give_every_split_its_due_whatever_their_names(tmp_path: Path) -> None:
    for run in range(5):
        for label in "ab":
            for i in range(30):
                make_photo(tmp_path / str(run) / label / f"{run}{label}{i}.png", size=(2, 2))
        photos = scan([tmp_path / str(run)])
        assert require_trainable(photos) == ("a", "b")
        counts = Counter((p.label, p.split) for p in photos)
        for label in "ab":
            assert [counts[label, split] for split in SPLITS] == [24, 3, 3]


def test_a_folder_has_the_same_split_whatever_is_named_beside_it(tmp_path: Path) -> None:
    one, other = make_set(tmp_path / "one", 20), make_set(tmp_path / "other", 14)
    assert scan([one, other]) == scan([one]) + scan([other])
    # Three folders with one photo each of a label: together they can be trained with.
    thirds = [tmp_path / f"third {i}" for i in range(3)]
    for i, third in enumerate(thirds):
        for label in "ab":
            make_photo(third / label / f"{i}.png", size=(2, 2))
    assert {p.split for p in scan([thirds[0]])} == {"training"}
    assert require_trainable(scan(thirds)) == ("a", "b")


def test_photos_made_as_earlier_models_had_them_are_split_over_all_folders(tmp_path: Path) -> None:
    folders = [make_set(tmp_path / name, 3) for name in ("one", "other")]
    photos = scan(folders, SplitRule(earlier=True))
    splits = earlier_splits([(p.name, p.label, None) for p in photos])
    assert [p.split for p in photos] == splits


def test_folders_that_state_the_split_are_obeyed(tmp_path: Path) -> None:
    for part in ("train", "valid", "Test"):
        for label in ("daisy", "rose"):
            for i in range(4):
                make_photo(tmp_path / part / label / f"{i}.png")
    photos = scan([tmp_path])
    assert labels_of(photos) == ("daisy", "rose")
    stated = {"train": "training", "valid": "validation", "Test": "test"}
    assert all(p.split == stated[p.path.parts[-3]] for p in photos)


def test_other_programs_folders_and_circles_hold_no_photos(tmp_path: Path) -> None:
    make_photo(tmp_path / "daisy" / "a.png")
    make_photo(tmp_path / "daisy" / "@eaDir" / "a.png" / "SYNOPHOTO_THUMB_M.jpg")
    make_photo(tmp_path / "rose" / "deep" / "b.png")
    make_photo(tmp_path / "__MACOSX" / "daisy" / "._a.png")
    for name, target in (("up", ".."), ("here", "."), ("rose", "../rose")):
        (tmp_path / "daisy" / name).symlink_to(target)
    (tmp_path / "rose" / "deep" / "around").symlink_to("../../daisy")
    (tmp_path / "daisy" / "itself").symlink_to("itself")
    names = [(p.label, p.name) for p in scan([tmp_path])]
    # Folders that links lead to count, but none twice within itself.
    assert names == [
        ("daisy", "a.png"), ("daisy", "b.png"), ("rose", "b.png"), ("rose", "a.png"),
    ]  # fmt: skip


def test_one_label_is_refused(tmp_path: Path) -> None:
    make_photo(tmp_path / "daisy" / "1.png")
    with pytest.raises(DatasetError, match=r"only one label \(daisy\)"):
        require_trainable(scan([tmp_path]))


def test_a_folder_around_the_labels_is_told(tmp_path: Path) -> None:
    make_set(tmp_path / "flowers", 3)
    with pytest.raises(DatasetError, match=f"are the labels, give {tmp_path}/flowers$"):
        require_trainable(scan([tmp_path]))


@pytest.mark.parametrize(
    ("folders", "labels"),
    [
        # Sorted as text, and with numbers that belong to the names.
        ([f"{i} {name}" for i, name in enumerate("abcdefghijk")], None),
        (["0 fingers", "1 fingers", "2 fingers"], None),
        (["1 cent", "2 cent"], None),
        (["red ", "green", " blue"], ("blue", "green", "red")),
        (["gre\u2028en", "re\nd", "bl\tue"], ("bl ue", "gre en", "re d")),
        ([os.fsdecode("Blüte".encode("latin-1")), "Rose"], ("Blüte", "Rose")),
        (["u\u0308ber", "unter"], ("unter", "über")),
        (["a:b", "c\\d", "'e'", '"f"'], ('"f"', "'e'", "a:b", "c\\d")),
        (["{x}", "[y]", "item {"], ("[y]", "item {", "{x}")),
        (["- a", "- b"], None),
    ],
)
def test_any_names_of_folders_become_labels_that_a_file_keeps(
    folders: list[str], labels: tuple[str, ...] | None, tmp_path: Path
) -> None:
    for folder in folders:
        for i in range(3):
            make_photo(tmp_path / folder / f"{i}.png", size=(2, 2))
    photos = scan([tmp_path])
    known = require_trainable(photos)
    assert known == (labels or tuple(sorted(folders)))
    assert parse_labels(label_text(known).encode(), "labels.txt") == known
    assert match_labels(photos, known, "model") == photos


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
