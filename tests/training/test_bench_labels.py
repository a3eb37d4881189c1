"""The drawn set of many labels, and how a command's memory is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.cli import main
from benchmarks.errors import BenchmarkError
from benchmarks.many_labels import MOST_LABELS, _ran, draw_blossoms


def drawn(folder: Path, labels: int = 4, per_label: int = 2) -> dict[str, bytes]:
    draw_blossoms(folder, labels, per_label)
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.jpg"))}


def test_labels_and_photos_are_as_many_as_asked_for_and_always_the_same(tmp_path: Path) -> None:
    first, again = drawn(tmp_path / "a"), drawn(tmp_path / "b")
    assert first == again
    assert len({Path(name).parent for name in first}) == 4
    assert len(set(first.values())) == len(first) == 8
    # More labels are the same ones and others.
    assert first.items() < drawn(tmp_path / "c", 6).items()


def test_every_blossom_has_an_eye_of_one_color(tmp_path: Path) -> None:
    for name in drawn(tmp_path):
        pixels = np.asarray(Image.open(tmp_path / name), np.float32)
        spreads = [
            pixels[y : y + 6, x : x + 6].std(axis=(0, 1)).mean()
            for y in range(80, 160, 4)
            for x in range(80, 160, 4)
        ]
        assert min(spreads) < 12 < pixels[:40].std(axis=(0, 1)).mean()


@pytest.mark.parametrize("labels", [1, MOST_LABELS + 1])
def test_a_number_of_labels_that_cannot_be_drawn_is_refused(labels: int, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=rf"--labels {labels}: expected 2 to {MOST_LABELS}"):
        draw_blossoms(tmp_path, labels, 1)


def test_a_commands_memory_and_time_are_its_own() -> None:
    ran = _ran(["--help"])
    assert "retrain" in ran.output
    assert ran.peak_mb > 5
    assert 0 < ran.processor_s < ran.wall_s + 5


def test_a_command_that_fails_is_told_with_its_words() -> None:
    with pytest.raises(BenchmarkError, match=r"(?s)inspect failed: .*no/such/file"):
        _ran(["inspect", "no/such/file"])


def test_without_photos_only_the_drawn_ones_are_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["training"]) == 1
    assert "--only labels" in capsys.readouterr().err
