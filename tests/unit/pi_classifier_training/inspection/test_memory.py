"""Memory of activations, against a plan drawn step by step."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.inspection.memory import activation_memory

from pi_classifier.modelfile.model_graph import ModelGraph
from tests.unit.pi_classifier_training.small_graphs import Network


def chain(sizes: Sequence[int], readers: Sequence[Sequence[int]] | None = None) -> ModelGraph:
    """Tensors of `sizes` floats, each made from the one before, or from those in `readers`."""
    network = Network()
    made = [network.input(sizes[0])]
    for n, size in enumerate(sizes[1:]):
        inputs = [n] if readers is None else readers[n]
        made.append(network.operation("ADD", [made[i] for i in inputs], (size,)))
    return network.graph()


def test_neighbors_live_together_and_the_worst_pair_counts() -> None:
    found = activation_memory(chain([16, 32, 64, 32, 16]))
    # The second and the third operation both have 96 numbers alive; the first is named.
    assert (found.peak_bytes, found.worst) == (4 * 96, 1)
    assert found.planned_bytes == 4 * 96


def test_a_shortcut_keeps_its_source_until_it_is_read() -> None:
    plain = activation_memory(chain([16, 32, 32, 32, 16]))
    residual = activation_memory(chain([16, 32, 32, 32, 16], [[0], [1], [2], [1, 3]]))
    assert plain.peak_bytes == 4 * 64
    assert residual.peak_bytes == 4 * 96
    assert residual.worst == 2


def test_a_result_nobody_reads_lives_while_it_is_made() -> None:
    network = Network()
    x = network.input(16)
    network.operation("ADD", (x, x), (64,))
    network.operation("ADD", (x, x), (16,))
    # While the large one is made, only the input is alive besides.
    assert activation_memory(network.graph()).peak_bytes == 4 * (16 + 64)


def test_what_the_network_gives_stays_to_the_end() -> None:
    network = Network()
    x = network.input(16)
    early = network.operation("ADD", (x, x), (64,))
    between = network.operation("ADD", (x, x), (32,))
    network.operation("ADD", (between, between), (32,))
    graph = network.graph()
    both = ModelGraph(graph.tensors, graph.operations, graph.inputs, (early, *graph.outputs))
    # At the last operation: the early result, what is read and what is made.
    assert activation_memory(both).peak_bytes == 4 * (64 + 32 + 32)
    assert activation_memory(graph).peak_bytes == 4 * (16 + 64)


def test_constants_are_no_activations() -> None:
    network = Network()
    x = network.input(16)
    network.operation("ADD", (x, network.constant(np.zeros(999, np.float32))), (16,))
    assert activation_memory(network.graph()).peak_bytes == 4 * 32


def test_places_begin_at_multiples_of_64_bytes() -> None:
    # One float takes 4 bytes, and the next tensor begins 64 further on.
    found = activation_memory(chain([1, 1]))
    assert found.peak_bytes == 8
    assert found.planned_bytes == 64 + 4


@given(st.lists(st.sampled_from([16, 32, 48, 64, 128]), min_size=2, max_size=8))
def test_a_chain_of_whole_places_needs_no_more_than_its_largest_two_neighbors(
    sizes: list[int],
) -> None:
    found = activation_memory(chain(sizes))
    pairs = [4 * (a + b) for a, b in itertools.pairwise(sizes)]
    assert found.peak_bytes == max(pairs)
    # Greedy by size may waste something where three in a row differ, never a whole tensor more.
    assert max(pairs) <= found.planned_bytes <= max(pairs) + 4 * max(sizes)


@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 4), ("float16", 2), ("int8", 1), ("uint8", 1), ("int64", 8)]
)
def test_bytes_of_each_type(dtype: str, size: int) -> None:
    network = Network()
    x = network.input(3, 5, dtype=dtype)
    network.operation("ADD", (x, x), (1,))
    assert network.graph().tensors[x].size_bytes == 15 * size


@given(
    st.lists(st.sampled_from([1, 15, 16, 17, 100, 4096]), min_size=2, max_size=9),
    st.data(),
)
def test_no_plan_is_below_what_is_alive(sizes: list[int], data: st.DataObject) -> None:
    readers = [
        data.draw(st.lists(st.integers(0, n), min_size=1, max_size=3))
        for n in range(len(sizes) - 1)
    ]
    found = activation_memory(chain(sizes, readers))
    most = max(sum(4 * sizes[i] for i in {n + 1, *inputs}) for n, inputs in enumerate(readers))
    assert most <= found.peak_bytes <= found.planned_bytes
    assert found.planned_bytes <= sum(4 * n + 64 for n in sizes)
