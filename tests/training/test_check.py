"""Checking photos: what is found, what is moved, and back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.data.splits import group_of, place
from pi_classifier_training.data_check.check import check
from pi_classifier_training.data_check.findings import CheckResult
from pi_classifier_training.data_check.fix import fix, undo
from pi_classifier_training.errors import DatasetError
from PIL import Image

FLOWERS = Path(__file__).resolve().parents[3] / "shared" / "data" / "flower_photos"


def scene(seed: int, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """A picture of coarse random shapes: each seed looks different."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def named(split: str, number: int = 0, suffix: str = ".png") -> str:
    """A file name for `split`, the `number`-th such, by its place in the order of names."""
    names = sorted((f"photo{i}" for i in range(1000)), key=place)
    return names[{"test": 0, "validation": 300, "training": 600}[split] + number] + suffix


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two labels with enough different photos and nothing wrong."""
    folder = tmp_path_factory.mktemp("drawn") / "photos"
    seed = 0
    for label in ("daisy", "rose"):
        (folder / label).mkdir(parents=True)
        for split, number in (("training", 28), ("validation", 4), ("test", 4)):
            for i in range(number):
                seed += 1
                # Numbers from 100 on leave the first names to the tests.
                scene(seed).save(folder / label / named(split, 100 + i))
    return folder


@pytest.fixture
def sound(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the drawn photos to spoil."""
    return shutil.copytree(drawn, tmp_path / "photos")


def found(result: CheckResult) -> dict[str, tuple[tuple[str, ...], ...]]:
    return {finding.kind: finding.groups for finding in result.findings}


def test_a_sound_set_has_no_findings(sound: Path) -> None:
    result = check([sound])
    assert found(result) == {}
    assert result.trainable
    assert result.counts["daisy"] == {"training": 28, "validation": 4, "test": 4}
    assert main(["check-data", "--image-dir", str(sound)]) == 0


def _truncated(path: Path) -> None:
    scene(900, (300, 300)).save(path)
    path.write_bytes(path.read_bytes()[:-2000])


def _turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    scene(901).save(path, exif=exif)


def _bomb(path: Path) -> None:
    Image.new("RGB", (10_000, 6_000)).save(path)


def _animated(path: Path) -> None:
    scene(902).save(path, save_all=True, append_images=[scene(903)])


CASES: list[tuple[str, str, Callable[[Path], object]]] = [
    ("not-an-image", "a.jpg", lambda p: p.write_text("no photo")),
    ("not-an-image", "a.jpg", lambda p: p.write_bytes(b"")),
    ("damaged", "a.jpg", _truncated),
    ("too-large", "a.png", _bomb),
    ("unreadable", "a.jpg", lambda p: p.symlink_to("nowhere")),
    ("unreadable", "a.jpg", os.mkfifo),
    ("extension", "a.jpg", lambda p: scene(904).save(p, "PNG")),
    ("extension", "b.jpg", lambda p: scene(904).save(p, "GIF")),
    ("extension", "c.jpg", lambda p: scene(904).save(p, "TIFF")),
    ("not-an-image", "d.jpg", lambda p: scene(904).save(p, "JPEG2000")),
    ("tiny", "a.png", lambda p: scene(905, (63, 80)).save(p)),
    ("one-color", "a.png", lambda p: Image.new("RGB", (80, 80), "black").save(p)),
    ("cmyk", "a.jpg", lambda p: scene(906).convert("CMYK").save(p)),
    ("deep", "a.png", lambda p: Image.fromarray(_deep()).save(p)),
    ("transparent", "a.png", lambda p: scene(907).convert("RGBA").save(p)),
    ("animated", "a.webp", _animated),
    ("turned", "a.jpg", _turned),
    ("video", "a.mp4", lambda p: p.write_bytes(b"x")),
    ("other-format", "a.heic", lambda p: p.write_bytes(b"x")),
    ("ignored", ".hidden.jpg", lambda p: p.write_bytes(b"x")),
    ("ignored", "notes.txt", lambda p: p.write_bytes(b"x")),
    ("ignored", "circle", lambda p: p.symlink_to(p.parent)),
]


