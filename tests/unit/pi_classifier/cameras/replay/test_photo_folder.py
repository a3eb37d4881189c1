"""The replay camera on small photos it finds in a temporary folder."""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pi_classifier.cameras.playback import PlayedCamera
from pi_classifier.cameras.replay.photo_folder import open_photo_folder
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import ConfigError

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def photo(path: Path, color: tuple[int, int, int] = RED, size: tuple[int, int] = (24, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)
    return path


def replay(folder: Path, **changes: object) -> PlayedCamera:
    values = {"realtime": False, "hold_s": 0.0} | changes
    return open_photo_folder(str(folder), CameraSettings(**values))  # type: ignore[arg-type]


def colors(camera: PlayedCamera, count: int | None = None) -> list[str]:
    return ["RGB"[int(f.pixels[0, 0].argmax())] for f in islice(camera.frames(), count)]


def test_photos_come_sorted_by_path_from_all_sub_folders(tmp_path: Path) -> None:
    photo(tmp_path / "b.png", GREEN)
    photo(tmp_path / "c" / "a.webp", BLUE)
    photo(tmp_path / "a.bmp", RED)
    assert colors(replay(tmp_path)) == ["R", "G", "B"]


def test_truth_is_the_sub_folder(tmp_path: Path) -> None:
    photo(tmp_path / "loose.png")
    photo(tmp_path / "more" / "tulips" / "x.jpeg")
    photo(tmp_path / "roses" / "x.JPG")
    assert [frame.truth for frame in replay(tmp_path).frames()] == [None, "tulips", "roses"]


def test_each_photo_is_held_without_copies(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    frames = list(replay(tmp_path, fps=4.0, hold_s=1.5).frames())
    assert [frame.sequence for frame in frames] == list(range(12))
    assert [frame.timestamp_ns for frame in frames[:3]] == [0, 250_000_000, 500_000_000]
    assert len({id(frame.pixels) for frame in frames}) == 2
    assert frames[5].pixels is frames[0].pixels
    assert frames[6].pixels is not frames[0].pixels


def test_one_second_is_the_default_hold(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    camera = open_photo_folder(str(tmp_path), CameraSettings(fps=7.0, realtime=False))
    assert len(list(camera.frames())) == 7


def test_loop_begins_again_after_the_last_photo(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", RED)
    photo(tmp_path / "b.png", GREEN)
    assert colors(replay(tmp_path, loop=True), 5) == ["R", "G", "R", "G", "R"]


def test_exif_orientation_is_honored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is on the right of the stored picture
    Image.new("RGB", (40, 20), RED).save(tmp_path / "a.jpg", exif=exif)
    assert next(replay(tmp_path).frames()).pixels.shape == (40, 20, 3)


def test_large_jpegs_are_read_smaller_but_not_below_the_side(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", RED, (1600, 1200))
    pixels = next(replay(tmp_path, width=640, height=300).frames()).pixels
    assert pixels.shape == (300, 400, 3)
    pixels = next(replay(tmp_path, width=302, height=480).frames()).pixels
    assert pixels.shape == (600, 800, 3)


def test_an_unreadable_photo_is_logged_once_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.jpg").write_text("not a photo")
    photo(tmp_path / "b.png", GREEN)
    with caplog.at_level(logging.WARNING):
        assert colors(replay(tmp_path, loop=True), 3) == ["G", "G", "G"]
    assert [record.getMessage() for record in caplog.records if "a.jpg" in record.getMessage()]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("loop", [False, True])
def test_a_folder_of_unreadable_photos_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, loop: bool
) -> None:
    (tmp_path / "a.jpg").write_text("not a photo")
    with pytest.raises(ConfigError, match=r"none of its 1 photos can be read.*a\.jpg"):
        list(replay(tmp_path, loop=loop).frames())
    assert len(caplog.records) == 1


def test_hidden_files_and_other_files_are_no_photos(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "._a.png").write_bytes(b"resource fork")
    photo(tmp_path / ".thumbnails" / "b.png")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.jpg").mkdir()
    assert len(list(replay(tmp_path).frames())) == 1


def test_a_hidden_parent_hides_nothing(tmp_path: Path) -> None:
    photo(tmp_path / ".cache" / "photos" / "a.png")
    assert len(list(replay(tmp_path / ".cache" / "photos").frames())) == 1


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere: there is no such folder.*\.webp"):
        replay(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a file"):
        replay(photo(tmp_path / "a.png"))


def test_a_folder_without_photos_says_what_it_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"no photos.*\.jpg, \.jpeg, .*\.webp, \.bmp"):
        replay(tmp_path)


def test_an_unnamed_folder_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no folder named"):
        open_photo_folder("", CameraSettings())


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "photos" / "a.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(list(replay(Path("~/photos")).frames())) == 1


def test_photos_stay_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (21, 33, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    (frame,) = islice(replay(tmp_path).frames(), 1)
    assert np.array_equal(frame.pixels, picture)
