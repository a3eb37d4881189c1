"""Photos of every kind as upright RGB, and never with more memory than is allowed."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing import photos
from pi_classifier.preprocessing.photos import (
    MOST_PHOTO_BYTES,
    PHOTO_FORMATS,
    load_image,
    read_photo,
    reading_bytes,
)

Pixels = NDArray[np.uint8]


def picture(height: int, width: int) -> Pixels:
    """A picture of which every pixel is another, without sharp edges."""
    rows, columns = np.mgrid[0:height, 0:width]
    blue = 255 * (rows + columns) // (height + width)
    return np.dstack([255 * columns // width, 255 * rows // height, blue]).astype(np.uint8)


class TestLoadImage:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_turns_as_exif_says(self, tmp_path: Path, orientation: int) -> None:
        upright = np.zeros((16, 32, 3), np.uint8)
        upright[:8, :8] = (250, 0, 0)
        upright[8:, 24:] = (0, 0, 250)
        # How a camera stores the upright picture: the inverse of what a viewer does.
        stored = {
            1: lambda p: p,
            2: lambda p: p[:, ::-1],
            3: lambda p: p[::-1, ::-1],
            4: lambda p: p[::-1],
            5: lambda p: p.swapaxes(0, 1),
            6: lambda p: np.rot90(p, 1),
            7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
            8: lambda p: np.rot90(p, -1),
        }[orientation](upright)
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / "turned.png"
        Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
        assert (load_image(path) == upright).all()

    @pytest.mark.parametrize(
        ("mode", "color", "expected"),
        [
            ("L", 100, (100, 100, 100)),
            ("1", 1, (255, 255, 255)),
            ("RGB", (10, 20, 30), (10, 20, 30)),
            ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
            ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
            ("LA", (50, 0), (255, 255, 255)),
            ("I;16", 0x8000, (128, 128, 128)),
        ],
    )
    def test_png_modes(
        self, tmp_path: Path, mode: str, color: object, expected: tuple[int, ...]
    ) -> None:
        path = tmp_path / "picture.png"
        Image.new(mode, (4, 3), color).save(path)  # type: ignore[arg-type]
        pixels = load_image(path)
        assert pixels.shape == (3, 4, 3)
        assert pixels.dtype == np.uint8
        assert not pixels.flags.writeable
        assert (pixels == expected).all()

    def test_palette_with_transparency(self, tmp_path: Path) -> None:
        picture = Image.new("P", (4, 4), 1)
        picture.putpalette([0, 0, 0, 200, 100, 50])
        picture.putpixel((0, 0), 0)
        path = tmp_path / "palette.png"
        picture.save(path, transparency=0)
        pixels = load_image(path)
        assert tuple(pixels[0, 0]) == (255, 255, 255)
        assert tuple(pixels[3, 3]) == (200, 100, 50)

    def test_cmyk_jpeg(self, tmp_path: Path) -> None:
        path = tmp_path / "print.jpg"
        Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path)
        red, green, blue = load_image(path)[8, 8]
        assert red > 200
        assert green < 60
        assert blue < 60

    def test_float_tiff_in_zero_to_one(self, tmp_path: Path) -> None:
        path = tmp_path / "science.tiff"
        Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)).save(path)
        assert load_image(path)[0, :, 0].tolist() == [0, 128, 255]

    def test_first_frame_of_an_animation(self, tmp_path: Path) -> None:
        path = tmp_path / "moving.gif"
        frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert tuple(load_image(path)[0, 0]) == (255, 0, 0)

    def test_min_side_decodes_a_large_jpeg_smaller(self, tmp_path: Path) -> None:
        path = tmp_path / "large.jpg"
        Image.fromarray(picture(800, 1200)).save(path)
        full, reduced = load_image(path), load_image(path, min_side=200)
        assert full.shape == (800, 1200, 3)
        assert reduced.shape == (200, 300, 3)

    def test_damaged_exif_is_ignored(self, tmp_path: Path) -> None:
        path = tmp_path / "exif.jpg"
        Image.new("RGB", (8, 8), "red").save(path, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
        assert load_image(path).shape == (8, 8, 3)


def png(width: int, height: int) -> bytes:
    """The head of a PNG of that size, and no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


