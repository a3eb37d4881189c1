"""Photos made small enough to lie inside a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.preprocessor import load_image

# Twice the size shown, for sharp screens; about 6 kB each.
LONGEST_SIDE = 220
QUALITY = 68
# A photo need not be decoded whole to become this small.
DECODED_SIDE = 2 * LONGEST_SIDE


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture as a ``data:`` address, its size in pixels and where it is from."""

    address: str
    width: int
    height: int
    name: str


def thumbnail(photo: Path) -> Thumbnail | None:
    """Make a photo small; None when it cannot be read (any more).

    Nothing of the photo's metadata (place, camera) comes along.
    """
    try:
        picture = Image.fromarray(load_image(photo, min_side=DECODED_SIDE))
    except ImageError:
        return None
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=QUALITY, optimize=True)
    address = "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
    return Thumbnail(address, *picture.size, f"{photo.parent.name}/{photo.name}")
