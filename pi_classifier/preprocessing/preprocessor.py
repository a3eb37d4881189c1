"""From a picture of any size to the pixels a model wants: the project's only resize.

The daemon and the training side both use it, so that a network never meets a
picture that was made smaller in another way than those it learned from.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.area_average import (
    LARGEST_SCALE,
    SMALLEST_SCALE,
    AreaAverage,
    Box,
    Pixels,
)
from pi_classifier.system.files import open_regular_file

Resize = Literal["crop", "stretch"]

# Those that the manual names. Pillow can open forty, some by starting other programs, and
# what a file is does not depend on its name.
PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF")

# Part of the key under which the training side keeps what a network made of a photo: change it
# (to any other text) whenever the pixels of any photo change, and only then.
PIXELS_VERSION = "1b708769fe3602c5"

# What Pillow's many file readers raise on damaged files.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    ArithmeticError,
    LookupError,
    AttributeError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)
_EXIF_ORIENTATION = 0x0112
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Preprocessor:
    """Crops and resizes RGB pictures to `size` = (height, width).

    `resize="crop"` takes the largest centered part of the picture that has the
    target's aspect ratio; `"stretch"` takes all of it. Either is then made
    smaller (or larger) with every source pixel counted: no aliasing. An instance
    keeps working memory for the last picture size it met, so it serves one thread.
    """

    def __init__(self, size: tuple[int, int], resize: Resize = "crop") -> None:
        if min(size) < 1:
            raise ValueError(f"size {size} must be (height, width), both at least 1")
        if resize not in ("crop", "stretch"):
            raise ValueError(f'resize {resize!r} must be "crop" or "stretch"')
        self.size = size
        self.resize = resize
        self._source: tuple[int, int] | None = None
        self._box: Box | None = None
        self._area: AreaAverage | None = None

    def __call__(self, pixels: Pixels, out: Pixels | None = None) -> Pixels:
        """Return uint8 ``[H, W, 3]`` from uint8 RGB ``[h, w, 3]``.

        A picture that already has the size is returned itself, not a copy.
        Otherwise the result is written to `out` (C-contiguous) where one is given.
        """
        source = pixels.shape[:2]
        if source == self.size:
            return pixels
        if out is None:
            out = np.empty((*self.size, 3), np.uint8)
        if source != self._source:
            self._plan(source)
        if self._area is not None:
            return self._area(np.ascontiguousarray(pixels), out)
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        # "Bilinear" of Pillow is a triangle as wide as the scale asks: antialiased.
        small = picture.resize(self.size[::-1], Image.Resampling.BILINEAR, box=self._box)
        np.copyto(out, np.asarray(small))
        return out

    def _plan(self, source: tuple[int, int]) -> None:
        """Prepare for pictures of `source` size; a camera's frames all have one size."""
        whole: Box = (0.0, 0.0, float(source[1]), float(source[0]))
        box = crop_box(source, self.size) if self.resize == "crop" else whole
        scales = ((box[3] - box[1]) / self.size[0], (box[2] - box[0]) / self.size[1])
        fits = min(scales) >= SMALLEST_SCALE and max(scales) <= LARGEST_SCALE
        self._area = AreaAverage(source, self.size, box) if fits else None
        self._box = box
        self._source = source


def crop_box(source: tuple[int, int], target: tuple[int, int]) -> Box:
    """Return the centered (left, top, right, bottom) of `source` with `target`'s aspect ratio.

    Sizes are (height, width) in pixels; the box may lie between pixels.
    """
    height, width = source
    scale = min(height / target[0], width / target[1])
    # Multiplying back may exceed the picture by a rounding error, which no resize accepts.
    box_height, box_width = min(height, target[0] * scale), min(width, target[1] * scale)
    left, top = (width - box_width) / 2, (height - box_height) / 2
    return left, top, min(width, left + box_width), min(height, top + box_height)


def load_image(path: str | Path, *, min_side: int | None = None) -> Pixels:
    """Read a photo as RGB uint8 ``[height, width, 3]``, turned as its EXIF data says.

    Transparent parts become white; of an animation the first frame is taken.
    With `min_side` a large JPEG may be decoded at a half, a quarter or an eighth
    of its size, with no side below `min_side`: much faster on a small computer.
    Raises `ImageError`, naming the file, when it cannot be read as a picture.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with (
                open_regular_file(path) as file,
                Image.open(file, formats=PHOTO_FORMATS) as image,
            ):
                return _to_rgb(image, min_side)
    except FileNotFoundError:
        raise ImageError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: is a folder; name an image file in it") from None
    except UnidentifiedImageError:
        raise ImageError(
            f"{path}: is not an image this program can read; expected JPEG, PNG, WebP, "
            "GIF, BMP or TIFF"
        ) from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise ImageError(
            f"{path}: has more than {limit} million pixels; save it smaller first"
        ) from None
    except _DAMAGED as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path}: cannot be read as an image ({reason})") from error


def _to_rgb(image: Image.Image, min_side: int | None) -> Pixels:
    if min_side is not None:
        image.draft(None, (min_side, min_side))
    turn = _TRANSPOSE.get(_orientation(image))
    rgb = _eight_bit(image)
    if turn is not None:
        rgb = rgb.transpose(turn)
    pixels = np.asarray(rgb)
    pixels.flags.writeable = False
    return pixels


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) where the EXIF data is damaged."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except _DAMAGED:
        return 1
    return value if isinstance(value, int) else 1


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_deep_gray(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _deep_gray(values: NDArray[np.generic]) -> Pixels:
    """Bring 16-bit, 32-bit and float gray values to 8 bits by the range they use."""
    gray = values.astype(np.float32)
    top = float(gray.max(initial=0.0))
    if not np.issubdtype(values.dtype, np.floating):
        # 16-bit scans that happen to be dark still count as 16-bit.
        full = 65535.0 if values.dtype.itemsize == 2 or top > 255 else 255.0
    else:
        full = 1.0 if top <= 1.0 else 255.0 if top <= 255.0 else 65535.0
    scaled = np.nan_to_num(gray) * (255.0 / full)
    eight_bit: Pixels = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return eight_bit
