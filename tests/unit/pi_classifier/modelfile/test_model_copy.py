"""Copies of models: whole, ours, one for equal contents, and never in the way."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import time
from pathlib import Path

import pytest

from pi_classifier.errors import ModelFileError
from pi_classifier.modelfile.model_copy import FOLDER, model_source
from pi_classifier.modelfile.model_file import read_model_file
from tests.needs import NEEDS_ROOT

DATA = Path(__file__).resolve().parents[3] / "data"
MODEL = DATA / "int8.tflite"
CONTENT = MODEL.read_bytes()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def copies(cache: Path) -> list[Path]:
    return sorted((cache / FOLDER).iterdir())


def test_the_copy_is_named_by_its_contents_and_cannot_be_written(cache: Path) -> None:
    source = model_source(MODEL, cache)
    assert source.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (source.path, source.file) == (MODEL, cache / FOLDER / f"{source.sha256}.tflite")
    assert source.file.read_bytes() == CONTENT
    assert source.file.stat().st_mode & 0o777 == 0o400
    assert source.file.parent.stat().st_mode & 0o777 == 0o700


def test_equal_contents_are_one_copy(cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(CONTENT)
    first = model_source(MODEL, cache).file
    made = first.stat()
    assert model_source(other, cache).file == first
    assert (first.stat().st_ino, copies(cache)) == (made.st_ino, [first])


def test_the_users_file_may_go_while_the_copy_is_read(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(CONTENT)
    source = model_source(path, cache)
    path.write_bytes(b"")
    model = read_model_file(source)
    assert (model.path, model.file, model.labels) == (
        path, source.file, read_model_file(MODEL).labels,
    )  # fmt: skip


@pytest.mark.parametrize("damage", ["cut short", "writable", "a link"])
def test_what_is_not_our_copy_is_made_anew(cache: Path, tmp_path: Path, damage: str) -> None:
    copy = model_source(MODEL, cache).file
    if damage == "a link":
        copy.unlink()
        copy.symlink_to(MODEL)
    else:
        copy.chmod(0o600)
        copy.write_bytes(CONTENT[:100] if damage == "cut short" else CONTENT[::-1])
        if damage == "cut short":
            copy.chmod(0o400)
    again = model_source(MODEL, cache).file
    assert (again.read_bytes(), again.is_symlink()) == (CONTENT, False)


@pytest.mark.parametrize(
    "reason",
    ["a file in the way", "open to all", pytest.param("another user's", marks=NEEDS_ROOT)],
)
def test_without_a_usable_folder_the_file_itself_is_mapped_and_that_is_said(
    cache: Path, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    if reason == "a file in the way":
        cache.write_text("")
    else:
        (cache / FOLDER).mkdir(parents=True)
        if reason == "open to all":
            (cache / FOLDER).chmod(0o777)
        else:
            os.chown(cache / FOLDER, 65534, 65534)
    source = model_source(MODEL, cache)
    assert (source.file, source.is_copied) == (MODEL, False)
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert f"{MODEL}: stays mapped itself, no copy can be kept" in said.getMessage()


def test_only_what_begins_like_a_model_is_copied(cache: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.tflite"
    film.write_bytes(bytes(1000))
    assert model_source(film, cache).file == film
    assert not cache.exists()


def test_the_oldest_copies_go(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    made = []
    for number in range(10):
        path.write_bytes(CONTENT + bytes([number]))
        copy = model_source(path, cache).file
        age = 0 if number == 0 else 100 - number  # the first is in use
        os.utime(copy, (time.time() - age,) * 2)
        made.append(copy)
    assert copies(cache) == sorted([made[0], *made[3:]])


def test_what_killed_programs_left_is_removed_at_each_start(cache: Path) -> None:
    model_source(MODEL, cache)
    left = [folder / f".partial-{2**22 + 1}-0123456789ab-x" for folder in (cache, cache / FOLDER)]
    for file in left:
        file.write_bytes(b"half")
    model_source(MODEL, cache)
    assert not [file for file in left if file.exists()]


def test_use_keeps_a_copy_young(cache: Path) -> None:
    copy = model_source(MODEL, cache).file
    os.utime(copy, (0, 0))
    model_source(MODEL, cache)
    assert time.time() - copy.stat().st_mtime < 100


def oversized(path: Path) -> None:
    path.touch()
    os.truncate(path, (1 << 31) + 1)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "there is no such model file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (os.mkfifo, "is a device, a pipe or a socket, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device, a pipe or a socket, not a file"),
        (lambda path: path.symlink_to(path.name), "cannot be read"),
        (oversized, "larger than a TFLite model"),
    ],
)
def test_what_cannot_be_a_model_is_named(cache: Path, tmp_path: Path, make, said: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "model.tflite"
    make(path)
    with pytest.raises(ModelFileError, match=said) as caught:
        model_source(path, cache)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ESTALE])
def test_what_the_machine_refuses_now_is_not_the_files_fault(
    cache: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number), str(MODEL))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        model_source(MODEL, cache)
    assert not isinstance(caught.value, ModelFileError)
