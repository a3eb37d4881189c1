"""The brushes: where they paint, and that they stay inside the canvas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras.emulated.garden.painting import (
    Blade,
    Canvas,
    Pose,
    Rays,
    Stem,
    edge,
    paint_blade,
    paint_rays,
    paint_stem,
)

WHITE = (1.0, 1.0, 1.0)


def test_a_window_is_the_part_within_reach_with_the_anchor_as_origin() -> None:
    window = Canvas(20, 30).window((10.0, 5.0), 3.0)
    assert window is not None
    assert (window.rows, window.columns) == (slice(2, 10), slice(7, 15))
    assert window.x[0].tolist() == [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 4.5]
    assert window.y[:, 0].tolist() == window.x[0].tolist()


@pytest.mark.parametrize("anchor", [(-10.0, 5.0), (50.0, 5.0), (5.0, -10.0), (5.0, 50.0)])
def test_what_is_out_of_sight_has_no_window(anchor: tuple[float, float]) -> None:
    assert Canvas(20, 30).window(anchor, 3.0) is None


def test_paint_covers_by_its_alpha() -> None:
    canvas = Canvas(4, 4)
    window = canvas.window((2.0, 2.0), 10.0)
    assert window is not None
    half = np.full((4, 4), 0.5, np.float32)
    canvas.over(window, np.ones((4, 4, 3), np.float32), half)
    canvas.over(window, np.zeros((4, 4, 3), np.float32), half)
    assert canvas.rgb == pytest.approx(np.full((4, 4, 3), 0.25))  # premultiplied
    assert canvas.alpha == pytest.approx(np.full((4, 4), 0.75))
    canvas.darken(window, half)
    assert canvas.rgb == pytest.approx(np.full((4, 4, 3), 0.125))
    assert canvas.alpha == pytest.approx(np.full((4, 4), 0.75))


def test_an_edge_is_one_pixel_wide_and_half_covered_in_its_middle() -> None:
    distance = np.array([-1.0, -0.25, 0.0, 0.25, 1.0], np.float32)
    assert edge(distance, 1.0) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert edge(distance, 2.0) == pytest.approx([0, 0.375, 0.5, 0.625, 1])


def test_a_head_seen_from_the_front_is_not_moved_by_being_lifted() -> None:
    front = Pose(5.0, 6.0, 10.0, squash=1.0, lean=0.7).moved(0.5, 2.0)
    assert (front.x, front.y, front.radius) == (5.0, 6.0, 20.0)
    # seen from the side, it rises along the direction it leans to
    side = Pose(5.0, 6.0, 10.0, squash=0.0, lean=0.0).moved(0.5)
    assert (side.x, side.y) == pytest.approx((5.0, 1.0))


def painted(canvas: Canvas) -> tuple[slice, slice]:
    """The rows and columns that hold any paint."""
    rows, columns = (np.flatnonzero(canvas.alpha.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def test_a_blade_grows_from_its_base_to_its_tip() -> None:
    canvas = Canvas(60, 60)
    paint_blade(canvas, Blade(30.0, 50.0, 0.0, 40.0, 6.0, WHITE, WHITE))
    rows, columns = painted(canvas)
    assert 8 <= rows.start <= 14
    assert 47 <= rows.stop <= 52
    assert 22 <= columns.start <= 26
    assert 34 <= columns.stop <= 38
    assert canvas.alpha[30, 30] == pytest.approx(1.0)


def test_a_stem_joins_its_two_points() -> None:
    canvas = Canvas(40, 40)
    paint_stem(canvas, Stem((10.0, 5.0), (30.0, 35.0), 2.0, WHITE))
    assert canvas.alpha[20, 20] == pytest.approx(1.0)
    assert canvas.alpha[7, 11] > 0.5
    assert canvas.alpha[20, 5] == 0.0


@pytest.mark.parametrize("count", [5, 12])
def test_a_whorl_has_as_many_rays_as_asked_for(count: int) -> None:
    canvas = Canvas(200, 200)
    rays = Rays(count, 1.0, 0.8 / count, WHITE, WHITE, variation=0.0)
    paint_rays(canvas, Pose(100.0, 100.0, 80.0), rays, np.random.default_rng(1))
    around = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    columns, rows = (np.rint(100 + 56 * f(around)).astype(int) for f in (np.cos, np.sin))
    inside = canvas.alpha[rows, columns] > 0.5
    assert int((inside & ~np.roll(inside, 1)).sum()) == count


@given(
    st.floats(-50, 90), st.floats(-50, 90), st.floats(0, 6.3), st.floats(1, 60), st.floats(0.5, 20)
)
def test_a_blade_anywhere_paints_valid_alpha(
    x: float, y: float, angle: float, length: float, width: float
) -> None:
    canvas = Canvas(40, 40)
    paint_blade(canvas, Blade(x, y, angle, length, width, WHITE, WHITE, bend=0.2, teeth=0.3))
    assert np.isfinite(canvas.rgb).all()
    assert (canvas.alpha >= 0).all()
    assert (canvas.alpha <= 1 + 1e-6).all()
