"""Frames of a video: which are alike, which are blurred, which split they join."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.data.video import (
    ALIKE_LEVELS,
    CutOptions,
    _is_alike,
    _sharpness,
    _shortest,
    split_video,
)
from pi_classifier_training.errors import DatasetError
from PIL import Image, ImageFilter


def scene(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (32, 32), np.uint8)


class TestAlike:
    def test_the_same_frame_and_one_a_little_brighter_are(self) -> None:
        assert _is_alike(scene(), scene())
        assert _is_alike(scene() + np.uint8(5), scene())

    def test_brightness_counts_however_alike_the_shapes_are(self) -> None:
        assert not _is_alike(scene() + np.uint8(ALIKE_LEVELS), scene())

    def test_another_scene_is_not(self) -> None:
        assert not _is_alike(scene(2), scene(1))

    def test_small_things_that_moved_are_seen(self) -> None:
        """A bird of a few dark pixels hardly changes the mean; the correlation tells."""
        still = np.full((32, 32), 120, np.uint8)
        still[::8] = 130
        moved = still.copy()
        moved[4:7, 4:7] = 0
        assert float(np.abs(still.astype(int) - moved).mean()) < ALIKE_LEVELS
        assert not _is_alike(moved, still)

    def test_frames_of_one_color_have_only_their_brightness(self) -> None:
        dark, gray = np.full((32, 32), 10, np.uint8), np.full((32, 32), 14, np.uint8)
        assert _is_alike(gray, dark)
        assert not _is_alike(np.full((32, 32), 20, np.uint8), dark)


def test_a_blurred_frame_has_less_than_a_quarter_of_the_sharpness() -> None:
    sharp = Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 400), np.uint8))
    blurred = sharp.filter(ImageFilter.GaussianBlur(3))
    assert _sharpness(blurred) < 0.25 * _sharpness(sharp)
    assert _sharpness(Image.fromarray(np.full((30, 40), 77, np.uint8))) == 0


class TestSplit:
    @pytest.mark.parametrize(
        ("counts", "shortest"),
        [
            ({}, "training"),
            ({"training": 8, "validation": 1, "test": 1}, "training"),  # all as wanted
            ({"training": 80}, "validation"),
            ({"training": 80, "validation": 10}, "test"),
            ({"training": 70, "validation": 15, "test": 15}, "training"),
            ({"training": 85, "validation": 10, "test": 5}, "test"),
        ],
    )
    def test_the_split_that_lacks_most_of_its_share_is_next(
        self, counts: dict[str, int], shortest: str
    ) -> None:
        there = [
            Path(f"daisy/v@video-{split}-{i}.jpg") for split, n in counts.items() for i in range(n)
        ]
        # What is no photo does not count.
        there += [Path(f"daisy/v@video-training-{i}.txt") for i in range(500)]
        assert _shortest(there) == shortest


def test_a_video_that_is_not_there_or_cut_already_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"garden\.mp4: there is no such file"):
        split_video(tmp_path / "garden.mp4", tmp_path / "daisy", CutOptions())
    (tmp_path / "garden.mp4").write_bytes(b"")
    (tmp_path / "daisy").mkdir()
    for name in ("garden@video-test-000000.000s.jpg", "garden@video-000000.000s.jpg"):
        (tmp_path / "daisy" / name).touch()
        with pytest.raises(DatasetError, match=r"holds photos of garden\.mp4 already"):
            split_video(tmp_path / "garden.mp4", tmp_path / "daisy", CutOptions())
        (tmp_path / "daisy" / name).unlink()
