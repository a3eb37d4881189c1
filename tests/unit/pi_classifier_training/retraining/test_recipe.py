"""What decides a training's result, and what is told when it is another one's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.features.row_store import Keys
from pi_classifier_training.retraining.recipe import finished, flat, photos_id, recipe_id

NAMES = st.text("ab/.", min_size=1, max_size=4).filter(lambda n: "/" not in n)


def keys(*contents: bytes) -> Keys:
    return np.array([c.ljust(32, b"\x01") for c in contents], "S32")


class TestPhotosId:
    PHOTOS = (Photo(Path("x/daisy/1.jpg"), "daisy"), Photo(Path("x/rose/2.jpg"), "rose"))

    def test_moved_photos_are_the_same_photos(self) -> None:
        moved = [
            Photo(Path("elsewhere") / p.label / "deep" / p.name, p.label) for p in self.PHOTOS
        ]
        assert photos_id(moved, keys(b"a", b"b")) == photos_id(self.PHOTOS, keys(b"a", b"b"))

    @pytest.mark.parametrize(
        ("photos", "contents"),
        [
            (PHOTOS[::-1], (b"b", b"a")),
            (PHOTOS, (b"b", b"a")),
            (PHOTOS[:1], (b"a",)),
            ((PHOTOS[0], Photo(Path("x/rose/3.jpg"), "rose")), (b"a", b"b")),
            ((PHOTOS[0], Photo(Path("x/rose/2.jpg"), "tulip")), (b"a", b"b")),
        ],
    )
    def test_order_names_labels_and_contents_count(
        self, photos: tuple[Photo, ...], contents: tuple[bytes, ...]
    ) -> None:
        same = photos_id(self.PHOTOS, keys(b"a", b"b"))
        assert photos_id(photos, keys(*contents)) != same

    @given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=3),
           st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=3))  # fmt: skip
    @example([("a", "ab")], [("aa", "b")])
    def test_no_other_list_of_photos_reads_the_same(
        self, some: list[tuple[str, str]], others: list[tuple[str, str]]
    ) -> None:
        one, other = (
            photos_id([Photo(Path("x") / name, label) for label, name in pairs],
                      keys(*[b"c"] * len(pairs)))
            for pairs in (some, others)
        )  # fmt: skip
        assert (one == other) == (some == others)

    def test_a_photo_that_cannot_be_read_differs_from_one_that_can(self) -> None:
        unreadable = np.array([b"", b"b"], "S32")
        assert photos_id(self.PHOTOS, unreadable) != photos_id(self.PHOTOS, keys(b"a", b"b"))


class TestRecipeId:
    def test_the_order_of_entries_does_not_matter_their_values_do(self) -> None:
        assert recipe_id({"a": 1, "b": [2, 3]}) == recipe_id({"b": [2, 3], "a": 1})
        assert recipe_id({"a": 1, "b": [2, 3]}) != recipe_id({"a": 1, "b": [3, 2]})
        assert recipe_id({"a": 1}) != recipe_id({"a": 1.5})
        assert recipe_id({"a": None}) != recipe_id({})


NETWORK = {"name": "mobilenet_v1", "width": 0.25, "resolution": 96}
OPTIONS: dict[str, Any] = {"weights": "imagenet", "training": {"epochs": 60, "seed": 1}}


class TestFinished:
    def saved(self, folder: Path, **record: Any) -> Path:
        (folder / "run.json").write_text(
            json.dumps({"network": NETWORK, "options": OPTIONS, "recipe": "r1", **record})
        )
        return folder

    def test_no_run_is_not_finished(self, tmp_path: Path) -> None:
        assert finished(tmp_path, "r1", NETWORK, OPTIONS) is False

    def test_the_same_recipe_is(self, tmp_path: Path) -> None:
        assert finished(self.saved(tmp_path), "r1", {}, {}) is True

    def test_another_one_is_told_by_what_differs(self, tmp_path: Path) -> None:
        self.saved(tmp_path)
        network = {**NETWORK, "width": 0.5}
        options = {"weights": "imagenet", "training": {"epochs": 90, "seed": 1}}
        with pytest.raises(TrainingError) as caught:
            finished(tmp_path, "r2", network, options)
        assert "(width 0.25, now 0.5; training.epochs 60, now 90)" in str(caught.value)
        assert "--force" in str(caught.value)

    def test_where_no_option_differs_it_is_the_photos_or_the_program(self, tmp_path: Path) -> None:
        self.saved(tmp_path)
        with pytest.raises(TrainingError, match="the photos, the starting weights or the program"):
            finished(tmp_path, "r2", NETWORK, OPTIONS)

    def test_an_option_that_the_earlier_run_did_not_know_is_not_told(self, tmp_path: Path) -> None:
        self.saved(tmp_path)
        with pytest.raises(TrainingError, match="the photos, the starting weights or the program"):
            finished(tmp_path, "r2", NETWORK, {**OPTIONS, "new": True})


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({}, {}),
        ({"a": 1, "b": {"c": 2, "d": [3]}}, {"a": 1, "b.c": 2, "b.d": [3]}),
        ({"b": {}}, {}),
    ],
)
def test_options_in_groups_have_names_of_two_parts(
    record: dict[str, Any], found: dict[str, Any]
) -> None:
    assert flat(record) == found


PHOTOS = [Photo(Path("x/daisy/1.jpg"), "daisy"), Photo(Path("x/rose/2.jpg"), "rose")]


def contents(*words: bytes) -> Keys:
    return np.array([word.ljust(32, b".") for word in words], "S32")


def test_photos_are_the_same_wherever_they_lie() -> None:
    first = photos_id(PHOTOS, contents(b"a", b"b"))
    moved = [Photo(Path("elsewhere/deep") / p.name, p.label) for p in PHOTOS]
    assert photos_id(moved, contents(b"a", b"b")) == first
    assert photos_id(PHOTOS, contents(b"a", b"c")) != first
    assert (
        photos_id([PHOTOS[0], Photo(Path("x/rose/3.jpg"), "rose")], contents(b"a", b"b")) != first
    )


@pytest.mark.parametrize("text", ["", "{", "{}"])
def test_a_record_that_is_not_ours_is_never_taken_for_finished(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(TrainingError, match=str(tmp_path)):
        finished(tmp_path, recipe_id({"seed": 1}), {}, {"seed": 1})
