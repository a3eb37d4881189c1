"""One look at one file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.data_check.photo_probe import UNIFORM_SPREAD, probe_photo
from PIL import Image


def ramp(across: bool = True, size: tuple[int, int] = (90, 80)) -> Image.Image:
    """Light that grows from left to right, or from top to bottom."""
    columns = np.linspace(0, 255, size[0]).astype(np.uint8)
    rows = np.linspace(0, 255, size[1]).astype(np.uint8)
    pixels = np.tile(columns, (size[1], 1)) if across else np.tile(rows[:, None], (1, size[0]))
    return Image.fromarray(pixels)


def saved(image: Image.Image, path: Path, **options: object) -> str:
    image.save(path, **options)  # type: ignore[arg-type]
    return str(path)


class TestHash:
    def test_says_where_a_part_is_brighter_than_its_left_one(self, tmp_path: Path) -> None:
        brighter = probe_photo(saved(ramp(), tmp_path / "a.png"))
        darker = probe_photo(
            saved(ramp().transpose(Image.Transpose.FLIP_LEFT_RIGHT), tmp_path / "b.png")
        )
        level = probe_photo(saved(ramp(across=False), tmp_path / "c.png"))
        assert brighter.difference_hash == 2**64 - 1
        assert darker.difference_hash == level.difference_hash == 0

    def test_rows_come_from_the_top_and_bits_from_the_left(self, tmp_path: Path) -> None:
        # Only the top left of nine by eight parts is dark: its right neighbor is brighter.
        pixels = np.full((80, 90), 200, np.uint8)
        pixels[:10, :10] = 0
        probe = probe_photo(saved(Image.fromarray(pixels), tmp_path / "a.png"))
        assert probe.difference_hash == 1 << 63

    def test_survives_another_size_and_format(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        scene = Image.fromarray(rng.integers(0, 256, (6, 7, 3), np.uint8)).resize((400, 320), 3)
        one = probe_photo(saved(scene, tmp_path / "a.png"))
        other = probe_photo(saved(scene.resize((200, 160)), tmp_path / "b.jpg", quality=80))
        assert (one.difference_hash ^ other.difference_hash).bit_count() <= 4
        assert one.digest != other.digest

    def test_is_of_the_photo_as_it_is_meant_to_be_seen(self, tmp_path: Path) -> None:
        """Turned by its EXIF data a ramp to the right becomes one downwards."""
        exif = Image.Exif()
        exif[0x0112] = 6
        probe = probe_photo(saved(ramp(), tmp_path / "a.jpg", exif=exif))
        assert probe.kinds == ("turned",)
        assert probe.gray is not None
        assert np.diff(probe.gray.mean(axis=1)).min() > 0


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = saved(ramp(), tmp_path / "a.png")
    assert probe_photo(path).digest == hashlib.sha256(Path(path).read_bytes()).digest()[:16]


@pytest.mark.parametrize(
    ("spread", "shown"), [(UNIFORM_SPREAD - 1, False), (UNIFORM_SPREAD + 1, True)]
)
def test_a_photo_with_next_to_no_spread_shows_nothing(
    spread: float, shown: bool, tmp_path: Path
) -> None:
    # Two levels, so that their distance from the mean is the spread.
    pixels = np.full((64, 64), 100, np.uint8)
    pixels[:, 32:] += np.uint8(2 * spread)
    probe = probe_photo(saved(Image.fromarray(pixels), tmp_path / "a.png"))
    assert (probe.gray is not None) == shown
    assert probe.kinds == (() if shown else ("one-color",))


@pytest.mark.parametrize(
    ("size", "kinds"), [((64, 64), ()), ((63, 200), ("tiny",)), ((200, 63), ("tiny",))]
)
def test_small_photos(size: tuple[int, int], kinds: tuple[str, ...], tmp_path: Path) -> None:
    assert probe_photo(saved(ramp(size=size), tmp_path / "a.png")).kinds == kinds


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("a.jpg", False), ("a.jpeg", False), ("a.JPG", False), ("a.png", True), ("a.bmp", True)],
)
def test_an_ending_must_name_the_format(name: str, wrong: bool, tmp_path: Path) -> None:
    path = saved(ramp(), tmp_path / name, format="JPEG")
    assert probe_photo(path).kinds == (("extension",) if wrong else ())


def test_several_traits_are_all_told(tmp_path: Path) -> None:
    small = ramp(size=(40, 40)).convert("LA")
    assert probe_photo(saved(small, tmp_path / "a.jpg", format="PNG")).kinds == (
        "extension", "tiny", "transparent",
    )  # fmt: skip


def test_what_is_no_file_or_cannot_be_read_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    for name in ("none.jpg", "folder.jpg"):
        probe = probe_photo(str(tmp_path / name))
        assert (probe.kinds, probe.digest, probe.gray) == (("unreadable",), b"", None)