def _deep() -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    return np.asarray(scene(908).convert("L")).astype(np.uint16) * 257


@pytest.mark.parametrize(("kind", "name", "make"), CASES)
def test_each_kind_of_file_is_named(
    sound: Path, kind: str, name: str, make: Callable[[Path], object]
) -> None:
    make(sound / "rose" / name)
    assert found(check([sound])) == {kind: ((f"rose/{name}",),)}


def test_photos_without_a_label_and_empty_labels(sound: Path) -> None:
    scene(910).save(sound / "loose.png")
    (sound / "tulip").mkdir()
    result = check([sound])
    assert found(result)["no-label"] == (("loose.png",),)
    assert found(result)["empty-label"] == (("tulip",),)
    assert found(result)["too-few"] == (("tulip",),)
    assert not result.trainable


def test_folders_that_state_the_split(tmp_path: Path) -> None:
    for number, part in enumerate(("test", "train", "valid")):
        for label in ("daisy", "rose"):
            folder = tmp_path / part / label
            folder.mkdir(parents=True)
            for i in range(10):
                scene(1000 + 100 * number + i + 20 * (label == "rose")).save(folder / f"{i}.png")
    # Of a copy the one in training is kept, whatever its name's hash says.
    shutil.copy(tmp_path / "train/rose/1.png", tmp_path / "test/rose/copy.png")
    result = check([tmp_path])
    assert result.counts["rose"] == {"training": 10, "validation": 10, "test": 11}
    assert found(result)["stated-splits"] == (("test",), ("train",), ("valid",))
    aside = tmp_path.parent / f"{tmp_path.name}-aside"
    steps = fix(result, aside)
    assert [str(step.source.relative_to(tmp_path)) for step in steps] == ["test/rose/copy.png"]


def test_labels_that_look_like_data_sets_of_their_own_are_named(
    sound: Path, tmp_path: Path
) -> None:
    for name in ("flowers", "others"):
        shutil.copytree(sound, tmp_path / "sets" / name)
    assert found(check([tmp_path / "sets"]))["folders-within"] == (("flowers", "others"),)
    shutil.copytree(sound / "rose", tmp_path / "sets" / "direct")
    assert "folders-within" not in found(check([tmp_path / "sets"]))


def test_nothing_is_amiss_with_a_layout_one_folder_further_down(
    sound: Path, tmp_path: Path
) -> None:
    for part in ("train", "test"):
        shutil.copytree(sound, tmp_path / "set" / "images" / part)
    groups = found(check([tmp_path / "set"]))
    assert groups["stated-splits"] == (("images/test",), ("images/train",))
    assert "ignored" not in groups


def test_rare_labels_are_named(sound: Path) -> None:
    (sound / "tulip").mkdir()
    for i, split in enumerate(("training",) * 6 + ("validation", "test")):
        scene(920 + i).save(sound / "tulip" / named(split, i))
    assert found(check([sound])) == {"few": (("tulip",),), "imbalance": (("tulip",),)}


def test_copies_by_bytes_pixels_and_turn(sound: Path) -> None:
    here = sound / "rose"
    scene(930).save(here / named("training", 0, ".png"))
    scene(930).save(here / named("training", 1, ".bmp"))
    exif = Image.Exif()
    exif[0x0112] = 6
    # Stored lying; standing up by its EXIF data it is the same photo.
    scene(930).transpose(Image.Transpose.ROTATE_90).save(
        here / named("training", 2, ".png"), exif=exif
    )
    groups = found(check([sound]))
    assert [len(group) for group in groups["copy"]] == [3]
    assert set(groups) == {"copy", "turned"}


