"""Pixels out of the camera's memory, and numbers from times."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pi_classifier.cameras.raspberry_pi.pixels import FrameNumbering, PixelReader
from pi_classifier.errors import CameraError

RUBBISH = 0xA5
ORDERS = {
    "BGR888": (0, 1, 2),
    "RGB888": (2, 1, 0),
    "XBGR8888": (0, 1, 2, 3),
    "XRGB8888": (2, 1, 0, 3),
}


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


@given(
    form=st.sampled_from(sorted(ORDERS)),
    width=st.sampled_from([2, 4, 30, 32, 34]),
    height=st.sampled_from([2, 4, 18]),
    padding=st.sampled_from([0, 1, 31, 32]),
    turns=st.integers(0, 3),
)
def test_every_order_stride_and_turn(
    form: str, width: int, height: int, padding: int, turns: int
) -> None:
    wanted = picture(height, width)
    depth = len(ORDERS[form])
    stride = width * depth + padding
    memory = np.full(stride * height + 7, RUBBISH, np.uint8)
    with_alpha = np.concatenate([wanted, np.zeros((height, width, 1), np.uint8)], axis=2)
    rows = memory[: stride * height].reshape(height, stride)
    rows[:, : width * depth] = with_alpha[..., ORDERS[form]].reshape(height, -1)
    read = PixelReader(form, (width, height), stride, turns)(memory)
    assert np.array_equal(read, np.rot90(wanted, -turns))
    assert read.flags.c_contiguous
    assert not read.flags.writeable
    assert not np.shares_memory(read, memory)


@pytest.mark.parametrize("form", ["YUV420", "YVU420"])
@pytest.mark.parametrize("padding", [0, 32])
def test_planes_are_full_range(form: str, padding: int) -> None:
    height, width = 24, 32
    # smooth, since colors are kept at half the size
    wanted = np.asarray(Image.fromarray(picture(4, 4)).resize((width, height)))
    planes = np.asarray(Image.fromarray(wanted).convert("YCbCr")).astype(int)
    stride = width + padding
    memory = np.full(stride * height * 3 // 2, RUBBISH, np.uint8)
    memory[: stride * height].reshape(height, stride)[:, :width] = planes[..., 0]
    small = planes[..., 1:].reshape(height // 2, 2, width // 2, 2, 2).mean((1, 3))
    for place, plane in enumerate((0, 1) if form == "YUV420" else (1, 0)):
        start = stride * height + place * stride * height // 4
        rows = memory[start : start + stride * height // 4].reshape(height // 2, stride // 2)
        rows[:, : width // 2] = small[..., plane]
    read = PixelReader(form, (width, height), stride)(memory)
    assert np.abs(read.astype(int) - wanted).mean() < 4
    assert read.flags.c_contiguous


def test_only_the_middle_is_cut_out() -> None:
    wanted = picture(6, 10)
    reader = PixelReader("BGR888", (10, 6), 30, shape=(4, 4))
    assert np.array_equal(reader(wanted.reshape(-1)), wanted[1:5, 3:7])
    larger = PixelReader("BGR888", (10, 6), 30, shape=(60, 4))
    assert np.array_equal(larger(wanted.reshape(-1)), wanted[:, 3:7])


def test_a_turned_picture_is_cut_after_turning() -> None:
    wanted = picture(6, 10)
    reader = PixelReader("BGR888", (10, 6), 30, 1, (8, 6))
    assert np.array_equal(reader(wanted.reshape(-1)), np.rot90(wanted, -1)[1:9])


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(CameraError, match=r"format NV12.*BGR888"):
        PixelReader("NV12", (4, 4), 4)


MS = 1_000_000


def test_numbers_follow_times() -> None:
    numbering = FrameNumbering(100 * MS)
    times_ms = [5000, 5100, 5200, 5500, 5600]
    assert [numbering.number(t * MS, 100 * MS) for t in times_ms] == [0, 1, 2, 5, 6]


def test_frames_that_come_too_soon_leave_no_gap() -> None:
    """The sensor is still at thirty frames a second, then slows down to ten."""
    numbering = FrameNumbering(100 * MS)
    times_ms = [0, 33, 66, 100, 200, 300]
    durations_ms = [33, 33, 33, 100, 100, 100]
    placed = [
        numbering.number(t * MS, d * MS) for t, d in zip(times_ms, durations_ms, strict=True)
    ]
    assert placed == [0, None, 1, None, 2, 3]


def test_without_a_duration_the_period_serves() -> None:
    numbering = FrameNumbering(100 * MS)
    assert [numbering.number(t * MS, 0) for t in (0, 100, 300)] == [0, 1, 3]


@given(
    st.lists(st.sampled_from([0, 1, 49, 50, 51, 99, 100, 101, 149, 151, 1000]), min_size=1),
    st.sampled_from([0, 33, 100, 200]),
)
def test_numbers_strictly_increase_whatever_the_times(steps: list[int], duration: int) -> None:
    numbering = FrameNumbering(100 * MS)
    time_ms, placed = 0, []
    for step in steps:
        time_ms += step
        placed.append(numbering.number(time_ms * MS, duration * MS))
    numbers = [number for number in placed if number is not None]
    assert numbers[0] == 0
    assert all(one < other for one, other in pairwise(numbers))
