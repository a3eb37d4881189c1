from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.preprocessor import (
    PIXELS_VERSION,
    Preprocessor,
    crop_box,
    load_image,
)

Pixels = NDArray[np.uint8]


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> Pixels:
    """A picture with detail at every size, as photos have."""
    rng = np.random.default_rng(7)
    total = np.zeros((height, width, 3), np.float32)
    for side in (4, 8, 16, 32, 64, 128):
        coarse = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        layer = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(layer, np.float32) / side**0.5
    total -= total.min()
    return np.asarray(total * (255 / total.max()), np.uint8)


# Sides around the places where the method changes: scale 1, 2 and 100, 256 addends.
SIDES = st.sampled_from([1, 2, 3, 7, 8, 15, 16, 17, 20, 24, 30, 31, 32, 33, 100, 128, 257, 805])


class TestPreprocessor:
    def test_picture_of_model_size_is_passed_on_itself(self) -> None:
        pixels = noise(32, 48)
        out = np.zeros_like(pixels)
        assert Preprocessor((32, 48))(pixels) is pixels
        assert Preprocessor((32, 48))(pixels, out) is pixels

    @given(SIDES, SIDES, st.sampled_from([1, 2, 7, 8, 16, 17]), st.sampled_from([1, 3, 8, 15]))
    @settings(max_examples=150, deadline=None)
    def test_any_size_to_any_size_keeps_shape_type_and_range(
        self, height: int, width: int, target_height: int, target_width: int
    ) -> None:
        pixels = np.clip(noise(height, width), 40, 200)
        for resize in ("crop", "stretch"):
            small = Preprocessor((target_height, target_width), resize)(pixels)
            assert small.shape == (target_height, target_width, 3)
            assert small.dtype == np.uint8
            assert small.flags.c_contiguous
            assert small.min() >= 40
            assert small.max() <= 200

    @given(SIDES, SIDES, st.sampled_from([0, 1, 127, 128, 254, 255]))
    @settings(max_examples=100, deadline=None)
    def test_one_color_stays_exactly_that_color(self, height: int, width: int, v: int) -> None:
        pixels = np.empty((height, width, 3), np.uint8)
        pixels[...] = (v, 255 - v, 77)
        for resize in ("crop", "stretch"):
            small = Preprocessor((8, 10), resize)(pixels)
            assert (small == (v, 255 - v, 77)).all()

    @given(
        st.sampled_from([16, 17, 20, 22, 24, 29, 30, 40, 64, 128, 129, 160, 255]),
        st.sampled_from([16, 21, 24, 31, 56, 88, 100, 255]),
    )
    @settings(max_examples=100, deadline=None)
    def test_rows_and_columns_are_treated_alike(self, height: int, width: int) -> None:
        pixels = noise(height, width)
        upright = Preprocessor((8, 8), "stretch")(pixels)
        turned = Preprocessor((8, 8), "stretch")(np.ascontiguousarray(pixels.swapaxes(0, 1)))
        difference = np.abs(upright.astype(int) - turned.swapaxes(0, 1))
        assert difference.max() <= 1

    @given(st.sampled_from([60, 61, 64, 70, 75, 77, 90, 100, 112, 113, 128, 200, 240]))
    @settings(deadline=None)
    def test_a_ramp_shows_that_every_window_is_in_its_place(self, width: int) -> None:
        ramp = np.empty((60, width, 3), np.uint8)
        ramp[...] = np.arange(width, dtype=np.uint8)[None, :, None]
        small = Preprocessor((30, 30), "stretch")(ramp)
        scale = width / 30
        expected = (np.arange(30) + 0.5) * scale - 0.5
        # Half the grid (0.25 pixels, or a tenth of the scale) and the rounding.
        assert np.abs(small[15, 1:-1, 1] - expected[1:-1]).max() <= max(0.25, 0.1 * scale) + 0.51

    @pytest.mark.parametrize("side", [96, 128, 160, 192, 224, 239, 240, 241, 300])
    def test_close_to_an_exact_antialiased_filter(self, side: int) -> None:
        pixels = smooth(480, 640)
        small = Preprocessor((side, side))(pixels).astype(np.float32)
        picture = Image.fromarray(pixels)
        for exact in (Image.Resampling.BOX, Image.Resampling.BILINEAR):
            reference = picture.resize((side, side), exact, box=(80, 0, 560, 480))
            assert np.abs(small - np.asarray(reference, np.float32)).mean() < 3

    def test_fine_stripes_average_out_instead_of_aliasing(self) -> None:
        stripes = np.zeros((480, 640, 3), np.uint8)
        stripes[::2] = 255
        for pixels in (stripes, np.ascontiguousarray(stripes.swapaxes(0, 1))):
            small = Preprocessor((96, 96), "stretch")(pixels)
            assert np.abs(small.astype(int) - 128).max() <= 27

    def test_crop_takes_the_center_and_stretch_takes_everything(self) -> None:
        pixels = np.zeros((60, 100, 3), np.uint8)
        pixels[:, :20] = pixels[:, 80:] = 255
        assert Preprocessor((20, 20), "crop")(pixels).max() == 0
        stretched = Preprocessor((20, 20), "stretch")(pixels)
        assert stretched[0, 0, 0] == stretched[0, -1, 0] == 255
        assert stretched[0, 10, 0] == 0

    def test_writes_into_out_and_reuses_memory_rightly_for_other_sizes(self) -> None:
        preprocess = Preprocessor((16, 16))
        out = np.empty((16, 16, 3), np.uint8)
        first, second = noise(64, 64, 1), noise(50, 90, 2)
        expected = Preprocessor((16, 16))(first).copy()
        assert preprocess(first, out) is out
        preprocess(second)
        assert (out == expected).all()
        assert (preprocess(first) == expected).all()

    def test_reads_read_only_and_non_contiguous_pictures(self) -> None:
        pixels = noise(64, 96)
        view = pixels[:, ::-1]
        pixels.flags.writeable = False
        expected = Preprocessor((16, 16))(np.ascontiguousarray(view))
        assert (Preprocessor((16, 16))(view) == expected).all()

    @pytest.mark.parametrize(("size", "resize"), [((0, 8), "crop"), ((8, 8), "fit")])
    def test_refuses_nonsense(self, size: tuple[int, int], resize: str) -> None:
        with pytest.raises(ValueError, match="must be"):
            Preprocessor(size, resize)  # type: ignore[arg-type]


