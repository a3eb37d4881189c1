"""Random views: the numbers that make them, and what each of them does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.data.augmentation import (
    ERASED_SHARE,
    LAST_MIN_CROP_AREA,
    MIN_CROP_AREA,
    VIEW_NUMBERS,
    _crops,
    augment,
    draw_mixture,
    draw_views,
    min_crop_area,
    mixed,
)

Array = NDArray[np.float32]


@pytest.mark.parametrize(
    ("progress", "area"),
    [(0.0, 0.25), (0.25, 0.25), (0.5, 0.25), (0.75, 0.425), (1.0, 0.6)],
)
def test_crops_grow_over_the_last_half(progress: float, area: float) -> None:
    assert min_crop_area(progress) == pytest.approx(area)
    assert (MIN_CROP_AREA, LAST_MIN_CROP_AREA) == (0.25, 0.6)


class TestDraws:
    @given(st.integers(0, 5), st.integers(0, 5), st.sampled_from([1, 2, 7]))
    def test_are_numbers_from_0_to_1_of_the_seed_and_the_view_alone(
        self, seed: int, view: int, n: int
    ) -> None:
        draws = draw_views(n, seed, view)
        assert draws.shape == (n, VIEW_NUMBERS)
        assert draws.dtype == np.float32
        assert 0 <= draws.min() <= draws.max() < 1
        assert (draws == draw_views(n, seed, view)).all()
        assert not np.isclose(draws, draw_views(n, seed, view + 1)).all()

    def test_more_photos_leave_the_numbers_of_the_first_as_they_are(self) -> None:
        assert (draw_views(9, 1, 2)[:4] == draw_views(4, 1, 2)).all()


# The middle of every range: no turn, no change of light, the middle of the photo.
PLAIN = np.full((1, VIEW_NUMBERS), 0.5, np.float32)
AREA, STRETCH, AT_X, AT_Y, TURN, MIRROR = range(6)
CONTRAST, SATURATION, BRIGHTNESS, RED, GREEN, BLUE = range(6, 12)
ROW, ROWS, COLUMN, COLUMNS, ERASED, ERASED_RED, ERASED_GREEN, ERASED_BLUE = range(12, 20)


def draws(**numbers: float) -> Array:
    """The numbers of one view: in the middle, not erased, but for those named."""
    own_draws = PLAIN.copy()
    own_draws[0, AREA], own_draws[0, ERASED] = 1.0, 0.99
    for name, value in numbers.items():
        own_draws[0, globals()[name]] = value
    return own_draws


@pytest.fixture
def tensorflow() -> None:
    pytest.importorskip("tensorflow")


@pytest.mark.usefixtures("tensorflow")
class TestViews:
    def view(self, square: Any, aspect: float = 1.0, side: int = 16, **numbers: float) -> Array:
        squares = np.asarray(square, np.uint8)[None]
        aspects = np.array([aspect], np.float32)
        views: Array = np.asarray(augment(squares, aspects, draws(**numbers), side))
        return np.asarray(views[0])

    def test_the_middle_of_everything_is_the_photo(self) -> None:
        square = np.random.default_rng(1).integers(0, 256, (16, 16, 3))
        assert self.view(square) == pytest.approx(square, abs=0.01)

    def test_the_other_side_is_its_mirror_image(self) -> None:
        square = np.random.default_rng(1).integers(0, 256, (16, 16, 3))
        mirrored = self.view(square, MIRROR=0.49)
        assert mirrored == pytest.approx(square[:, ::-1], abs=0.01)

    @pytest.mark.parametrize("area", [0.25, 0.64, 1.0])
    def test_a_crop_shows_its_share_of_the_photo(self, area: float) -> None:
        """On a ramp the view's own slope says how much of it is seen."""
        ramp = np.repeat(np.arange(64)[None, :, None] * 4, 64, axis=0).repeat(3, axis=2)
        seen = self.view(ramp, AREA=(area - 0.25) / 0.75)[8, :, 0]
        slope = float(np.diff(seen).mean())
        assert slope == pytest.approx(4 * 64 * math.sqrt(area) / 16, rel=0.01)

    @pytest.mark.parametrize(("place", "mean"), [(0.0, 64), (0.5, 128), (1.0, 192)])
    def test_a_crop_lies_where_its_numbers_say(self, place: float, mean: float) -> None:
        ramp = np.repeat(np.arange(64)[None, :, None] * 4, 64, axis=0).repeat(3, axis=2)
        seen = self.view(ramp, AREA=0.0, AT_X=place)
        assert seen.mean() == pytest.approx(mean, abs=3)
        down = self.view(ramp.swapaxes(0, 1), AREA=0.0, AT_Y=place)
        assert down.mean() == pytest.approx(mean, abs=3)

    def test_a_wide_photo_is_shown_in_its_true_shape(self) -> None:
        """Twice as wide as high: a square view of all its height shows half of its width."""
        ramp = np.repeat(np.arange(64)[None, :, None] * 4, 64, axis=0).repeat(3, axis=2)
        across = self.view(ramp, aspect=2.0)[8, :, 0]
        down = self.view(ramp.swapaxes(0, 1), aspect=2.0)[:, 8, 0]
        # The largest crop fits: as high as the photo, so half as wide.
        assert float(np.diff(across).mean()) == pytest.approx(4 * 64 / 16 / 2, rel=0.02)
        assert float(np.diff(down)[2:-2].mean()) == pytest.approx(4 * 64 / 16, rel=0.02)

    @pytest.mark.parametrize(("turn", "degrees"), [(0.0, -20), (1.0, 20)])
    def test_a_turn_is_by_up_to_twenty_degrees(self, turn: float, degrees: float) -> None:
        ramp = np.repeat(np.arange(64)[None, :, None] * 4, 64, axis=0).repeat(3, axis=2)
        seen = self.view(ramp, AREA=0.2, TURN=turn)[4:12, 4:12, 0]
        across, down = np.diff(seen, axis=1).mean(), np.diff(seen, axis=0).mean()
        assert math.degrees(math.atan2(-down, across)) == pytest.approx(degrees, abs=1)

    @pytest.mark.parametrize(
        ("numbers", "expected"),
        [
            ({"BRIGHTNESS": 1.0}, [100 + 63.75, 120 + 63.75, 140 + 63.75]),
            ({"BRIGHTNESS": 0.0}, [100 - 63.75, 120 - 63.75, 140 - 63.75]),
            # Saturation: the distance of each color from gray, 120, times e^±0.5.
            ({"SATURATION": 1.0}, [120 - 20 * math.exp(0.5), 120, 120 + 20 * math.exp(0.5)]),
            ({"SATURATION": 0.0}, [120 - 20 * math.exp(-0.5), 120, 120 + 20 * math.exp(-0.5)]),
            # A view of one color has no contrast to change, only its color against gray.
            ({"CONTRAST": 1.0}, [120 - 20 * math.exp(0.35), 120, 120 + 20 * math.exp(0.35)]),
            ({"BLUE": 1.0}, [100, 120, 120 + 20 * math.exp(0.08)]),
        ],
    )
    def test_light(self, numbers: dict[str, Any], expected: list[float]) -> None:
        square = np.full((16, 16, 3), (100, 120, 140))
        assert self.view(square, **numbers)[5, 5] == pytest.approx(np.array(expected), abs=0.1)

    def test_contrast_is_around_the_mean_of_the_view(self) -> None:
        square = np.full((16, 16, 3), 100)
        square[:, 8:] = 140
        seen = self.view(square, CONTRAST=1.0)
        assert seen[0, 0, 0] == pytest.approx(120 - 20 * math.exp(0.35), abs=0.1)
        assert seen[0, -1, 0] == pytest.approx(120 + 20 * math.exp(0.35), abs=0.1)

    def test_no_light_leaves_0_to_255(self) -> None:
        square = np.random.default_rng(1).choice([0, 255], (16, 16, 3))
        for end in (0.0, 1.0):
            seen = self.view(square, CONTRAST=end, SATURATION=1.0, BRIGHTNESS=end)
            assert 0 <= seen.min() <= seen.max() <= 255

    def test_a_rectangle_is_blanked_in_its_color(self) -> None:
        where = {"ERASED": 0.29, "ROW": 0.28, "ROWS": 1.0, "COLUMN": 0.58, "COLUMNS": 0.5}
        color = {"ERASED_RED": 0.0, "ERASED_GREEN": 0.5, "ERASED_BLUE": 0.8}
        seen = self.view(np.full((16, 16, 3), 50), side=20, **where, **color)
        blank = np.asarray(np.isclose(seen, [0, 127.5, 204], atol=0.1).all(axis=2))
        # From 0.28 − 0.1 = 0.18 for 0.4 of 20 rows, from 0.48 for 0.25 of 20 columns.
        assert np.flatnonzero(blank.any(axis=1)).tolist() == list(range(4, 12))
        assert np.flatnonzero(blank.any(axis=0)).tolist() == list(range(10, 15))
        assert seen[~blank] == pytest.approx(50, abs=0.1)

    def test_three_in_ten_views_have_one(self) -> None:
        squares = np.full((500, 8, 8, 3), 50, np.uint8)
        numbers = np.tile(draws(ROW=0.5, COLUMN=0.5), (500, 1))
        numbers[:, ERASED] = draw_views(500, 1, 0)[:, ERASED]
        numbers[:, ERASED_RED:] = 1.0
        views = np.asarray(augment(squares, np.ones(500, np.float32), numbers, 8))
        share = float((views.max(axis=(1, 2, 3)) > 200).mean())
        assert share == pytest.approx(ERASED_SHARE, abs=0.06)


