"""What a network will cost, before it is made: against published counts and shipped files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pi_classifier_training.evaluation.boards import (
    ROBUST_FAMILIES,
    USUAL_MS,
    board_cost,
    network_for,
    network_work,
)
from pi_classifier_training.inspection.estimates import BOARD_KEYS, estimates, work_of
from pi_classifier_training.networks.imagenet import imagenet_top1
from pi_classifier_training.networks.spec import FAMILIES, NetworkSpec

from pi_classifier.modelfile.costs import layers
from pi_classifier.modelfile.model_graph import read_model_graph

FLOWERS = Path(__file__).resolve().parents[4] / "models" / "flowers"


def all_networks() -> Iterator[NetworkSpec]:
    for name, family in FAMILIES.items():
        for width in family.widths:
            for side in family.resolutions:
                yield NetworkSpec(name, width, side)


@pytest.mark.parametrize(
    ("name", "width", "side", "millions"),
    [
        # Howard et al. 2017, Sandler et al. 2018, Howard et al. 2019: with their 1,000 labels.
        ("mobilenet_v1", 1.0, 224, 569),
        ("mobilenet_v1", 0.5, 160, 76),
        ("mobilenet_v1", 0.25, 128, 14),
        ("mobilenet_v2", 1.0, 224, 300),
        ("mobilenet_v2", 1.4, 224, 582),
        ("mobilenet_v2", 0.35, 96, 11),
    ],
)
def test_multiplications_are_those_published(
    name: str, width: float, side: int, millions: float
) -> None:
    work = network_work(NetworkSpec(name, width, side), "float32", 1000)
    assert (work.dense + work.depthwise) / 1e6 == pytest.approx(millions, abs=1, rel=0.005)


@pytest.mark.parametrize(
    ("file", "spec"),
    [
        ("fast", NetworkSpec("mobilenet_v1", 0.25, 128)),
        ("accurate", NetworkSpec("mobilenet_v1", 0.75, 224)),
    ],
)
def test_a_shipped_file_costs_what_was_said_of_its_network(file: str, spec: NetworkSpec) -> None:
    data = (FLOWERS / f"{file}.tflite").read_bytes()
    counted, labels = layers(read_model_graph(data)), 6
    work = network_work(spec, "int8", labels)
    assert work == work_of(counted)
    times = {e.board: (e.low_ms, e.high_ms) for e in estimates(counted, "int8")}
    for key, expected in zip(BOARD_KEYS, times.values(), strict=True):
        cost = board_cost(spec, key, "int8", labels)
        assert (cost.low_ms, cost.high_ms) == pytest.approx(expected)
        assert cost.kb == pytest.approx(len(data) / 1000, rel=0.02)


@pytest.mark.parametrize("board", BOARD_KEYS)
def test_all_networks_have_a_cost_and_larger_ones_a_larger(board: str) -> None:
    for spec in all_networks():
        whole, floats = board_cost(spec, board), board_cost(spec, board, "float32")
        assert 0 < whole.low_ms < whole.ms == whole.high_ms < floats.high_ms
        assert 2.5 < floats.kb / whole.kb < 4.1
        assert board_cost(spec, board, labels=1000).kb > whole.kb
        smaller = [side for side in spec.family.resolutions if side < spec.resolution]
        for side in smaller:
            assert board_cost(NetworkSpec(spec.name, spec.width, side), board).ms < whole.ms


@pytest.mark.parametrize("board", BOARD_KEYS)
def test_the_network_for_a_board_is_the_best_that_is_in_time(board: str) -> None:
    chosen = network_for(board)
    assert board_cost(chosen, board).ms <= USUAL_MS
    better = [spec for spec in all_networks() if imagenet_top1(spec) > imagenet_top1(chosen)]
    robust = [spec for spec in better if spec.name in ROBUST_FAMILIES]
    assert all(board_cost(spec, board).ms > USUAL_MS for spec in robust)


def test_a_faster_board_gets_a_better_network() -> None:
    shares = [imagenet_top1(network_for(board)) for board in BOARD_KEYS]
    assert shares == sorted(set(shares))


def test_a_board_that_there_is_not_is_a_fault_of_the_caller() -> None:
    with pytest.raises(KeyError, match="zero"):
        board_cost(NetworkSpec(), "zero")
