"""Estimated times, from a network's counts by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pi_classifier_training.inspection.estimates import BOARDS, Estimate, estimates

from pi_classifier.modelfile.costs import LayerCost, layers
from pi_classifier.modelfile.model_graph import read_model_graph

DATA = Path(__file__).parents[3] / "data"
KINDS = ("float32", "rounded", "float16", "dynamic", "mixed", "int8")


def layer(kind: str, macs: int = 0, steps: int = 0) -> LayerCost:
    return LayerCost(0, kind, "", (), "", macs, steps, 0, 0)


def on(board: str, layers: list[LayerCost], kind: str = "float32") -> Estimate:
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


def published(board: str, kind: str, milliseconds_: float, millions: tuple[float, float]) -> Any:
    return pytest.param(board, kind, milliseconds_, millions, id=f"{board}-{kind}-{millions[0]}")


V1, V2 = (551.6, 17.2), (279.8, 20.9)


class TestEstimates:
    @pytest.mark.parametrize(
        ("board", "kind", "ms", "millions"),
        [
            # ncnn's list, one thread: v1 393.9, v2 274.2, v1 int8 286.8; 124.3, 93.5, 84.8.
            published("Pi Zero 2 W", "float32", 393.9, V1),
            published("Pi Zero 2 W", "float32", 274.2, V2),
            published("Pi Zero 2 W", "int8", 286.8, V1),
            published("Pi 4", "float32", 124.3, V1),
            published("Pi 4", "float32", 93.5, V2),
            published("Pi 4", "int8", 84.8, V1),
            # XNNPACK's list, four threads, times what ncnn gains by four: see the docs.
            published("Pi 3", "float32", 114 * 2.41, V1),
            published("Pi 3", "float32", 79 * 1.86, V2),
            published("Pi 3", "int8", 46 * 3.15, V1),
            published("Pi 4", "float32", 77 * 2.03, V1),
            published("Pi 4", "int8", 24 * 2.47, V1),
        ],
    )
    def test_enclose_what_is_published(
        self, board: str, kind: str, ms: float, millions: tuple[float, float]
    ) -> None:
        counts = [("CONV_2D", millions[0]), ("DEPTHWISE_CONV_2D", millions[1])]
        net = [
            LayerCost(i, k, "", (), "", round(m * 1e6), 0, 0, 0) for i, (k, m) in enumerate(counts)
        ]
        net += [LayerCost(9, "CONV_2D", "", (), "", 0, 0, 0, 0)] * 30
        (found,) = (e for e in estimates(net, kind) if e.board == board)
        assert found.low_ms <= ms <= found.high_ms
        assert found.high_ms / found.low_ms < 4

    def test_faster_boards_are_faster(self) -> None:
        net = layers(read_model_graph((DATA / "int8.tflite").read_bytes()))
        for kind in ("float32", "int8", "dynamic"):
            lows = [e.low_ms for e in estimates(net, kind)]
            assert lows == sorted(lows, reverse=True)
            assert [e.board for e in estimates(net, kind)] == [b.name for b in BOARDS]
