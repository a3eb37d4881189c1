"""A folder that a model was trained on is known again; any other is not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.data.photo_sketch import (
    SKETCHED,
    any_sketched,
    recorded_sketch,
    sketch,
)


def make_photos(folder: Path, numbers: range) -> list[Photo]:
    """Files that nobody decodes."""
    folder.mkdir()
    for number in numbers:
        (folder / f"{number}.jpg").write_text(str(number))
    return [Photo(folder / f"{number}.jpg", "red") for number in numbers]


def digests(numbers: range) -> list[bytes]:
    return [hashlib.sha256(str(number).encode()).digest() for number in numbers]


def test_it_has_the_smallest_and_no_unreadable_photos() -> None:
    known = sketch([*digests(range(500)), b"\0" * 32])
    assert len(known) == SKETCHED
    assert known == sorted(d[:8].hex() for d in digests(range(500)))[:SKETCHED]
    assert sketch(digests(range(3)) * 2) == sorted(d[:8].hex() for d in digests(range(3)))


def test_a_folder_of_the_same_photos_is_known_whatever_they_are_called(tmp_path: Path) -> None:
    known = frozenset(sketch(digests(range(500))))
    make_photos(tmp_path / "again", range(500))
    renamed = [photo.path.rename(photo.path.with_suffix(".png")) for photo in make_photos(
        tmp_path / "moved", range(500))]  # fmt: skip
    assert any_sketched([Photo(path, "blue") for path in renamed], known)
    assert not any_sketched(make_photos(tmp_path / "other", range(500, 700)), known)


def test_a_fifth_of_the_photos_among_others_is_found(tmp_path: Path) -> None:
    known = frozenset(sketch(digests(range(500))))
    mixed = make_photos(tmp_path / "mixed", range(400, 900))
    assert any_sketched(mixed, known)
    (gone := mixed[0].path).unlink()
    assert not gone.exists()
    assert not any_sketched(mixed[:1], known)


@pytest.mark.parametrize(
    ("training", "known"),
    [
        ({}, frozenset()),
        ({"data": 1}, frozenset()),
        ({"data": {"photo_sketch": "ab"}}, frozenset()),
        ({"data": {"photo_sketch": ["ab", "cd"]}}, {"ab", "cd"}),
    ],
)
def test_it_is_read_from_what_a_file_says(training: dict[str, object], known: set[str]) -> None:
    assert recorded_sketch(training) == known
