"""Gates: by frame time and by what moved, never by the wall clock."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pi_classifier.errors import ConfigError
from pi_classifier.gate import (
    AlwaysOpen,
    GateSettings,
    IntervalGate,
    MotionGate,
    Part,
    open_gate,
)
from pi_classifier.types import Frame, Gate

MS = 1_000_000
SIZE = (48, 64)


def picture(level: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    return np.full((*size, 3), level, np.uint8)


def admitted(
    gate: Gate, times_ms: Iterable[float], pixels: NDArray[np.uint8] | None = None
) -> list[float]:
    pixels = picture(0, (2, 2)) if pixels is None else pixels
    return [
        ms for number, ms in enumerate(times_ms)
        if gate.admits(Frame(pixels, number, round(ms * MS)))
    ]  # fmt: skip


def test_always_open() -> None:
    assert admitted(AlwaysOpen(), [0, 0, 1]) == [0, 0, 1]


def test_interval_admits_one_frame_per_interval() -> None:
    assert admitted(IntervalGate(250), range(0, 1001, 100)) == [0, 300, 500, 800, 1000]


def test_interval_at_the_frame_period_loses_no_frame_to_jitter() -> None:
    times = [0, 101, 199, 301, 399, 501, 599]
    assert admitted(IntervalGate(100), times) == [0, 101, 301, 399, 501, 599]


@given(st.lists(st.sampled_from([-30, -1, 0, 1, 30]), min_size=40, max_size=40))
def test_interval_keeps_its_average_rate_under_jitter(jitter_ms: list[int]) -> None:
    times = [100 * k + jitter for k, jitter in enumerate(jitter_ms)]
    kept = admitted(IntervalGate(200), times)
    assert 18 <= len(kept) <= 22
    assert all(later - earlier >= 100 for earlier, later in pairwise(kept))


@given(st.sampled_from([-1, 0, 1]))
def test_interval_boundary(step_ns: int) -> None:
    gate = IntervalGate(10)
    assert gate.admits(Frame(picture(0), 0, 5 * MS))
    assert gate.admits(Frame(picture(0), 1, 15 * MS + step_ns)) == (step_ns >= 0)


def test_interval_after_a_long_pause_starts_over() -> None:
    assert admitted(IntervalGate(100), [0, 1050, 1100, 1151]) == [0, 1050, 1151]


def test_interval_survives_a_clock_that_went_back() -> None:
    assert admitted(IntervalGate(100), [5000, 0, 50, 100]) == [5000, 0, 100]


def test_interval_of_zero_admits_all() -> None:
    assert admitted(IntervalGate(0), [0, 1, 2]) == [0, 1, 2]


def motion(
    threshold: float = 6.0,
    hold_s: float = 0.0,
    max_idle_s: float = 1000.0,
    ignored: Sequence[Part] = (),
) -> MotionGate:
    return MotionGate(threshold, hold_s, max_idle_s, ignored)


def shown(gate: Gate, pictures: Iterable[NDArray[np.uint8]], period_ms: int = 100) -> list[int]:
    return [
        number for number, pixels in enumerate(pictures)
        if gate.admits(Frame(pixels, number, number * period_ms * MS))
    ]  # fmt: skip


def looks(gate: Gate, levels: Iterable[int], period_ms: int = 100) -> list[int]:
    return shown(gate, map(picture, levels), period_ms)


def with_thing(
    level: int = 150, at: tuple[int, int] = (16, 24), ground: int = 90
) -> NDArray[np.uint8]:
    """A picture with a thing of 16 pixels, a third of its shorter side."""
    pixels = picture(ground)
    pixels[at[0] : at[0] + 16, at[1] : at[1] + 16] = level
    return pixels


EMPTY, THING = picture(90), with_thing()


def noisy(pixels: NDArray[np.uint8], sigma: float, seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def test_motion_admits_the_first_frame_and_then_changes() -> None:
    assert shown(motion(), [EMPTY] * 3 + [THING] * 2) == [0, 3, 4]
    assert looks(motion(), [50, 50, 50, 90, 90, 50]) == [0, 3, 5]


@given(st.sampled_from([-1, 0, 1]), st.sampled_from([1, 6, 60]), st.booleans())
def test_motion_boundary(step: int, threshold: int, darker: bool) -> None:
    change = threshold + step
    thing = with_thing(90 - change if darker else 90 + change)
    assert shown(motion(threshold), [EMPTY, thing]) == ([0, 1] if step >= 0 else [0])


def test_one_block_counts_only_when_it_is_off_by_twice_as_much() -> None:
    for width, level, expected in ((8, 90 + 11, [0]), (8, 90 + 12, [0, 1]), (16, 90 + 6, [0, 1])):
        small = picture(90)
        small[16:24, 24 : 24 + width] = level
        assert shown(motion(6.0), [EMPTY, small]) == expected


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_motion_sees_every_color(channel: int) -> None:
    other = EMPTY.copy()
    other[16:32, 24:40, channel] = 200
    assert shown(motion(), [EMPTY, other]) == [0, 1]


def test_the_light_may_change_slowly_but_not_at_once() -> None:
    cloud = [1 - 0.3 * k / 30 for k in range(31)]
    darker = [np.rint(with_thing() * light).astype(np.uint8) for light in [1.0, 1.0, *cloud]]
    assert shown(motion(4.0), darker) == [0]
    assert shown(motion(4.0), [darker[0], darker[-1], darker[-1]]) == [0, 1]


def test_what_stays_is_admitted_when_it_comes_and_when_it_goes() -> None:
    seen = [EMPTY] * 20 + [THING] * 40 + [EMPTY] * 40
    admitted = shown(motion(hold_s=0.5), seen)
    assert set(range(20, 25)) | set(range(60, 65)) <= set(admitted)
    assert not set(range(10, 20)) & set(admitted)
    assert not set(range(35, 60)) & set(admitted)  # it has become background
    assert not set(range(75, 100)) & set(admitted)  # and leaves no ghost behind


def test_motion_holds_the_gate_open_for_the_smoother() -> None:
    admitted = shown(motion(hold_s=0.8), [EMPTY] * 20 + [THING] * 20)
    assert [number for number in admitted if number >= 20] == list(range(20, 20 + 2 + 8))
    held = shown(motion(hold_s=1.0), [EMPTY] * 10 + [with_thing(255)] * 20, period_ms=1000)
    assert held == [*range(5), *range(10, 15)]  # few frames a second: five all the same


def test_motion_admits_one_frame_at_least_every_max_idle() -> None:
    assert looks(motion(max_idle_s=0.4), [50] * 10) == [0, 4, 8]


def test_motion_survives_a_clock_that_went_back() -> None:
    gate = motion()
    assert admitted(gate, [5000, 5100, 0, 100], picture(50)) == [5000, 0]


def test_another_size_counts_as_motion() -> None:
    gate = motion()
    sizes = [(48, 64), (48, 64), (64, 48), (64, 48), (1, 1), (1, 1)]
    taken = [gate.admits(Frame(picture(9, size), k, k * MS)) for k, size in enumerate(sizes)]
    assert taken == [True, False] * 3


@pytest.mark.parametrize("sigma", [4, 25])
def test_sensor_noise_is_no_motion_and_hides_none(sigma: float) -> None:
    gate = motion(GateSettings().threshold)
    still = shown(gate, (noisy(EMPTY, sigma, seed) for seed in range(400)))
    assert [number for number in still if number > 300] == []
    assert gate.admits(Frame(noisy(THING, sigma, 500), 400, 40_000 * MS))


def test_a_tree_in_the_wind_is_learned_and_what_comes_before_it_is_seen() -> None:
    def windy(number: int, thing: int | None = None) -> NDArray[np.uint8]:
        pixels = with_thing(thing or 90)
        pixels[:16, :16] = 90 + round(10 * np.sin(number))
        return pixels

    gate = motion(4.0)
    admitted = shown(gate, map(windy, range(600)))
    assert len([number for number in admitted if number < 100]) > 20
    assert [number for number in admitted if number >= 400] == []
    assert gate.admits(Frame(windy(600, thing=160), 600, 60_000 * MS))


def test_what_comes_to_one_place_again_and_again_is_never_overlooked() -> None:
    gate = motion(4.0, hold_s=1.0)
    for visit in range(30):
        begin = 60 * visit
        seen = [THING] * 20 + [EMPTY] * 40
        frames = [Frame(pixels, k, k * 100 * MS) for k, pixels in enumerate(seen, start=begin)]
        assert [gate.admits(frame) for frame in frames][:5] == [True] * 5, visit


def test_a_pale_thing_is_seen_where_a_bright_one_has_just_been() -> None:
    seen = [EMPTY] * 20 + [with_thing(200)] * 30 + [EMPTY] * 50 + [with_thing(90 + 15)]
    assert 100 in shown(motion(4.0), seen)


def test_what_moves_in_an_ignored_part_is_no_motion() -> None:
    road = GateSettings(ignore=("0, 0, 1, 0.5", "0.9,0.9,0.1,0.1")).ignored_parts
    above, below = with_thing(at=(4, 24)), with_thing(at=(30, 24))
    assert shown(motion(ignored=road), [EMPTY, above, EMPTY, below]) == [0, 3]


@pytest.mark.parametrize(
    "part", ["", "0,0,1", "0,0,1,nan", "a,0,1,1", "0,0,1,0", "0.5,0,0.6,1", "-0.1,0,1,1"]
)
def test_a_part_that_is_none_is_refused(part: str) -> None:
    with pytest.raises(ConfigError, match=r"ignore: .*expected left, top, width and height"):
        GateSettings(ignore=("0,0,1,0.5", part))


def test_ignoring_everything_is_refused() -> None:
    with pytest.raises(ConfigError, match="leave nothing of the picture to look at"):
        GateSettings(ignore=("0,0,1,0.5", "0,0.5,1,0.5"))


def test_motion_copies_no_frame() -> None:
    gate = motion()
    frames = [Frame(picture(50, (480, 640)), k, k * MS) for k in range(3)]
    gate.admits(frames[0])
    gate.admits(frames[1])
    tracemalloc.start()
    try:
        gate.admits(frames[2])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 70_000  # of 921,600 bytes in the frame


@pytest.mark.parametrize(
    ("kind", "live", "expected"),
    [
        ("always", True, AlwaysOpen),
        ("interval", True, IntervalGate),
        ("motion", False, MotionGate),
        ("auto", True, MotionGate),
        ("auto", False, AlwaysOpen),
    ],
)
def test_gates_are_chosen_by_kind(kind: str, live: bool, expected: type) -> None:
    assert isinstance(open_gate(GateSettings(kind=kind), live=live), expected)


def test_open_gate_passes_the_settings_on() -> None:
    assert admitted(open_gate(GateSettings("interval", interval_ms=20)), [0, 10, 20]) == [0, 20]
    settings = GateSettings(
        "motion", threshold=50, hold_s=0.0, max_idle_s=0.2, ignore=("0,0,0.3,1",)
    )
    seen = [EMPTY, with_thing(139), EMPTY, EMPTY, with_thing(255, (16, 0)), with_thing(150)]
    assert shown(open_gate(settings), seen) == [0, 2, 4, 5]
