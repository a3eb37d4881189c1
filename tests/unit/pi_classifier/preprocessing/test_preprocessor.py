from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from pi_classifier.preprocessing.photos import PIXELS_VERSION
from pi_classifier.preprocessing.preprocessor import Preprocessor, crop_box

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


def test_the_pixels_are_those_that_kept_bottlenecks_were_made_of() -> None:
    """Other pixels need another PIXELS_VERSION, or features of old pixels are used for new."""
    rows, columns, channels = np.indices((61, 97, 3))
    picture = ((rows * rows + 7 * columns + 31 * channels) % 256).astype(np.uint8)
    digest = hashlib.sha256()
    for resize in ("crop", "stretch"):
        for size in ((24, 24), (33, 20), (128, 128)):
            digest.update(Preprocessor(size, resize)(picture).tobytes())
    assert (PIXELS_VERSION, digest.hexdigest()[:16]) == ("83a0c5d1b7e64f29", "6b1d0e70d6237e48")
