"""Gates: by frame time and by what moved, never by the wall clock."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.gate import AlwaysOpen, GateSettings, IntervalGate, MotionGate, open_gate
from pi_classifier.types import Frame, Gate

MS = 1_000_000
SIZE = (48, 64)


def picture(level: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def admitted(
    gate: Gate, times_ms: Iterable[float], pixels: np.ndarray | None = None
) -> list[float]:
    shown = picture(0, (2, 2)) if pixels is None else pixels
    return [
        ms for number, ms in enumerate(times_ms)
        if gate.admits(Frame(shown, number, round(ms * MS)))
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


def motion(threshold: float = 6.0, hold_s: float = 0.0, max_idle_s: float = 1000.0) -> MotionGate:
    return MotionGate(threshold, hold_s, max_idle_s)


def looks(gate: Gate, levels: Iterable[int], period_ms: int = 100) -> list[int]:
    return [
        number for number, level in enumerate(levels)
        if gate.admits(Frame(picture(level), number, number * period_ms * MS))
    ]  # fmt: skip


def test_motion_admits_the_first_frame_and_then_changes() -> None:
    assert looks(motion(), [50, 50, 50, 90, 90, 50]) == [0, 3, 5]


@given(st.sampled_from([-1, 0, 1]), st.sampled_from([1, 6, 100]), st.booleans())
def test_motion_boundary(step: int, threshold: int, darker: bool) -> None:
    change = threshold + step
    level = 128 - change if darker else 128 + change
    assert looks(motion(threshold), [128, level]) == ([0, 1] if step >= 0 else [0])


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_motion_sees_every_color(channel: int) -> None:
    gate = motion(6.0)
    other = picture(10)
    other[..., channel] = 200
    assert gate.admits(Frame(picture(10), 0, 0))
    assert gate.admits(Frame(other, 1, MS))


def test_slow_change_adds_up_against_the_last_admitted_frame() -> None:
    assert looks(motion(6.0), range(100, 120, 2)) == [0, 3, 6, 9]


def test_motion_holds_the_gate_open_for_the_smoother() -> None:
    levels = [50] * 3 + [90] * 8
    assert looks(motion(hold_s=0.3), levels) == [0, 1, 2, 3, 4, 5]


def test_motion_admits_one_frame_at_least_every_max_idle() -> None:
    assert looks(motion(max_idle_s=0.4), [50] * 10) == [0, 4, 8]


def test_motion_survives_a_clock_that_went_back() -> None:
    gate = motion()
    assert admitted(gate, [5000, 5100, 0, 100], picture(50)) == [5000, 0]


def test_another_size_counts_as_motion() -> None:
    gate = motion()
    sizes = [(48, 64), (48, 64), (64, 48), (64, 48), (1, 1), (1, 1)]
    shown = [gate.admits(Frame(picture(9, size), k, k * MS)) for k, size in enumerate(sizes)]
    assert shown == [True, False] * 3


def test_sensor_noise_is_no_motion() -> None:
    rng = np.random.default_rng(0)
    gate = motion(GateSettings().threshold)
    base = picture(120, (480, 640)).astype(float)
    shown = [
        gate.admits(Frame((base + rng.normal(0, 4, base.shape)).astype(np.uint8), k, k * MS))
        for k in range(5)
    ]
    assert shown == [True, False, False, False, False]


def test_a_thing_entering_the_frame_is_motion() -> None:
    gate = motion(GateSettings().threshold)
    entering = picture(60, (480, 640))
    entering[120:360, 200:440] = 200
    assert gate.admits(Frame(picture(60, (480, 640)), 0, 0))
    assert gate.admits(Frame(entering, 1, MS))


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
    assert peak < 30_000  # of 921,600 bytes in the frame


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("always", AlwaysOpen), ("interval", IntervalGate), ("motion", MotionGate)],
)
def test_gates_are_chosen_by_kind(kind: str, expected: type) -> None:
    assert isinstance(open_gate(GateSettings(kind=kind)), expected)


def test_open_gate_passes_the_settings_on() -> None:
    assert admitted(open_gate(GateSettings("interval", interval_ms=20)), [0, 10, 20]) == [0, 20]
    gate = open_gate(GateSettings("motion", threshold=50, hold_s=0.0, max_idle_s=0.2))
    assert looks(gate, [0, 49, 49, 99]) == [0, 2, 3]
