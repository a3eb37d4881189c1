"""Photos at an address: copied once, again where they change, and nothing beside."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import fsspec
import pytest
from pi_classifier_training.data.mirror import is_address, local_copy
from pi_classifier_training.errors import DatasetError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    for label in ("tit", "wren"):
        (tmp_path / "birds" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "birds" / label / f"{number}.jpg").write_text(f"{label} {number}")
    (tmp_path / "birds" / "notes.txt").write_text("no photo")
    return tmp_path / "birds"


def contents(folder: Path) -> dict[str, str]:
    """What lies in a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


PHOTOS = {f"{label}/{n}.jpg": f"{label} {n}" for label in ("tit", "wren") for n in range(3)}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://bucket/birds", True),
        ("zip://birds::file:///x.zip", True),
        ("zip::/x.zip", True),
        ("/home/me/birds", False),
        ("birds: mine", False),
        ("C:/birds", False),
    ],
)
def test_an_address_is_told_from_a_folder(text: str, address: bool) -> None:
    assert is_address(text) is address


def test_the_photos_of_a_folder_are_copied_and_nothing_else(birds: Path) -> None:
    copy = local_copy(f"file://{birds}/")
    assert copy.name == "birds"
    assert contents(copy) == PHOTOS


def test_the_photos_in_an_archive_are_copied(birds: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "birds.zip", "w") as archive:
        for path, text in PHOTOS.items():
            archive.writestr(f"mine/{path}", text)
        archive.writestr("mine/../../../tit/away.jpg", "written elsewhere")
    assert contents(local_copy(f"zip://mine::file://{tmp_path}/birds.zip")) == PHOTOS
    assert list(tmp_path.rglob("away.jpg")) == []


def test_the_photos_of_another_program_s_memory_are_copied() -> None:
    memory = fsspec.filesystem("memory")
    for path, text in PHOTOS.items():
        memory.pipe(f"/shared/{path}", text.encode())
    assert contents(local_copy("memory://shared")) == PHOTOS


def test_only_what_has_changed_is_copied_again(birds: Path) -> None:
    copy = local_copy(f"file://{birds}")
    before = {path: (copy / path).stat().st_ino for path in PHOTOS}
    (birds / "tit" / "0.jpg").write_text("another tit")
    os.utime(birds / "tit" / "0.jpg", (1, 1))
    (birds / "wren" / "2.jpg").unlink()
    (birds / "wren" / "3.jpg").write_text("wren 3")
    again = local_copy(f"file://{birds}")
    assert again == copy
    changed = {"tit/0.jpg": "another tit", "wren/3.jpg": "wren 3"}
    assert contents(copy) == {p: t for p, t in PHOTOS.items() if p != "wren/2.jpg"} | changed
    kept = PHOTOS.keys() - {"tit/0.jpg", "wren/2.jpg"}
    assert {path: (copy / path).stat().st_ino for path in kept} == {
        path: before[path] for path in kept
    }


def test_a_copy_that_was_spoilt_is_made_anew(birds: Path) -> None:
    copy = local_copy(f"file://{birds}")
    (copy / "tit" / "1.jpg").unlink()
    (copy.parent / "copied.json").write_text("{")
    assert contents(local_copy(f"file://{birds}")) == PHOTOS


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nosuch://birds", "Protocol not known: nosuch"),
        ("zip://birds::file:///gone/birds.zip", "cannot be read"),
        ("memory://empty", "holds no photos"),
        ("s3://me:secret@bucket/birds", "needs a further package"),
    ],
)
def test_an_address_without_photos_is_told(address: str, told: str, cache: Path) -> None:
    with pytest.raises(DatasetError, match=told) as caught:
        local_copy(address)
    assert "secret" not in str(caught.value)
    assert not cache.exists()
