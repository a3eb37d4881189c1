"""Rows on disk: found again, never half there, never someone else's."""

from __future__ import annotations

import hashlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.errors import CacheError
from pi_classifier_training.features.row_store import Keys, RowStore

ROW_BYTES = 24


def keys(*numbers: int) -> Keys:
    return np.array([hashlib.sha256(bytes([n])).digest() for n in numbers], "S32")


def rows(*numbers: int) -> NDArray[np.uint8]:
    return np.repeat(np.array(numbers, np.uint8)[:, None], ROW_BYTES, axis=1)


STORES: list[RowStore] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while STORES:
        STORES.pop().close()


def opened(folder: Path, name: str = "a", row_bytes: int = ROW_BYTES) -> RowStore:
    STORES.append(RowStore(folder, name, row_bytes))
    return STORES[-1]


def filled(folder: Path, *numbers: int) -> RowStore:
    store = opened(folder)
    store.add(keys(*numbers), rows(*numbers))
    store.refresh()
    return store


def values(store: RowStore, *numbers: int) -> list[int | None]:
    """The first byte of each row that is found."""
    own_numbers = store.find(keys(*numbers)).tolist()
    return [None if row < 0 else int(store.mapped()[row, 0]) for row in own_numbers]


def test_rows_are_found_again_by_another_process(tmp_path: Path) -> None:
    store = filled(tmp_path, 5, 3, 9)
    assert values(store, 9, 4, 5, 3) == [9, None, 5, 3]
    assert values(opened(tmp_path), 3, 9) == [3, 9]


def test_an_empty_store_finds_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert values(store, 1, 2) == [None, None]
    assert store.mapped().shape == (0, ROW_BYTES)


def test_two_writers_take_turns_and_both_are_kept(tmp_path: Path) -> None:
    one, two = (opened(tmp_path) for _ in range(2))
    for number in range(0, 20, 2):
        one.add(keys(number), rows(number))
        two.add(keys(number + 1), rows(number + 1))
    one.refresh()
    assert values(one, *range(20)) == list(range(20))


@settings(max_examples=40, deadline=None)
@given(
    lost=st.sampled_from([0, 1, 35, 36, 37, 72, 107, 108]),
    torn=st.sampled_from([0, 1, 23, 24, 25, 48, 71, 72]),
)
def test_a_torn_tail_is_dropped_and_made_again(
    lost: int, torn: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    filled(folder, 1, 2, 3)
    for name, size in (("a.keys", lost), ("a.rows", torn)):
        os.truncate(folder / name, (folder / name).stat().st_size - size)
    left = 3 - max(-(-lost // 36), -(-torn // 24))
    store = opened(folder)
    assert values(store, 1, 2, 3) == [n if n <= left else None for n in (1, 2, 3)]
    store.add(keys(4), rows(4))
    store.refresh()
    assert values(store, 1, 4) == [1 if left else None, 4]
    assert len(store) == left + 1
    assert (folder / "a.keys").stat().st_size == 64 + (left + 1) * 36
    assert (folder / "a.rows").stat().st_size == (left + 1) * ROW_BYTES


def test_a_damaged_row_is_missing_and_can_be_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(tmp_path, 1, 2, 3)
    with (tmp_path / "a.rows").open("r+b") as file:
        file.seek(ROW_BYTES + 5)
        file.write(b"\xff")
    store = opened(tmp_path)
    assert values(store, 1, 2, 3) == [1, None, 3]
    assert "1 of 3 rows are damaged" in caplog.text
    store.add(keys(2), rows(2))
    store.refresh()
    assert values(store, 1, 2, 3) == [1, 2, 3]


@pytest.mark.parametrize("header", [b"", b"PICL", b"x" * 64, b"PICLROWS\x02\0\0\0\x18\0\0\0"])
def test_a_store_of_another_version_is_made_anew(
    header: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(tmp_path, 1, 2)
    (tmp_path / "a.keys").write_bytes(header)
    store = opened(tmp_path)
    assert values(store, 1, 2) == [None, None]
    assert ("made anew" in caplog.text) == bool(header)
    store.add(keys(1), rows(7))
    assert values(opened(tmp_path), 1) == [7]


def test_rows_of_another_size_are_never_read(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    assert opened(tmp_path, "a", ROW_BYTES * 2).find(keys(1)).tolist() == [-1]


def test_what_a_reader_has_mapped_outlives_a_new_version(tmp_path: Path) -> None:
    reader = filled(tmp_path, 1, 2)
    mapped = reader.mapped()
    opened(tmp_path, "a", ROW_BYTES * 2).add(keys(1), np.zeros((1, ROW_BYTES * 2), np.uint8))
    assert mapped[:, 0].tolist() == [1, 2]


def test_a_full_disk_leaves_whole_rows_and_says_what_to_do(tmp_path: Path) -> None:
    store = filled(tmp_path, 1, 2)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Files may grow to two and a half rows: as on a disk that becomes full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 + 36 * 3 + 10, limits[1]))
    try:
        with pytest.raises(CacheError, match=r"free some space.*--cache-dir") as caught:
            store.add(keys(*range(3, 9)), rows(*range(3, 9)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.exit_code == 74
    assert (tmp_path / "a.rows").stat().st_size == 2 * ROW_BYTES
    assert values(opened(tmp_path), 1, 2, 3) == [1, 2, None]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CacheError, match=r"file/cache: bottlenecks cannot be kept there"):
        opened(tmp_path / "file" / "cache")
