"""Estimated times, from a network's counts by hand."""

from __future__ import annotations

import pytest
from pi_classifier_training.inspection.costs import Layer
from pi_classifier_training.inspection.estimates import BOARDS, Estimate, estimates

KINDS = ("float32", "rounded", "float16", "dynamic", "mixed", "int8")


def layer(kind: str, macs: int = 0, steps: int = 0) -> Layer:
    return Layer(0, kind, "", (), "", macs, steps, 0, 0)


def on(board: str, layers: list[Layer], kind: str = "float32") -> Estimate:
    (found,) = (e for e in estimates(layers, kind) if e.board == board)
    return found


def test_a_billion_multiplications_take_a_second_at_a_rate_of_one() -> None:
    # Pi 4 in floats: 3.6 to 6.0 · 10⁹ a second, and one operation of 0.03 to 0.005 ms.
    found = on("Pi 4", [layer("CONV_2D", macs=3_600_000_000)])
    assert found.high_ms == pytest.approx(1000 + 0.03)
    assert found.low_ms == pytest.approx(600 + 0.005)


def test_depthwise_multiplications_count_several_times() -> None:
    dense = on("Pi 4", [layer("CONV_2D", macs=10**9)])
    depthwise = on("Pi 4", [layer("DEPTHWISE_CONV_2D", macs=10**9)])
    assert depthwise.high_ms - 0.03 == pytest.approx(4 * (dense.high_ms - 0.03))
    assert depthwise.low_ms - 0.005 == pytest.approx(2 * (dense.low_ms - 0.005))


def test_simple_steps_count_too() -> None:
    # Half a step to a multiplication at worst, four at best.
    found = on("Pi 4", [layer("ADD", steps=1_800_000)])
    assert found.high_ms == pytest.approx(1.0 + 0.03)
    assert found.low_ms == pytest.approx(1_800_000 / 4 / 6.0e6 + 0.005)


def test_every_operation_has_an_overhead_even_a_free_one() -> None:
    found = on("Pi 5", [layer("RESHAPE")] * 100)
    assert (found.low_ms, found.high_ms) == pytest.approx((0.5, 3.0))


@pytest.mark.parametrize("kind", KINDS)
def test_each_range_is_in_order_and_faster_boards_are_faster(kind: str) -> None:
    net = [layer("CONV_2D", 10**8), layer("DEPTHWISE_CONV_2D", 10**7), layer("ADD", steps=10**5)]
    found = estimates(net, kind)
    assert [e.board for e in found] == [b.name for b in BOARDS]
    assert all(0 < e.low_ms < e.high_ms for e in found)
    highs = [e.high_ms for e in found]
    assert highs == sorted(highs, reverse=True)


def test_integers_are_faster_and_half_integers_anything_between() -> None:
    net = [layer("CONV_2D", 10**9)]
    floats, integers, between = (on("Pi 4", net, k) for k in ("float32", "int8", "dynamic"))
    assert integers.high_ms < floats.high_ms
    assert integers.low_ms < floats.low_ms
    assert (between.low_ms, between.high_ms) == (integers.low_ms, floats.high_ms)
    assert on("Pi 4", net, "mixed") == between
    assert on("Pi 4", net, "rounded") == floats
