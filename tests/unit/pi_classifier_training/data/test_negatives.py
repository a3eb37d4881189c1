"""Photos of nothing: what one source is, and that none lies in two splits."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.data.negatives import (
    Negatives,
    NegativeSource,
    negative_photos,
    negative_sources,
    recorded_negatives,
    source_splits,
)
from pi_classifier_training.errors import DatasetError


def made(root: Path, counts: Mapping[str, int]) -> Path:
    """Folders of so many photos, which only have to be there."""
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (root / folder / f"{number}.jpg").touch()
    return root


def own_photos(root: Path, *labels: str) -> list[Photo]:
    """A photo of each label, unlike all of `made`."""
    photos = []
    for label in labels:
        (root / label).mkdir(parents=True)
        (root / label / "1.jpg").write_text(label)
        photos.append(Photo(root / label / "1.jpg", label))
    return photos


def sources_of(sizes: Mapping[str, int]) -> list[NegativeSource]:
    return [
        NegativeSource("other", name, tuple((name, f"{i}.jpg") for i in range(size)))
        for name, size in sizes.items()
    ]


class TestSources:
    def test_a_sub_folder_is_one_however_deep_it_goes(self, tmp_path: Path) -> None:
        made(tmp_path / "other", {"street": 2, "street/night": 3, "desk": 1})
        sources = negative_sources([tmp_path / "other"])
        assert [(s.name, len(s)) for s in sources] == [("desk", 1), ("street", 5)]

    def test_photos_beside_folders_are_sources_but_frames_of_a_video(self, tmp_path: Path) -> None:
        made(tmp_path, {".": 2})
        for time in ("0001", "0002"):
            (tmp_path / f"walk@video-{time}.jpg").touch()
        assert sorted(len(s) for s in negative_sources([tmp_path])) == [1, 1, 2]

    def test_folders_of_folders_are_looked_through(self, tmp_path: Path) -> None:
        made(
            tmp_path, {"set/train/street": 4, "set/val/street": 1, "set/train/desk": 2, "pens": 3}
        )
        found = {s.name: len(s) for s in negative_sources([tmp_path])}
        assert found == {"pens": 3, "set/desk": 2, "set/street": 5}

    def test_what_two_folders_share_counts_once(self, tmp_path: Path) -> None:
        made(tmp_path, {"a": 2, "b": 3})
        assert sum(map(len, negative_sources([tmp_path, tmp_path / "b"]))) == 5

    @pytest.mark.parametrize("name", ["missing", "empty"])
    def test_a_folder_without_photos_is_refused(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "empty" / "deep").mkdir(parents=True)
        with pytest.raises(DatasetError, match=f"{name}.*expected"):
            negative_sources([tmp_path / name])


class TestSplits:
    @given(
        st.dictionaries(
            st.text("abcdef", min_size=1, max_size=4), st.integers(1, 400), min_size=3, max_size=40
        )
    )
    def test_no_split_is_empty(self, sizes: dict[str, int]) -> None:
        assert set(source_splits(sources_of(sizes))) == {"training", "validation", "test"}

    def test_shares_are_exact_where_sources_are_small(self) -> None:
        splits = source_splits(sources_of({f"place {i}": 5 for i in range(100)}))
        assert Counter(splits) == {"training": 80, "validation": 10, "test": 10}

    def test_a_further_source_moves_few(self) -> None:
        sizes = {f"place {i}": 5 for i in range(60)}
        before = source_splits(sources_of(sizes))
        after = source_splits(sources_of(sizes | {"one more": 5}))
        assert sum(a != b for a, b in zip(before, after, strict=False)) <= 2

    def test_a_large_collection_trains_where_small_ones_suffice(self) -> None:
        sizes = {f"place {i}": 4 for i in range(50)} | {"collection": 300}
        assert source_splits(sources_of(sizes))[-1] == "training"

    def test_one_large_source_leaves_the_others_their_splits(self) -> None:
        sources = sources_of({"huge": 950, "small": 25, "tiny": 20})
        splits = source_splits(sources)
        assert splits[0] == "training"
        assert set(splits[1:]) == {"validation", "test"}


class TestPhotos:
    def test_a_source_lies_in_one_split(self, tmp_path: Path) -> None:
        made(tmp_path, {f"place {i}": 6 for i in range(12)})
        photos = negative_photos([tmp_path])
        assert {p.label for p in photos} == {"background"}
        splits = {p.folder: {q.split for q in photos if q.folder == p.folder} for p in photos}
        assert all(len(own) == 1 for own in splits.values())
        assert len(photos) == 72

    def test_photos_of_one_place_are_split_singly_and_that_is_said(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        made(tmp_path / "other", {"kitchen": 20})
        with caplog.at_level(logging.WARNING):
            photos = negative_photos([tmp_path / "other"], "nothing")
        assert Counter(p.split for p in photos) == {"training": 16, "validation": 2, "test": 2}
        assert {p.label for p in photos} == {"nothing"}
        assert "other: all its photos come from kitchen" in caplog.text

    def test_a_folder_is_split_alike_whatever_is_named_beside_it(self, tmp_path: Path) -> None:
        first = made(tmp_path / "a", {f"place {i}": 6 for i in range(12)})
        second = made(tmp_path / "b", {f"room {i}": 9 for i in range(5)})
        together = negative_photos([second, first])
        assert together == negative_photos([second]) + negative_photos([first])
        first.rename(tmp_path / "renamed")
        renamed = negative_photos([tmp_path / "renamed"])
        assert [p.split for p in renamed] == [p.split for p in together[-72:]]

    def test_two_photos_are_too_few(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="2 photos of nothing are too few"):
            negative_photos([made(tmp_path, {"kitchen": 2})])


class TestJoining:
    def test_they_join_the_silent_label_that_is_there(self, tmp_path: Path) -> None:
        own = own_photos(tmp_path / "photos", "daisy", "Nothing")
        folder = made(tmp_path / "other", {f"place {i}": 3 for i in range(4)})
        negatives = Negatives.joining(own, [tmp_path / "photos"], [folder])
        assert {p.label for p in negatives.photos} == {"Nothing"}
        record = negatives.record()["negatives"]
        assert (record["name"], record["label"]) == ("other", "Nothing")
        assert (record["photos"], record["sources"]) == (12, 4)
        assert sum(record["counts"].values()) == 12

    def test_a_source_called_after_a_label_is_left_out_and_said(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        own = own_photos(tmp_path / "photos", "Sea-lions", "roses", "none")
        names = {"set/sea_lion": 4, "roses": 2, "none": 3, "rosewood": 3, "lions": 3}
        negatives = Negatives.joining(own, [], [made(tmp_path / "other", names)])
        assert {Path(p.folder).name for p in negatives.photos} == {"none", "rosewood", "lions"}
        assert len(negatives.sources) == 3
        assert set(negatives.places()) == {(p.folder, p.name) for p in negatives.photos}
        assert "other/set/sea_lion (4 photos)" in caplog.text
        assert "other/roses (2 photos)" in caplog.text

    def test_a_source_stays_one_whichever_of_its_photos_is_a_copy(self, tmp_path: Path) -> None:
        own = own_photos(tmp_path / "photos", "daisy", "rose")
        folder = made(tmp_path / "other", {f"place {i}": 3 for i in range(4)})
        (folder / "place 1" / "0.jpg").write_text("daisy")
        negatives = Negatives.joining(own, [tmp_path / "photos"], [folder])
        assert (len(negatives.photos), len(negatives.sources)) == (11, 4)
        places = negatives.places()
        assert {places[p.folder, p.name] for p in negatives.photos} == {
            f"{folder}/place {i}" for i in range(4)
        }

    def test_without_folders_there_are_none(self) -> None:
        assert not Negatives.joining([], [], []).photos
        assert Negatives().record() == {}

    @pytest.mark.parametrize("inside", ["photos", "photos/negatives"])
    def test_a_folder_of_the_users_own_is_refused(self, tmp_path: Path, inside: str) -> None:
        made(tmp_path / inside, {"a": 3, "b": 3, "c": 3})
        with pytest.raises(DatasetError, match="whose folders are labels"):
            Negatives.joining([], [tmp_path / "photos"], [tmp_path / inside])

    def test_a_run_finds_them_again_or_says_that_they_are_gone(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        folder = made(tmp_path / "other", {f"place {i}": 3 for i in range(4)})
        data = {"negatives": {"label": "nothing"}}
        run = {"negatives": [str(folder)], "data": data, "labels": ["daisy", "nothing"]}
        assert recorded_negatives(run) == tuple(negative_photos([folder], "nothing"))
        assert recorded_negatives({"data": {}}) == ()
        folder.rename(tmp_path / "elsewhere")
        assert recorded_negatives(run) == ()
        assert "there is no such folder any more" in caplog.text