@pytest.mark.usefixtures("tensorflow")
def test_views_are_in_range_and_of_the_size_asked_for() -> None:
    squares = np.random.default_rng(1).integers(0, 256, (5, 60, 60, 3), np.uint8)
    views = augment(squares, np.ones(5, np.float32), draw_views(5, 1, 0), 48).numpy()
    assert views.shape == (5, 48, 48, 3)
    assert views.min() >= 0
    assert views.max() <= 255
    assert np.isfinite(views).all()


@pytest.mark.usefixtures("tensorflow")
def test_the_same_seed_gives_the_same_views_and_another_does_not() -> None:
    squares = np.random.default_rng(1).integers(0, 256, (2, 40, 40, 3), np.uint8)
    first, again, other = (
        augment(squares, np.ones(2, np.float32), draw_views(2, 1, view), 32).numpy()
        for view in (2, 2, 3)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.usefixtures("tensorflow")
def test_a_photo_has_the_same_view_in_any_batch_and_at_any_size() -> None:
    y, x = np.mgrid[0:64, 0:64]
    smooth = np.stack([x * 3, y * 3, (x + y) * 2], axis=2).astype(np.uint8)
    squares, draws = np.stack([smooth, smooth[::-1], smooth[:, ::-1]]), draw_views(3, 1, 0)
    together = augment(squares, np.ones(3, np.float32), draws, 32).numpy()
    alone = augment(squares[1:2], np.ones(1, np.float32), draws[1:2], 32).numpy()
    larger = augment(squares[1:2], np.ones(1, np.float32), draws[1:2], 64).numpy()
    assert np.allclose(together[1], alone[0], atol=1e-3)
    halved = larger[0].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.median(np.abs(halved - alone[0])) < 3


@pytest.mark.usefixtures("tensorflow")
def test_a_squeezed_photo_is_unsqueezed() -> None:
    # A photo twice as wide as high, squeezed into a square: a disc in it became an
    # ellipse half as wide as high. In the views it must be about round again.
    y, x = np.mgrid[0:200, 0:200]
    ellipse = ((x - 100) / 25) ** 2 + ((y - 100) / 50) ** 2 < 1
    squares = np.repeat((ellipse[None, :, :, None] * 255).astype(np.uint8), 3, axis=3)
    squares = np.repeat(squares, 200, axis=0)
    views = _crops(squares, np.full(200, 2.0, np.float32), draw_views(200, 1, 4), 96, 0.25)
    views = views.numpy()[..., 0] > 127
    widths = views.any(axis=1).sum(axis=1)
    heights = views.any(axis=2).sum(axis=1)
    inside = ~(
        views[:, 0].any(1) | views[:, -1].any(1) | views[:, :, 0].any(1) | views[:, :, -1].any(1)
    )
    seen = inside & (widths > 10)
    assert seen.sum() > 20
    assert 0.85 < np.median(widths[seen] / heights[seen]) < 1.18


@pytest.mark.usefixtures("tensorflow")
def test_half_of_the_views_are_mirrored() -> None:
    squares = np.zeros((400, 40, 40, 3), np.uint8)
    squares[:, :, 20:] = 255
    aspects = np.ones(400, np.float32)
    views = _crops(squares, aspects, draw_views(400, 1, 5), 32, 0.25).numpy()
    right_is_bright = views[:, :, 24:].mean(axis=(1, 2, 3)) > views[:, :, :8].mean(axis=(1, 2, 3))
    assert 0.4 < right_is_bright.mean() < 0.6


class TestMixing:
    @given(st.integers(0, 5), st.sampled_from([1, 2, 64]), st.sampled_from([0.1, 0.2, 1.0]))
    def test_a_view_stays_more_itself_than_its_partner(
        self, seed: int, n: int, strength: float
    ) -> None:
        mixture = draw_mixture(np.random.default_rng(seed), n, strength)
        assert mixture is not None
        shares, partners = mixture
        assert shares.dtype == np.float32
        assert 0.5 <= shares.min() <= shares.max() <= 1
        assert sorted(partners.tolist()) == list(range(n))

    def test_strength_0_mixes_nothing(self) -> None:
        assert draw_mixture(np.random.default_rng(1), 3, 0.0) is None

    def test_a_higher_strength_mixes_more(self) -> None:
        weak, strong = (draw_mixture(np.random.default_rng(1), 999, s) for s in (0.1, 1.0))
        assert weak is not None
        assert strong is not None
        assert weak[0].mean() > 0.9
        assert strong[0].mean() < 0.8

    @pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 4, 4, 3)])
    def test_views_and_what_they_show_are_blended_alike(self, shape: tuple[int, ...]) -> None:
        values = np.stack([np.zeros(shape[1:]), np.ones(shape[1:])]).astype(np.float32)
        shares, partners = np.array([0.75, 0.6], np.float32), np.array([1, 0])
        blended = mixed(values, shares, partners).numpy()
        assert blended[0] == pytest.approx(np.full(shape[1:], 0.25))
        assert blended[1] == pytest.approx(np.full(shape[1:], 0.6))
