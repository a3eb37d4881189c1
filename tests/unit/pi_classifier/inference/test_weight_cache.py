"""Packed weights: whole or not there, and only those that were meant."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_classifier.inference.weight_cache import WeightCache, cpu_identity
from tests.needs import NEEDS_ROOT

MODEL = "ab" * 32


def cache(folder: Path, model: str = MODEL, runtime: str = "litert2.3.0") -> WeightCache:
    return WeightCache(folder, model, runtime)


def built(folder: Path, content: bytes = b"packed weights") -> WeightCache:
    made = cache(folder)
    made.keep(io.BytesIO(content))
    return made


def test_what_was_kept_is_verified_by_the_next_start(tmp_path: Path) -> None:
    first = cache(tmp_path / "new" / "folder")
    assert not first.verified()
    first.keep(io.BytesIO(b"packed weights"))
    again = cache(tmp_path / "new" / "folder")
    assert again.verified()
    assert again.path.read_bytes() == b"packed weights"


def test_nothing_is_in_place_before_it_is_whole(tmp_path: Path) -> None:
    class Ending(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert not unfinished.path.exists()
            raise OSError(errno.EIO, "the disk is gone")

    unfinished = cache(tmp_path)
    with pytest.raises(OSError, match="the disk is gone"):
        unfinished.keep(Ending())
    assert not unfinished.verified()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [0, 7, 13])
def test_flipped_byte(tmp_path: Path, at: int) -> None:
    made = built(tmp_path)
    content = bytearray(made.path.read_bytes())
    content[at] ^= 1
    made.path.write_bytes(content)
    assert not cache(tmp_path).verified()


@pytest.mark.parametrize("length", [0, 1, 13])
def test_truncated(tmp_path: Path, length: int) -> None:
    made = built(tmp_path)
    made.path.write_bytes(made.path.read_bytes()[:length])
    assert not cache(tmp_path).verified()


def test_missing_or_damaged_checksum(tmp_path: Path) -> None:
    made = built(tmp_path)
    checksum = made.path.with_name(made.path.name + ".sha256")
    stated = checksum.read_text()
    for text in ("", "0" * 64, "\u00e9"):
        checksum.write_text(text)
        assert not cache(tmp_path).verified()
    checksum.write_text(stated)
    assert cache(tmp_path).verified()
    checksum.unlink()
    assert not cache(tmp_path).verified()


def test_file_of_another_model_under_this_name(tmp_path: Path) -> None:
    made = built(tmp_path)
    other = cache(tmp_path, model="cd" * 32)
    for suffix in ("", ".sha256"):
        source = made.path.with_name(made.path.name + suffix)
        other.path.with_name(other.path.name + suffix).write_bytes(source.read_bytes())
    assert made.verified()
    assert not other.verified()


def test_each_model_and_runtime_has_its_own_file(tmp_path: Path) -> None:
    names = {
        cache(tmp_path).path.name,
        cache(tmp_path, model="cd" * 32).path.name,
        cache(tmp_path, runtime="litert2.4.0").path.name,
    }
    assert len(names) == 3
    assert all(cpu_identity() in name for name in names)


def test_folder_that_everyone_can_write_is_not_trusted(tmp_path: Path) -> None:
    made = built(tmp_path)
    assert made.verified()
    tmp_path.chmod(0o777)
    assert not made.verified()
    with pytest.raises(PermissionError, match="every user"):
        made.keep(io.BytesIO(b"packed"))
    tmp_path.chmod(0o700)


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        cache(tmp_path / "file").keep(io.BytesIO(b"packed"))
    assert not cache(tmp_path / "file").verified()


@contextlib.contextmanager
def not_root() -> Iterator[None]:
    """Root may write everywhere, so it turns into somebody else for a while."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(me)


def test_read_only_folder_still_serves() -> None:
    # not in tmp_path, whose parents are closed to others
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = built(folder)
        for each in folder.iterdir():
            each.chmod(0o444)
        folder.chmod(0o555)
        with not_root():
            assert made.verified()
            with pytest.raises(PermissionError):
                cache(folder, model="cd" * 32).keep(io.BytesIO(b"packed"))
        folder.chmod(0o700)


def test_nothing_is_not_kept(tmp_path: Path) -> None:
    made = cache(tmp_path)
    with pytest.raises(OSError, match="empty"):
        made.keep(io.BytesIO(b""))
    assert not made.verified()


@NEEDS_ROOT
def test_a_folder_of_another_user_is_not_trusted(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    made = built(theirs)
    os.chown(theirs, 65534, 65534)
    assert not made.verified()
    with pytest.raises(PermissionError, match="belongs to another user"):
        made.keep(io.BytesIO(b"packed"))


def test_what_a_killed_program_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / f".partial-{2**22 + 1}-0123456789ab-x.weights"
    mine = tmp_path / f".partial-{os.getpid()}-0123456789ab-x.weights"
    for file in (left, mine):
        file.write_bytes(b"half")
    built(tmp_path)
    assert (left.exists(), mine.exists()) == (False, True)


def test_old_files_are_dropped(tmp_path: Path) -> None:
    for i in range(20):
        made = cache(tmp_path, model=f"{i:02}" * 32)
        made.keep(io.BytesIO(b"packed"))
        os.utime(made.path, (i, i))
    assert len(list(tmp_path.glob("*.weights"))) == 16
    assert len(list(tmp_path.glob("*.sha256"))) == 16
    assert made.verified()
    assert not cache(tmp_path, model="00" * 32).verified()


def test_remove(tmp_path: Path) -> None:
    made = built(tmp_path)
    made.remove()
    made.remove()
    assert list(tmp_path.iterdir()) == []
