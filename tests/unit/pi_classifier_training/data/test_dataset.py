"""The split of photos, drawing from labels, squeezing: rules that must never change."""

from __future__ import annotations

import hashlib
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
    split_of,
    squeeze,
)
from pi_classifier_training.errors import DatasetError
from PIL import Image


def percent_of(name: str) -> float:
    """Where a name's hash lies between 0 and 100, by exact arithmetic."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) * 100 / 16**16


class TestSplit:
    @given(st.integers(0, 10**6))
    def test_a_tenth_by_hash_is_for_tests_and_the_next_for_validation(self, number: int) -> None:
        name = f"IMG_{number}.jpg"
        percent = percent_of(name)
        expected = "test" if percent < 10 else "validation" if percent < 20 else "training"
        assert split_of(name) == expected

    def test_names_close_to_the_borders(self) -> None:
        """Of 20,000 names those whose hash is nearest to 10 and 20 percent, on either side."""
        names = sorted((f"{i}.jpg" for i in range(20_000)), key=percent_of)
        for border, below, above in ((10, "test", "validation"), (20, "validation", "training")):
            at = next(i for i, name in enumerate(names) if percent_of(name) >= border)
            assert (split_of(names[at - 1]), split_of(names[at])) == (below, above)

    @given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
    def test_all_frames_of_a_video_share_their_split(
        self, video: str, one: str, other: str
    ) -> None:
        assert split_of(f"{video}@video-{one}.jpg") == split_of(f"{video}@video-{other}")

    def test_the_folder_and_the_label_play_no_part(self) -> None:
        photos = [Photo(Path(f"{d}/{label}/x7.jpg"), label) for d in "ab" for label in ("c", "d")]
        assert {photo.split for photo in photos} == {split_of("x7.jpg")}

    def test_a_name_that_is_no_text_has_a_split_too(self) -> None:
        assert split_of(b"caf\xe9.jpg".decode("utf-8", "surrogateescape")) == "training"


class TestPhoto:
    def test_names_its_file_and_its_split(self) -> None:
        photo = Photo(Path("photos/daisy/deep/a.jpg"), "daisy")
        assert photo.path == Path("photos/daisy/deep/a.jpg")
        assert photo.path_text == "photos/daisy/deep/a.jpg"
        assert (photo.folder, photo.name, photo.label) == ("photos/daisy/deep", "a.jpg", "daisy")

    def test_is_equal_however_it_was_made_and_shares_its_folders_name(self) -> None:
        one, other = (Photo(Path(f"photos/daisy/{n}.jpg"), "daisy") for n in "ab")
        assert Photo.of("photos/daisy", "a.jpg", "daisy") == one
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
            names = (f"{i}.jpg" for i in range(10**6))
            own = (name for name in names if split_of(name) == split)
            found += [Photo(Path(label) / next(own), label) for _ in range(count)]
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
        assert (images.pixels == (10, 20, 30)).all()
        assert images.pixels.dtype == np.uint8

    def test_no_photos_are_no_photos(self) -> None:
        images = decode([], ("a",), squeeze(4), 4)
        assert len(images) == 0
        assert images.pixels.shape == (0, 4, 4, 3)