def test_sizes_whose_ratio_rounds_up_can_still_be_resized() -> None:
    # 224 * (h / 224) exceeds h by one rounding error for these; Pillow refuses such a box.
    for side in (h for h in range(20, 700) if 224 * (h / 224) > h):
        picture = np.full((side, side, 3), 7, np.uint8)
        assert (Preprocessor((224, 224))(picture) == 7).all(), side


@given(*[st.integers(1, 4000)] * 4)
@example(29, 29, 224, 224)
def test_crop_box_is_inside_centered_and_of_the_right_shape(
    h: int, w: int, th: int, tw: int
) -> None:
    left, top, right, bottom = crop_box((h, w), (th, tw))
    assert 0 <= left <= right <= w
    assert 0 <= top <= bottom <= h
    assert left + right == pytest.approx(w)
    assert top + bottom == pytest.approx(h)
    assert (right - left) * th == pytest.approx((bottom - top) * tw)
    assert left == pytest.approx(0, abs=1e-6) or top == pytest.approx(0, abs=1e-6)


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
        Image.fromarray(smooth(800, 1200)).save(path)
        full, reduced = load_image(path), load_image(path, min_side=200)
        assert full.shape == (800, 1200, 3)
        assert reduced.shape == (200, 300, 3)

    def test_damaged_exif_is_ignored(self, tmp_path: Path) -> None:
        path = tmp_path / "exif.jpg"
        Image.new("RGB", (8, 8), "red").save(path, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
        assert load_image(path).shape == (8, 8, 3)


def bomb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


class TestUnreadable:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "not an image"),
            (b"just some text\n" * 20, "not an image"),
            (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "not an image|cannot be read"),
            (bomb(), "million pixels"),
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
        Image.fromarray(smooth(60, 80)).save(path)
        content = bytearray(path.read_bytes()[: max(1, 3000 - cut)])
        content[flip % len(content)] ^= 1 << bit
        path.write_bytes(content)
        message = "photo.jpg"
        try:
            assert load_image(path).shape[2] == 3
        except ImageError as error:
            message = str(error)
        assert "photo.jpg" in message


def test_the_pixels_are_those_that_kept_bottlenecks_were_made_of() -> None:
    """Other pixels need another PIXELS_VERSION, or features of old pixels are used for new."""
    rows, columns, channels = np.indices((61, 97, 3))
    picture = ((rows * rows + 7 * columns + 31 * channels) % 256).astype(np.uint8)
    digest = hashlib.sha256()
    for resize in ("crop", "stretch"):
        for size in ((24, 24), (33, 20), (128, 128)):
            digest.update(Preprocessor(size, resize)(picture).tobytes())
    assert (PIXELS_VERSION, digest.hexdigest()[:16]) == ("1b708769fe3602c5", "6b1d0e70d6237e48")
