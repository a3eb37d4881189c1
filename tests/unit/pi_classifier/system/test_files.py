"""Files that appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_classifier.system.files import (
    PARTIAL_PREFIX,
    read_json_object,
    read_regular_file,
    replacing,
    write_atomic,
    write_json,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def full_disk(room: int) -> Iterator[None]:
    """A limit on the size of files fails a write as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_readers_meet_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")
    with replacing(path) as partial:
        assert (partial.parent, partial.read_bytes()) == (tmp_path, b"")
        partial.write_bytes(b"new, ")
        assert path.read_bytes() == b"old"
        with partial.open("ab") as file:
            file.write(b"and whole")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new, and whole"
    assert names(tmp_path) == ["model.tflite"]


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("before", [None, b"old"])
def test_an_error_in_the_middle_changes_nothing(
    tmp_path: Path, before: bytes | None, durable: bool
) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    with contextlib.suppress(KeyboardInterrupt), replacing(path, durable=durable) as partial:
        partial.write_bytes(b"half")
        raise KeyboardInterrupt
    assert (path.read_bytes() if path.exists() else None) == before
    assert names(tmp_path) == (["file"] if before is not None else [])


@pytest.mark.parametrize("durable", [True, False])
def test_a_full_disk_leaves_the_old_file_and_is_named(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "int8.tflite"
    path.write_bytes(b"old")
    with full_disk(100_000), pytest.raises(OSError, match="too large") as caught:
        write_atomic(path, bytes(1_000_000), durable=durable)
    assert caught.value.filename == str(path)
    assert (names(tmp_path), path.read_bytes()) == (["int8.tflite"], b"old")


@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_file_is_on_the_disk_before_its_name_is(
    tmp_path: Path, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        fsync(descriptor)
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        synced.append((kind, path.exists()))

    monkeypatch.setattr(os, "fsync", watched)
    write_atomic(path, b"new", durable=durable)
    assert synced == ([("file", False), ("folder", True)] if durable else [])


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "copy") as partial:
        partial.write_bytes((tmp_path / "source").read_bytes())
    assert caught.value.filename == str(tmp_path / "source")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "error"),
    [("missing/file", FileNotFoundError), ("a file/file", NotADirectoryError)],
)
def test_a_folder_that_is_none_is_an_error_that_names_the_file(
    tmp_path: Path, place: str, error: type[OSError]
) -> None:
    (tmp_path / "a file").write_bytes(b"")
    with pytest.raises(error) as caught:
        write_atomic(tmp_path / place, b"new")
    assert caught.value.filename == str(tmp_path / place)


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "folder", b"new")
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_permissions_of_any_new_file(
    tmp_path: Path, mask: int, mode: int
) -> None:
    with umask(mask):
        write_atomic(tmp_path / "file", b"new")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o444])
def test_a_replaced_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomic(path, b"new")
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (mode, b"new")


@pytest.mark.parametrize("there", [True, False])
def test_a_link_keeps_pointing_to_its_file(tmp_path: Path, there: bool) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "links").mkdir()
    target, link = tmp_path / "data" / "real", tmp_path / "links" / "link"
    if there:
        target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomic(link, b"new")
    assert (link.readlink(), target.read_bytes()) == (target, b"new")
    assert (names(target.parent), names(link.parent)) == (["real"], ["link"])


def test_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        write_atomic(pipe, b"through it")
        assert os.read(reader, 100) == b"through it"
    finally:
        os.close(reader)
    assert (pipe.is_fifo(), names(tmp_path)) == (True, ["pipe"])


@pytest.mark.parametrize("name", ["network.weights.h5", f"{'ä' * 120}.weights.h5"])
def test_the_unfinished_file_has_the_suffix_and_a_name_of_its_own(
    tmp_path: Path, name: str
) -> None:
    with replacing(tmp_path / name) as one, replacing(tmp_path / name) as other:
        assert one != other
        assert one.name.startswith(PARTIAL_PREFIX)
        assert one.name.endswith(".weights.h5")
    assert names(tmp_path) == [name]


def test_json_is_text_for_people(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"label": "Gänseblümchen"})
    text = (tmp_path / "run.json").read_text("utf-8")
    assert text == '{\n "label": "Gänseblümchen"\n}\n'
    with pytest.raises(TypeError):
        write_json(tmp_path / "run.json", object())
    assert json.loads((tmp_path / "run.json").read_text()) == {"label": "Gänseblümchen"}


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"daisy\n")
    assert read_regular_file(path, 6) == b"daisy\n"


def test_more_than_is_expected_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"daisy\n!")
    with pytest.raises(OSError, match="holds more than the 6e-06 MB"):
        read_regular_file(path, 6)


@pytest.mark.parametrize("text", ["[]", "3", "null", "{", "[" * 100_000, '{"a": "\\xff"'])
def test_what_is_no_json_object_is_one_kind_of_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "note.json").write_text(text)
    with pytest.raises(ValueError, match=r"expected an object|Expecting|Invalid"):
        read_json_object(tmp_path / "note.json", 1 << 20)
    (tmp_path / "note.json").write_text('{"a": 1}')
    assert read_json_object(tmp_path / "note.json", 8) == {"a": 1}
    with pytest.raises(OSError, match="expected at most"):
        read_json_object(tmp_path / "note.json", 7)


def test_what_never_ends_or_begins_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(OSError, match="is a device, a pipe or a socket") as refused:
            read_regular_file(path, 100)
        assert refused.value.filename == str(path)
    with pytest.raises(IsADirectoryError):
        read_regular_file(tmp_path, 100)
