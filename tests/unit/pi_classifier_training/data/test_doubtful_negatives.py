"""Which negatives are left out, or named, because they may show a label after all."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.data.doubtful_negatives import (
    doubtful,
    name_doubtful,
    without_copies,
)

LABELS = ("background", "daisy", "rose")
# Scores of 0.7 and more are announced: e^2 against 1 and 1 gives 0.79, e^1 0.58.
LOGITS = np.array([[0, 2, 0], [0, 1, 0], [3, 0, 0], [0, 0, 5], [0, 0, 5]], np.float32)
TOLD = np.array([0, 0, 0, 0, 2])


def test_those_that_would_be_announced_are_doubtful_the_surest_first() -> None:
    assert doubtful(LOGITS, TOLD, (0,)).tolist() == [3, 0]


def test_they_are_named_with_what_they_are_taken_for(caplog: pytest.LogCaptureFixture) -> None:
    photos = [Photo(Path(f"other/{i}.jpg"), "background") for i in range(5)]
    name_doubtful(photos, LOGITS, TOLD, LABELS, (0,))
    assert "2 photos of nothing are taken for a label" in caplog.text
    assert "other/3.jpg: rose" in caplog.text
    caplog.clear()
    name_doubtful(photos[1:3], LOGITS[1:3], TOLD[1:3], LABELS, (0,))
    assert not caplog.records


def test_copies_of_a_users_photo_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    contents = {"own.jpg": b"daisy", "copy.jpg": b"daisy", "other.jpg": b"table", "more.jpg": b"x"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    own, *others = (Photo(tmp_path / name, "") for name in contents)
    with caplog.at_level(logging.WARNING):
        assert without_copies(others, [own]) == others[1:]
    assert f"{tmp_path}/copy.jpg, a copy of {tmp_path}/own.jpg" in caplog.text


def test_what_cannot_be_read_is_no_copy(tmp_path: Path) -> None:
    links = [tmp_path / name for name in ("own.jpg", "other.jpg")]
    for link in links:
        link.symlink_to(tmp_path / "gone.jpg")
    own, other = (Photo(link, "") for link in links)
    assert without_copies([other], [own]) == [other]
