"""Photos: read as upright RGB pixels, within bounds of memory whatever is in the file.

A small computer meets the same photos as a workstation. What a picture needs is known from
its head: a JPEG is decoded at a half, a quarter or an eighth of its size until it fits, of
other formats what does not fit is refused before a byte of it is decoded.
"""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.area_average import Pixels
from pi_classifier.system.files import open_regular_file

# Those that the manual names. Pillow can open forty, some by starting other programs, and
# what a file is does not depend on its name.
PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF")

# Part of the key under which the training side keeps what a network made of a photo: change it
# (to any other text) whenever the pixels of any photo change, and only then.
PIXELS_VERSION = "83a0c5d1b7e64f29"

# Half of what a board with 512 MB has left for programs.
MOST_PHOTO_BYTES = 220_000_000
# A telephone's 12 million pixels are kept; no network sees more of larger ones.
_MOST_PIXELS = 13_000_000
# So much is converted at a time: all of an ordinary picture.
_PART_PIXELS = 1_000_000
_REDUCTIONS = (1, 2, 4, 8)  # those libjpeg decodes at

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
_TIFF_ROWS_PER_STRIP = 278


def load_image(path: str | Path, *, min_side: int | None = None) -> Pixels:
    """Read a photo as `read_photo` does; raises `ImageError`, naming the file."""
    path = Path(path)
    try:
        with open_regular_file(path) as file:
            return read_photo(file, min_side=min_side)
    except FileNotFoundError:
        raise ImageError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: is a folder; name an image file in it") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def read_photo(file: BinaryIO, *, min_side: int | None = None) -> Pixels:
    """Read a picture as RGB uint8 ``[height, width, 3]``, turned as its EXIF data says.

    Transparent parts become white; of an animation the first frame is taken. With
    `min_side` a large JPEG may be decoded at a half, a quarter or an eighth of its size,
    with no side below `min_side`: much faster on a small computer. Of more than 13 million
    pixels a half, a third and so on is kept each way. Raises `ImageError` when it cannot be
    read as a picture, or only with more than `MOST_PHOTO_BYTES` of memory.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage that does not matter; sizes count below
            with Image.open(file, formats=PHOTO_FORMATS) as image:
                _draft(image, min_side)
                _check_memory(image)
                return _upright_pixels(image)
    except UnidentifiedImageError:
        raise ImageError(
            "is not an image this program can read; expected JPEG, PNG, WebP, GIF, BMP or TIFF"
        ) from None
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise ImageError(f"has more than {limit} million pixels; save it smaller") from None
    except ImageError:
        raise
    except _DAMAGED as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"cannot be read as an image ({reason})") from error


def reading_bytes(image: Image.Image) -> int:
    """How much memory it takes to read an image that is open, by its head alone.

    A JPEG is asked to come as small as it is read. As measured, an image has one byte a pixel
    where it is gray or has a palette, two where it is 16-bit, else four; WebP has four of
    them. A JPEG in several scans is held as its coefficients first, at full size, and a
    compressed TIFF as its longest strip.
    """
    _draft(image, None)
    one = {"1": 1, "L": 1, "P": 1}.get(image.mode, 2 if image.mode.startswith("I;16") else 4)
    pixels = image.width * image.height
    needed = pixels * one
    if image.format == "WEBP":
        needed = pixels * 16
    elif image.format in ("JPEG", "MPO"):
        needed += _coefficient_bytes(image)
    elif image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        rows = int(tags.get(_TIFF_ROWS_PER_STRIP, image.height))
        needed += image.width * min(rows, image.height) * one
    return needed


def _check_memory(image: Image.Image) -> None:
    needed = reading_bytes(image)
    if needed > MOST_PHOTO_BYTES:
        raise ImageError(
            f"needs {needed / 1e6:.0f} MB of memory to be read, and no more than "
            f"{MOST_PHOTO_BYTES / 1e6:.0f} MB are used; save it smaller, or as a JPEG that is "
            "not progressive, which can be read at a part of its size"
        )


def _draft(image: Image.Image, min_side: int | None) -> None:
    """Ask a JPEG's decoder for a smaller picture, where that is wanted or has to be."""
    width, height = image.size
    wanted = 1 if not min_side else min(width, height) // min_side
    needed = math.sqrt(width * height / _MOST_PIXELS)
    reduction = max(
        max((one for one in _REDUCTIONS if one <= wanted), default=1),
        min((one for one in _REDUCTIONS if one >= needed), default=_REDUCTIONS[-1]),
    )
    if reduction > 1:
        image.draft(None, (max(1, width // reduction), max(1, height // reduction)))


def _coefficient_bytes(image: Image.Image) -> int:
    """What libjpeg holds of a picture whose colors do not all come in one scan."""
    layers = [layer[1:3] for layer in getattr(image, "layer", ())]
    if not layers or not (image.info.get("progressive") or _in_several_scans(image, len(layers))):
        return 0
    width, height = _full_size(image)
    across, down = max(one for one, _ in layers), max(one for _, one in layers)
    blocks: int = sum(
        math.ceil(width * wide / across / 8) * math.ceil(height * high / down / 8)
        for wide, high in layers
    )
    return blocks * 64 * 2


def _full_size(image: Image.Image) -> tuple[int, int]:
    """The width and height of a JPEG that is to be decoded smaller."""
    decoder = getattr(image, "decoderconfig", None)
    scale = decoder[0] if decoder else 1
    return image.width * scale, image.height * scale


def _in_several_scans(image: Image.Image, components: int) -> bool:
    """Whether a JPEG's first scan has only some of its components (ITU T.81, B.1)."""
    file: BinaryIO | None = getattr(image, "fp", None)
    if file is None:
        return False
    place = file.tell()
    try:
        file.seek(2)
        while True:
            head = file.read(4)
            if len(head) < 4 or head[0] != 0xFF:
                return False
            if head[1] == 0xFF:  # filling
                file.seek(-3, 1)
            elif head[1] == 0xDA:
                first = file.read(1)
                return bool(first) and first[0] < components
            else:
                file.seek(int.from_bytes(head[2:], "big") - 2, 1)
    finally:
        file.seek(place)


def _upright_pixels(image: Image.Image) -> Pixels:
    """Decode an image and convert it, part by part, so that little of it is held twice."""
    orientation = _orientation(image)
    width, height = image.size
    factor = math.ceil(math.sqrt(width * height / _MOST_PIXELS))
    rows = max(1, _PART_PIXELS // (width * factor)) * factor
    full = _deep_range(image, rows) if image.mode.startswith(("I", "F")) else 0.0
    pixels = np.empty((-(-height // factor), -(-width // factor), 3), np.uint8)
    for top, part in _parts(image, rows):
        rgb = _eight_bit(part, full)
        if factor > 1:
            rgb = rgb.reduce(factor)
        pixels[top // factor : top // factor + rgb.height] = np.asarray(rgb)
    upright = np.ascontiguousarray(_turned(pixels, orientation))
    upright.flags.writeable = False
    return upright


def _parts(image: Image.Image, rows: int) -> Iterator[tuple[int, Image.Image]]:
    """Yield the image in parts of so many rows, each with its first row's number."""
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) where the EXIF data is damaged."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except _DAMAGED:
        return 1
    return value if isinstance(value, int) else 1


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """A view of the picture as it was taken: EXIF orientations 2 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return pixels[::down, ::across]


def _eight_bit(image: Image.Image, full: float) -> Image.Image:
    """As RGB; `full` is the value of white where the image is deeper than 8 bits."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_deep_gray(np.asarray(image), full)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _deep_range(image: Image.Image, rows: int) -> float:
    """White of 16-bit, 32-bit and float gray values, by the range they use."""
    parts = (np.asarray(part) for _, part in _parts(image, rows))
    tops = [(values.dtype, float(values.astype(np.float32).max(initial=0.0))) for values in parts]
    kind, top = tops[0][0], float(np.max([value for _, value in tops]))
    if not np.issubdtype(kind, np.floating):
        # 16-bit scans that happen to be dark still count as 16-bit.
        return 65535.0 if kind.itemsize == 2 or top > 255 else 255.0
    return 1.0 if top <= 1.0 else 255.0 if top <= 255.0 else 65535.0


def _deep_gray(values: NDArray[np.generic], full: float) -> Pixels:
    scaled = np.nan_to_num(values.astype(np.float32)) * (255.0 / full)
    eight_bit: Pixels = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return eight_bit
