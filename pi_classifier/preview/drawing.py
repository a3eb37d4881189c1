"""Views as pictures: the frame with labels and scores below it, also as PNG files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from pi_classifier.errors import ConfigError
from pi_classifier.preview.latest_view import View
from pi_classifier.system.files import replacing
from pi_classifier.system.folders import expanded
from pi_classifier.types import Category, Detection

_SMALLEST_WIDTH = 480
_LARGEST_WIDTH = 1280
_LINES = 3
_BACK, _TEXT, _QUIET = (18, 20, 23), (240, 240, 236), (150, 155, 160)
_BAR, _DECIDED = (76, 86, 96), (58, 140, 84)
# Letters of most alphabets; on every Raspberry Pi OS with a desktop, and most Debians.
_FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/usr/share/fonts/truetype/freefont/FreeSans.ttf",
)
_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def picture(view: View) -> Image.Image:
    """Draw a view: the frame, between 480 and 1280 pixels wide, and a panel of scores."""
    image = Image.fromarray(view.frame.pixels)
    width = min(max(image.width, _SMALLEST_WIDTH), _LARGEST_WIDTH)
    if width != image.width:
        height = max(1, round(image.height * width / image.width))
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    line = max(18, width // 22)
    if view.detections:
        _draw_detections(image, view, line)
    gap = line // 3
    panel = Image.new("RGB", (width, 2 * gap + line * 2 + _LINES * (line + gap // 2)), _BACK)
    _draw_panel(ImageDraw.Draw(panel), view, width, line, gap)
    whole = Image.new("RGB", (width, image.height + panel.height))
    whole.paste(image, (0, 0))
    whole.paste(panel, (0, image.height))
    return whole


def draw_outlines(image: Image.Image, view: View, thick: int) -> None:
    """Draw frames, `thick` pixels wide, around what is seen; the best above the others."""
    draw = ImageDraw.Draw(image)
    for seen in reversed(view.detections):
        color = _DECIDED if seen.label == view.decided else _BAR
        left, top, right, bottom = _corners(seen, image)
        draw.rectangle((left, top, right, bottom), outline=color, width=thick)


def _draw_detections(image: Image.Image, view: View, line: int) -> None:
    """Draw frames around what is seen, each with its label and score."""
    thick = max(2, line // 8)
    draw_outlines(image, view, thick)
    draw = ImageDraw.Draw(image)
    font = _font(line * 2 // 3)
    for seen in reversed(view.detections):
        color = _DECIDED if seen.label == view.decided else _BAR
        left, top, _, _ = _corners(seen, image)
        text = f"{seen.label} {seen.score:.2f}"
        right = left + _width(draw, text, font) + 2 * thick
        draw.rectangle((left, top, right, top + line), fill=color)
        _write(draw, (left + thick, top + thick // 2), text, font, _TEXT)


def _corners(seen: Detection, image: Image.Image) -> tuple[int, int, int, int]:
    left, top, width, height = seen.box
    return (
        round(left * image.width),
        round(top * image.height),
        round((left + width) * image.width) - 1,
        round((top + height) * image.height) - 1,
    )


def _draw_panel(draw: ImageDraw.ImageDraw, view: View, width: int, line: int, gap: int) -> None:
    large = _font(line * 3 // 2)
    _write(draw, (gap, gap), view.heading, large, _TEXT if view.decided else _QUIET)
    time = f"{view.frame.timestamp_ns / 1e9:.1f} s · frame {view.frame.sequence}"
    small = _font(line * 2 // 3)
    _write(draw, (width - gap - _width(draw, time, small), gap), time, small, _QUIET)
    y = gap + line * 2
    for category in view.best(_LINES):
        _draw_score(
            draw, category, (gap, y, width - gap, y + line), category.label == view.decided
        )
        y += line + gap // 2


def _draw_score(
    draw: ImageDraw.ImageDraw, category: Category, box: tuple[int, int, int, int], decided: bool
) -> None:
    left, top, right, bottom = box
    end = left + round((right - left) * min(1.0, max(0.0, category.score)))
    draw.rectangle((left, top, right, bottom), fill=(32, 36, 41))
    if end > left:
        draw.rectangle((left, top, end, bottom), fill=_DECIDED if decided else _BAR)
    font = _font((bottom - top) * 2 // 3)
    inset = (bottom - top) // 6
    _write(draw, (left + 2 * inset, top + inset), category.label, font, _TEXT)
    score = f"{category.score:.2f}"
    at = (right - 2 * inset - _width(draw, score, font), top + inset)
    _write(draw, at, score, font, _TEXT)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    font: _Font,
    fill: tuple[int, int, int],
) -> None:
    draw.text(at, _writable(text, font), font=font, fill=fill)


def _width(draw: ImageDraw.ImageDraw, text: str, font: _Font) -> int:
    return round(draw.textlength(_writable(text, font), font=font))


def _writable(text: str, font: _Font) -> str:
    """The text on one line, and for Pillow's plain font the letters that it has."""
    text = " ".join(text.split())
    if isinstance(font, ImageFont.FreeTypeFont):
        return text
    return text.encode("latin-1", "replace").decode("latin-1")


@cache
def _font(size: int) -> _Font:
    for path in _FONTS:
        if Path(path).is_file():
            return ImageFont.truetype(path, size)
    try:
        return ImageFont.load_default(size)
    except TypeError:  # before Pillow 10.1, it had one size only
        return ImageFont.load_default()


class PictureFile:
    """Writes views to one file, replaced as a whole, or to many where the name has ``%d``.

    Raises ConfigError for a folder that is not there, a name that cannot be a number's, or a
    link: in a folder that others write to, it would choose which file is lost.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._many = "%" in name
        if self._many and self._path(0) == self._path(1):
            raise ConfigError(f"--png {name}: expected one number in it, such as seen-%05d.png")
        folder = self._path(0).parent
        if not folder.is_dir():
            raise ConfigError(f"--png {name}: there is no folder {folder}; make it first")
        self._refuse_link(self._path(0))

    def write(self, view: View) -> None:
        """Write one view; a reader meets the old file or the new one, never a part."""
        path = self._path(view.frame.sequence)
        self._refuse_link(path)
        with replacing(path, durable=False, follow=False) as partial:
            picture(view).save(partial, "PNG", compress_level=1)

    def _refuse_link(self, path: Path) -> None:
        if path.is_symlink() and (path.is_file() or not path.exists()):
            raise ConfigError(
                f"--png {self._name}: {path} is a link to {path.readlink()}; name that file itself"
            )

    def _path(self, number: int) -> Path:
        try:
            name = self._name % number if self._many else self._name
        except (TypeError, ValueError):
            raise ConfigError(
                f"--png {self._name}: expected one number in it, such as seen-%05d.png"
            ) from None
        return expanded(name)