@pytest.mark.parametrize(
    ("labels", "splits", "exact", "near"),
    [
        (("daisy", "rose"), ("training", "training"), "two-labels", "alike-two-labels"),
        (("rose", "rose"), ("training", "test"), "copy-across-splits", "alike-across-splits"),
        (("rose", "rose"), ("test", "test"), "copy", "alike"),
    ],
)
def test_copies_and_near_duplicates_across_labels_and_splits(
    sound: Path, labels: tuple[str, str], splits: tuple[str, str], exact: str, near: str
) -> None:
    paths = [sound / x / named(s, i) for i, (x, s) in enumerate(zip(labels, splits, strict=True))]
    for path in paths:
        scene(940).save(path)
    pair = (tuple(sorted(str(p.relative_to(sound)) for p in paths)),)
    assert found(check([sound])) == {exact: pair}
    bright = scene(940).point(lambda v: min(255, v + 12)).resize((140, 110))
    bright.save(paths[1])
    assert found(check([sound])) == {near: pair}


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_labels_is_refused(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "x"
    if exists:
        folder.mkdir()
    with pytest.raises(DatasetError, match=str(folder)):
        check([folder])


def test_the_record_is_json_and_the_table_names_examples(
    sound: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sound / "rose" / "a.jpg").write_text("no")
    assert main(["check-data", "--json", "--image-dir", str(sound)]) == 65
    record = json.loads(capsys.readouterr().out)
    assert record == check([sound]).as_dict()
    assert record["findings"][0]["files"] == [["rose/a.jpg"]]
    assert record["photos"] == 72
    assert main(["check-data", "--image-dir", str(sound)]) == 65
    assert "rose/a.jpg" in capsys.readouterr().out


def _bad(sound: Path) -> set[Path]:
    (sound / "rose" / "a.jpg").write_text("no")
    scene(950).save(sound / "rose" / "b.jpg", "PNG")
    for label in ("daisy", "rose"):
        scene(951).save(sound / label / named("training", 0))
    scene(952).save(sound / "rose" / named("training", 1))
    scene(952).save(sound / "rose" / named("test", 1))
    return files(sound)


def files(folder: Path) -> set[Path]:
    return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}


def test_fix_moves_renames_and_can_be_undone(sound: Path, tmp_path: Path) -> None:
    before = _bad(sound)
    aside = tmp_path / "aside"
    arguments = ["check-data", "--image-dir", str(sound), "--fix", "--moved-to", str(aside)]
    assert main(arguments) == 0
    gone = {str(p) for p in before - files(sound)}
    held_out = f"rose/{named('test', 1)}"
    both = {f"{label}/{named('training', 0)}" for label in ("daisy", "rose")}
    assert gone == {"rose/a.jpg", "rose/b.jpg", held_out} | both
    renamed = (files(sound) - before).pop()
    assert renamed.suffix == ".png"
    assert group_of(renamed.name) == group_of("b.jpg")
    assert len(files(aside)) == 5  # four files and the log
    assert fix(check([sound]), aside) == []
    assert main(["check-data", "--undo", str(aside)]) == 0
    assert files(sound) == before
    assert undo(aside) == []


def test_of_near_duplicates_only_held_out_ones_move(sound: Path, tmp_path: Path) -> None:
    names = [named("training", 0), named("training", 1), named("test", 0)]
    for i, name in enumerate(names):
        scene(960).resize((96 + 8 * i, 80)).save(sound / "rose" / name)
    steps = fix(check([sound]), tmp_path / "aside")
    assert [step.source.name for step in steps] == [names[2]]


def test_fix_refuses_a_place_within_the_photos(sound: Path) -> None:
    with pytest.raises(DatasetError, match="within the photos"):
        fix(check([sound]), sound / "aside")


def test_undo_overwrites_nothing(sound: Path, tmp_path: Path) -> None:
    _bad(sound)
    fix(check([sound]), tmp_path / "aside")
    (sound / "rose" / "b.jpg").write_text("new")
    with pytest.raises(DatasetError, match=r"b\.jpg: there is a file again"):
        undo(tmp_path / "aside")


@pytest.mark.skipif(not FLOWERS.is_dir(), reason=f"no flower photos in {FLOWERS}")
def test_the_known_traps_of_the_flower_photos_are_found() -> None:
    groups = found(check([FLOWERS]))
    name = "15922772266_1167a06620.jpg"
    assert groups["two-labels"] == ((f"roses/{name}", f"tulips/{name}"),)
    copies = groups.get("copy", ()) + groups.get("copy-across-splits", ())
    assert [len(group) for group in copies] == [2]
    assert len(groups["alike-across-splits"]) + len(groups["alike"]) == 17