class TestUnreadable:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "not an image"),
            (b"just some text\n" * 20, "not an image"),
            (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "not an image|cannot be read"),
            (png(30_000, 30_000), "million pixels"),
            (png(9_000, 9_000), "needs 324 MB of memory"),
        ],
    )
    def test_says_which_file_and_what_is_wrong(
        self, tmp_path: Path, content: bytes, says: str
    ) -> None:
        path = tmp_path / "photo.jpg"
        path.write_bytes(content)
        with pytest.raises(ImageError, match=says) as caught:
            load_image(path)
        assert "photo.jpg" in str(caught.value)

    def test_missing_file_and_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="no such file"):
            load_image(tmp_path / "none.jpg")
        with pytest.raises(ImageError, match="is a folder"):
            load_image(tmp_path)

    @given(cut=st.integers(0, 3000), flip=st.integers(0, 3000), bit=st.integers(0, 7))
    @settings(max_examples=150, deadline=None)
    def test_damaged_jpeg_is_read_or_refused(
        self, tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int, bit: int
    ) -> None:
        path = tmp_path_factory.mktemp("damaged") / "photo.jpg"
        Image.fromarray(picture(60, 80)).save(path)
        content = bytearray(path.read_bytes()[: max(1, 3000 - cut)])
        content[flip % len(content)] ^= 1 << bit
        path.write_bytes(content)
        message = "photo.jpg"
        try:
            assert load_image(path).shape[2] == 3
        except ImageError as error:
            message = str(error)
        assert "photo.jpg" in message


def saved(image: Image.Image, kind: str, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def opened(file: io.BytesIO) -> Image.Image:
    return Image.open(file, formats=PHOTO_FORMATS)


IMAGE = Image.fromarray(picture(400, 600))


class TestMemory:
    @pytest.mark.parametrize(
        ("file", "expected"),
        [
            (saved(IMAGE, "JPEG"), 4),
            (saved(IMAGE.convert("L"), "JPEG"), 1),
            (saved(IMAGE.convert("CMYK"), "JPEG"), 4),
            (saved(IMAGE, "JPEG", progressive=True), 4 + 3),
            (saved(IMAGE, "JPEG", progressive=True, subsampling=0), 4 + 6),
            (saved(IMAGE, "PNG"), 4),
            (saved(IMAGE.convert("P"), "PNG"), 1),
            (saved(Image.new("I;16", IMAGE.size), "PNG"), 2),
            (saved(IMAGE, "WEBP"), 16),
            (saved(IMAGE, "BMP"), 4),
            (saved(IMAGE, "TIFF", tiffinfo={278: 400}), 4 + 4),
        ],
    )
    def test_what_a_picture_takes_is_known_from_its_head(
        self, file: io.BytesIO, expected: float
    ) -> None:
        with opened(io.BytesIO(file.getvalue())) as image:
            assert reading_bytes(image) / 240_000 == pytest.approx(expected, rel=0.04)

    def test_a_jpeg_of_one_color_at_a_time_is_held_whole(self) -> None:
        """A first scan of one component: libjpeg keeps the coefficients of all of them."""
        content = saved(IMAGE, "JPEG").getvalue()
        scan = content.index(b"\xff\xda")
        split = content[:scan] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + content[scan + 14 :]
        with opened(io.BytesIO(split)) as image:
            assert reading_bytes(image) / 240_000 == pytest.approx(4 + 3, rel=0.04)

    def test_a_larger_jpeg_is_decoded_smaller(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(photos, "_MOST_PIXELS", 20_000)  # 240,000 are 12 times as many
        with opened(saved(IMAGE, "JPEG")) as image:
            assert reading_bytes(image) == 4 * 150 * 100
        pixels = read_photo(saved(IMAGE, "JPEG"))
        assert pixels.shape == (100, 150, 3)
        assert np.abs(pixels.astype(int) - picture(100, 150)).max() < 12

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "1", "I;16", "I", "F"])
    def test_other_pictures_are_made_smaller_part_by_part(
        self, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        deep = Image.fromarray(picture(41, 63)[..., 2].astype(np.uint16) * 257)
        image = deep if mode == "I;16" else IMAGE.resize((63, 41)).convert(mode)
        if mode == "RGBA":
            image.putalpha(Image.fromarray(picture(41, 63)[..., 1]))
        kind = "TIFF" if mode in "IF" else "PNG"
        whole = Image.fromarray(read_photo(saved(image, kind)))
        monkeypatch.setattr(photos, "_PART_PIXELS", 200)
        assert np.array_equal(read_photo(saved(image, kind)), np.asarray(whole))
        monkeypatch.setattr(photos, "_MOST_PIXELS", 700)
        assert np.array_equal(read_photo(saved(image, kind)), np.asarray(whole.reduce(2)))

    def test_what_needs_more_is_refused_before_it_is_decoded(self, tmp_path: Path) -> None:
        """Eighty-nine million pixels, of which the file holds none."""
        content = bytearray(png(10_900, 8_200))
        path = tmp_path / "large.png"
        path.write_bytes(content)
        with pytest.raises(ImageError, match=r"large\.png: needs 358 MB .* 220 MB .*JPEG"):
            load_image(path)
        assert MOST_PHOTO_BYTES == 220_000_000

    def test_a_program_is_no_photo_whatever_it_is_called(self, tmp_path: Path) -> None:
        """EPS would be handed to Ghostscript."""
        path = tmp_path / "photo.jpg"
        IMAGE.save(path, "EPS")
        with pytest.raises(ImageError, match=r"photo\.jpg: is not an image"):
            load_image(path)
