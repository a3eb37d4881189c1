"""Decoded photos in a file: read as an array would be, never held or left behind."""

from __future__ import annotations

import gc
import resource
import tempfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.data.stored_pixels import Rows, StoredPixels, large_files_dir

PHOTOS = np.random.default_rng(1).integers(0, 256, (7, 4, 4, 3), np.uint8)


def stored(photos: NDArray[np.uint8] = PHOTOS) -> StoredPixels:
    pixels = StoredPixels(len(photos), 4)
    for photo in photos:
        pixels.append(photo)
    return pixels


@pytest.mark.parametrize(
    "rows",
    [0, 6, -1, slice(2, 5), slice(5, 99), slice(0, 0), slice(None, None, 3), np.array([5, 0, 5])],
)
def test_rows_are_those_of_an_array(rows: Rows) -> None:
    found = stored()[rows]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, PHOTOS[rows])


def test_photo_after_photo() -> None:
    np.testing.assert_array_equal(np.stack(list(stored())), PHOTOS)


@pytest.mark.parametrize("row", [7, -8])
def test_a_photo_that_is_not_there_is_an_error(row: int) -> None:
    with pytest.raises(IndexError):
        stored()[row]


def test_only_what_was_put_in_counts() -> None:
    pixels = StoredPixels(5, 4)
    assert pixels.shape == (0, 4, 4, 3)
    pixels.append(PHOTOS[3])
    assert (len(pixels), pixels.shape) == (1, (1, 4, 4, 3))


def test_a_photo_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 4, 3\).*expected \(4, 4, 3\)"):
        stored().append(PHOTOS[0, :2])


def test_nothing_is_mapped_into_memory_and_nothing_stays_open() -> None:
    def mapped() -> int:
        return Path("/proc/self/maps").read_text().count("(deleted)")

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files(), mapped()
    pixels = stored()
    assert pixels[:].sum() == PHOTOS.sum()
    assert (open_files(), mapped()) == (before[0] + 1, before[1])
    del pixels
    gc.collect()
    assert open_files() == before[0]


def test_a_full_disk_is_said_with_the_folder_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first photo is decoded; a limit on the size of files is like a full disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OSError, match=r"for 200 decoded photos, 30 MB .*TMPDIR") as caught:
            StoredPixels(200, 224)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_who_names_a_folder_for_temporary_files_gets_them_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", "/some/where")
    assert large_files_dir() is None
    monkeypatch.delenv("TMPDIR")
    assert large_files_dir() in (None, "/var/tmp")  # noqa: S108
