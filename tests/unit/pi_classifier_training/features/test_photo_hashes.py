"""Hashes of photos, taken once for every state of a file."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.features import photo_hashes
from pi_classifier_training.features.photo_hashes import hash_photos
from pi_classifier_training.features.row_store import KEY_BYTES, RowStore

HOUR_NS = 3600 * 10**9


@pytest.fixture
def known(tmp_path: Path) -> Iterator[RowStore]:
    store = RowStore(tmp_path / "cache", "contents", KEY_BYTES)
    yield store
    store.close()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour has passed: files just written count as settled."""
    now_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + HOUR_NS)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that are read, in order."""
    names: list[str] = []
    exact = photo_hashes._digest

    def noted(photo: Photo) -> bytes:
        names.append(photo.name)
        return exact(photo)

    monkeypatch.setattr(photo_hashes, "_digest", noted)
    return names


def photo(folder: Path, name: str, content: bytes) -> Photo:
    path = folder / "photos" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return Photo(path, "label")


def test_are_the_sha256_of_the_files(tmp_path: Path, known: RowStore) -> None:
    contents = [b"", b"a", b"b" * 10**6]
    photos = [photo(tmp_path, f"{i}.jpg", c) for i, c in enumerate(contents)]
    expected = [hashlib.sha256(c).digest() for c in contents]
    # numpy cuts trailing zero bytes off.
    assert [k.ljust(32, b"\0") for k in hash_photos(photos, known)] == expected


def test_an_unchanged_file_is_read_once(
    tmp_path: Path, known: RowStore, later: None, read: list[str]
) -> None:
    photos = [photo(tmp_path, f"{i}.jpg", bytes([i])) for i in range(3)]
    first = hash_photos(photos, known)
    assert read == ["0.jpg", "1.jpg", "2.jpg"]
    assert (hash_photos(photos[::-1], known) == first[::-1]).all()
    assert len(read) == 3


def test_a_file_changed_in_place_is_read_again(
    tmp_path: Path, known: RowStore, later: None, read: list[str]
) -> None:
    (one, other) = (photo(tmp_path, name, b"old") for name in ("a.jpg", "b.jpg"))
    hash_photos([one, other], known)
    one.path.write_bytes(b"new")
    # As long as before, and another time: an hour ago.
    stat = one.path.stat()
    os.utime(one.path, ns=(stat.st_atime_ns, stat.st_mtime_ns - HOUR_NS))
    hashes = hash_photos([one, other], known)
    assert read == ["a.jpg", "b.jpg", "a.jpg"]
    assert hashes[0] == hashlib.sha256(b"new").digest()


def test_a_file_of_just_now_is_never_relied_on(
    tmp_path: Path, known: RowStore, read: list[str]
) -> None:
    fresh = photo(tmp_path, "a.jpg", b"first")
    hash_photos([fresh], known)
    hash_photos([fresh], known)
    assert read == ["a.jpg", "a.jpg"]
    assert len(known) == 0


def test_the_same_file_twice_in_a_list_is_noted_once(
    tmp_path: Path, known: RowStore, later: None
) -> None:
    one = photo(tmp_path, "a.jpg", b"x")
    first, second = hash_photos([one, one], known)
    assert first == second
    assert len(known) == 1


def test_a_file_that_cannot_be_read_has_none_and_is_tried_again(
    tmp_path: Path, known: RowStore, later: None
) -> None:
    one, gone = photo(tmp_path, "a.jpg", b"x"), photo(tmp_path, "b.jpg", b"y")
    gone.path.unlink()
    gone.path.mkdir()  # something is there, and no file
    assert hash_photos([one, gone], known).tolist() == [hashlib.sha256(b"x").digest(), b""]
    assert len(known) == 1
    gone.path.rmdir()
    gone.path.write_bytes(b"y")
    assert hash_photos([gone], known).tolist() == [hashlib.sha256(b"y").digest()]
