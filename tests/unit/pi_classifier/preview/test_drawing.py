"""What is drawn of a view, and the picture files it is written to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from pi_classifier.errors import ConfigError
from pi_classifier.preview import drawing
from pi_classifier.preview.drawing import PictureFile
from pi_classifier.types import Detection
from tests.unit.pi_classifier.preview.views import view


def test_labels_and_scores_are_drawn_below_the_frame() -> None:
    drawn = np.asarray(drawing.picture(view(size=(480, 640))))
    assert drawn.shape[1] == 640
    assert drawn.shape[0] > 480
    assert (drawn[:480] == (0, 128, 0)).all()
    panel = drawn[480:]
    bar = (panel == drawing._DECIDED).all(axis=2)
    widest = bar.sum(axis=1).max()
    assert 0.7 * 640 < widest < 0.75 * 640  # a score of 0.75, less the letters on it
    undecided = np.asarray(drawing.picture(view(size=(480, 640), decided=None)))[480:]
    assert not (undecided == drawing._DECIDED).all(axis=2).any()


SEEN = (
    Detection("daisy", 0.9, (0.25, 0.5, 0.25, 0.25)),
    Detection("rose", 0.8, (0.75, 0, 0.25, 0.5)),
)


def test_what_is_seen_is_framed_with_its_label() -> None:
    shown = view(size=(480, 640), detections=SEEN)
    drawn = np.asarray(drawing.picture(shown))[:480]
    decided = (drawn == drawing._DECIDED).all(axis=2)
    assert decided[240, 160:320].all()
    assert decided[240:360, 319].all()
    assert not decided[:, 330:].any()
    assert (drawn[0:240, 639] == drawing._BAR).all()
    inside = drawn[300:350, 200:300]
    assert (inside == (0, 128, 0)).all()
    assert (shown.frame.pixels == (0, 128, 0)).all()


@pytest.mark.parametrize(("size", "width"), [((24, 32), 480), ((1440, 2560), 1280)])
def test_small_frames_are_enlarged_and_large_ones_made_smaller(
    size: tuple[int, int], width: int
) -> None:
    assert drawing.picture(view(size=size)).width == width


@pytest.mark.parametrize("fonts", [drawing._FONTS, (), None])
def test_any_label_can_be_drawn_with_any_font(
    monkeypatch: pytest.MonkeyPatch, fonts: tuple[str, ...] | None
) -> None:
    """Pillow's plain font, all there is before 10.1 without a font file, knows Latin only."""
    drawing._font.cache_clear()
    monkeypatch.setattr(drawing, "_FONTS", fonts or ())
    if fonts is None:
        monkeypatch.setattr(ImageFont, "load_default", ImageFont.load_default_imagefont)
    try:
        drawn = drawing.picture(view(labels=("жёлтый\nцветок", "雏菊", "née"), decided="雏菊"))
    finally:
        drawing._font.cache_clear()
    assert drawn.width == 480


def test_a_picture_file_is_replaced_whole(tmp_path: Path) -> None:
    file = PictureFile(str(tmp_path / "seen.png"))
    for number in range(3):
        file.write(view(number))
    assert [path.name for path in tmp_path.iterdir()] == ["seen.png"]
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.format == "PNG"


def test_a_sequence_is_numbered_by_frame(tmp_path: Path) -> None:
    file = PictureFile(str(tmp_path / "seen-%03d.png"))
    file.write(view(7))
    file.write(view(12))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seen-007.png", "seen-012.png"]


@pytest.mark.parametrize("name", ["%s%s.png", "100%.png", "a%%.png", "nowhere/a.png"])
def test_names_that_cannot_be_written_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="--png"):
        PictureFile(str(tmp_path / name))


def test_a_link_chooses_no_file_to_be_lost(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    link = tmp_path / "seen.png"
    link.symlink_to(tmp_path / "kept.txt")
    with pytest.raises(ConfigError, match=r"seen\.png is a link to .*kept\.txt; name that file"):
        PictureFile(str(link))
    link.unlink()
    file = PictureFile(str(link))
    link.symlink_to(tmp_path / "kept.txt")  # made by somebody meanwhile
    with pytest.raises(ConfigError, match="is a link"):
        file.write(view())
    assert (tmp_path / "kept.txt").read_text() == "mine"
