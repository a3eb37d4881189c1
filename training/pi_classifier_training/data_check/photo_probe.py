"""Probing one photo file: can it be read, what is special, what does it look like."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.photos import (
    MOST_PHOTO_BYTES,
    PHOTO_FORMATS,
    load_image,
    reading_bytes,
)
from pi_classifier_training.data.similarity import GRAY_SIDE, difference_hash, gray_thumbnail

TINY_SIDE = 64
# A spread of gray below this many of 256 levels shows nothing but noise.
UNIFORM_SPREAD = 4.0
_ORIENTATION = 0x0112
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
SUFFIXES = {
    "JPEG": _JPEG,
    "MPO": _JPEG,
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "DIB": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
}
# Kinds of files that the training leaves out.
BROKEN = ("unreadable", "not-an-image", "damaged", "too-large")


@dataclass(frozen=True, slots=True, eq=False)
class PhotoProbe:
    """What one file is.

    `kinds` names what is special or wrong. `digest` is 16 bytes of the SHA-256 of the file.
    `difference_hash` has 64 bits, `gray` is uint8 ``[32, 32]`` the photo in small,
    upright; None where the file cannot be read or shows next to nothing.
    """

    kinds: tuple[str, ...]
    digest: bytes = b""
    difference_hash: int = 0
    gray: NDArray[np.uint8] | None = None


def probe_photo(path: str) -> PhotoProbe:
    """Read a file once from end to end; never raises for what is in it."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return PhotoProbe(("unreadable",))
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()[:16]
    except OSError:
        return PhotoProbe(("unreadable",))
    kinds = _kinds_by_header(path)
    if kinds and kinds[0] in BROKEN:
        return PhotoProbe(kinds, digest)
    try:
        pixels = load_image(path, min_side=GRAY_SIDE)
    except ImageError:
        return PhotoProbe(("damaged",), digest)
    gray = Image.fromarray(pixels).convert("L")
    small = gray_thumbnail(gray)
    if float(small.std()) < UNIFORM_SPREAD:
        return PhotoProbe((*kinds, "one-color"), digest)
    return PhotoProbe(kinds, digest, difference_hash(gray), small)


def _kinds_by_header(path: str) -> tuple[str, ...]:
    """What the header of a file says; one of BROKEN where that ends the matter."""
    try:
        with Image.open(path, formats=PHOTO_FORMATS) as image:
            if reading_bytes(image) > MOST_PHOTO_BYTES:
                return ("too-large",)
            return _traits(image, Path(path).suffix.lower())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return ("too-large",)
    except UnidentifiedImageError:
        return ("not-an-image",)
    except Exception:  # noqa: BLE001 - Pillow's readers raise anything on damaged files
        return ("damaged",)


def _traits(image: Image.Image, suffix: str) -> tuple[str, ...]:
    """What is special about a photo, from its header alone."""
    traits = {
        "extension": suffix not in SUFFIXES.get(image.format or "", ()),
        "tiny": min(image.size) < TINY_SIDE,
        "cmyk": image.mode == "CMYK",
        "deep": image.mode.startswith(("I", "F")),
        "transparent": image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info,
        "animated": image.format != "MPO" and getattr(image, "n_frames", 1) > 1,
        "turned": image.getexif().get(_ORIENTATION, 1) not in (0, 1),
    }
    return tuple(kind for kind, applies in traits.items() if applies)
