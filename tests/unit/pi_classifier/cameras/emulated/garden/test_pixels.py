"""Colors, noise and conversions, by numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras.emulated.garden.pixels import (
    fill,
    jitter,
    mix,
    noise,
    picture_of,
    pixels_of,
    places,
    quantized,
    smoothstep,
)


def test_mixing_goes_from_one_color_to_the_other() -> None:
    share = np.array([[0.0, 0.25, 1.0]], np.float32)
    mixed = mix((0.0, 0.4, 1.0), (1.0, 0.8, 0.0), share)
    assert mixed.dtype == np.float32
    assert mixed[0] == pytest.approx(np.array([[0, 0.4, 1], [0.25, 0.5, 0.75], [1, 0.8, 0]]))


def test_a_smooth_step_is_flat_at_both_ends() -> None:
    values = np.array([0.0, 0.2, 0.35, 0.5, 0.9], np.float32)
    assert smoothstep(0.2, 0.5, values) == pytest.approx([0, 0, 0.5, 1, 1], abs=1e-6)
    near = smoothstep(0.2, 0.5, np.array([0.203, 0.497], np.float32))
    assert near == pytest.approx([3e-4, 1 - 3e-4], abs=1e-5)  # 3 t^2, not t = 0.01


@given(st.integers(0, 255))
def test_bytes_come_back_from_a_picture(value: int) -> None:
    picture = picture_of(np.full((2, 3, 3), value / 255, np.float32))
    assert picture.size == (3, 2)
    assert (quantized(pixels_of(picture)) == value).all()


def test_what_lies_outside_of_0_to_1_is_cut_off() -> None:
    assert quantized(np.array([-0.1, 1.2], np.float32)).tolist() == [0, 255]
    assert fill((-1.0, 0.5, 7.0)) == (0, 128, 255)


def test_jitter_moves_a_color_a_little_and_never_out_of_range() -> None:
    gray = [jitter(np.random.default_rng(seed), (0.5, 0.5, 0.5), 0.02) for seed in range(200)]
    assert np.mean(gray, axis=0) == pytest.approx([0.5, 0.5, 0.5], abs=0.003)
    # brightness by 2 %, and each channel by 0.006
    assert np.std(gray, axis=0) == pytest.approx([0.0117] * 3, rel=0.2)
    white = [jitter(np.random.default_rng(seed), (1.0, 1.0, 1.0), 0.5) for seed in range(200)]
    assert 0.0 <= np.min(white) <= np.max(white) <= 1.0


@pytest.mark.parametrize("cell", [0.5, 4.0, 100.0])
def test_noise_fills_any_shape_around_zero(cell: float) -> None:
    fields = [noise(np.random.default_rng(seed), 24, 40, cell, 3) for seed in range(200)]
    assert {(field.shape, field.dtype) for field in fields} == {((24, 40), np.dtype(np.float32))}
    assert abs(np.mean(fields)) < 0.1
    assert 0.5 < np.std(fields) < 2.0


def test_places_are_row_and_column() -> None:
    rows, columns = places(2, 3)
    assert rows.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert columns.tolist() == [[0, 1, 2], [0, 1, 2]]
