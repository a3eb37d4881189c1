"""Biases that take back what rounding shifts, on any number of photos in bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.conversion.bias_correction import (
    affordable_photos,
    corrected,
    full_integer,
)
from pi_classifier_training.conversion.execution import execute
from pi_classifier_training.conversion.full_integer import (
    BATCH,
    FullInteger,
    fake_quantized,
    measured_ranges,
    rounded_weights,
)

from pi_classifier.modelfile.model_graph import ModelGraph
from tests.unit.pi_classifier_training.small_graphs import RELU, SAME, Network

Array = NDArray[np.float32]
PIXELS, FIRST, POOLED, LAST = 16 * 16 * 3, 16 * 16 * 16, 2 * 2 * 16, 4


@pytest.fixture(autouse=True)
def _needs() -> None:
    pytest.importorskip("tensorflow")


def executed(graph: ModelGraph, photos: Array) -> Array:
    result = execute(graph, photos, lambda i: graph.tensors[i].values(), lambda _, x: x)
    return np.asarray(result)


def narrowing() -> ModelGraph:
    """A network whose first layer makes far more numbers than its last."""
    rng = np.random.default_rng(3)
    network = Network()
    x = network.input(1, 16, 16, 3)
    first = network.conv(
        x, 0.004 * rng.normal(size=(16, 3, 3, 3)) + 0.002, (1, 16, 16, 16),
        padding=SAME, fusedActivationFunction=RELU,
    )  # fmt: skip
    window = {"filterHeight": 8, "filterWidth": 8, "strideH": 8, "strideW": 8, "padding": SAME}
    pooled = network.operation("MAX_POOL_2D", (first,), (1, 2, 2, 16), **window)
    network.dense(pooled, rng.normal(size=(4, POOLED)) * 0.05 + 0.02, [0.5, 0, -0.5, 0.1])
    return network.graph()


def random_photos(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (count, 16, 16, 3), np.uint8)


class TestMemory:
    def test_large_results_are_had_of_as_many_photos_as_there_is_room_for(self) -> None:
        # Both ways, in four bytes a number: what goes in and what comes out.
        room = 8 * 12 * (PIXELS + FIRST)
        fits = [12, room // (8 * (FIRST + POOLED)), room // (8 * (POOLED + LAST))]
        assert affordable_photos(narrowing(), room) == fits

    def test_a_layer_is_had_of_no_more_photos_than_a_larger_one_behind_it(self) -> None:
        network = Network()
        narrow = network.dense(network.input(1, 1, 1, 3), np.ones((2, 3)), [0.0] * 2)
        wide = network.dense(narrow, np.ones((1000, 2)), [0.0] * 1000)
        network.dense(wide, np.ones((4, 1000)), [0.0] * 4)
        assert affordable_photos(network.graph(), 8 * 1004 * 30) == [30, 30, 30]

    def test_a_batch_always_fits(self) -> None:
        assert affordable_photos(narrowing(), 1) == [BATCH] * 3

    def test_what_is_kept_of_photos_does_not_grow_with_their_number(self) -> None:
        graph, photos, room = narrowing(), random_photos(240), 400_000
        network = FullInteger(graph, {}, measured_ranges(graph, photos[:BATCH]))
        corrected(network, photos[:BATCH], room)  # TensorFlow is loaded now
        tracemalloc.start()
        try:
            corrected(network, photos, room)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # A few batches are on their way. The first layer of all photos would be far more.
        assert peak < room + 5 * 2 * BATCH * 4 * FIRST < 8 * FIRST * len(photos) / 3

    def test_later_layers_see_all_photos(self) -> None:
        """On all of them, not on the first few, does the last layer's mean come out right."""
        graph, photos = narrowing(), random_photos(240)
        photos[:BATCH] //= 8  # the first ones are dark
        network = FullInteger(graph, {}, measured_ranges(graph, photos))
        found = corrected(network, photos, 400_000)
        exact = executed(graph, photos.astype(np.float32))
        weights = {
            o.inputs[1]: rounded_weights(o, np.asarray(graph.tensors[o.inputs[1]].values()))
            for o in graph.operations
            if o.kind != "MAX_POOL_2D"
        }
        simulated = FullInteger(graph, {**found.constants, **weights}, found.ranges)
        off = np.asarray(simulated.scores(photos.astype(np.float32))) - exact
        low, high = found.ranges[graph.outputs[0]]
        assert np.abs(off.mean(axis=0)).max() < 0.5 * (high - low) / 255


class TestBiases:
    def test_each_channels_mean_is_that_of_the_float_network(self) -> None:
        """Weights that all round upwards shift every mean; the biases take it back."""
        rng = np.random.default_rng(3)
        network = Network()
        x = network.input(1, 6, 6, 3)
        first = network.conv(
            x, 0.004 * rng.normal(size=(8, 3, 3, 3)) + 0.002, (1, 6, 6, 8),
            padding=SAME, fusedActivationFunction=RELU,
        )  # fmt: skip
        network.dense(first, rng.normal(size=(3, 288)) * 0.05 + 0.02, [0.5, 0, -0.5])
        graph = network.graph()
        photos = rng.integers(0, 256, (24, 6, 6, 3), np.uint8)
        whole = full_integer(graph, photos)
        exact = executed(graph, photos.astype(np.float32))

        def simulated(biases: dict[int, Array]) -> Array:
            """In floats, but with weights and results rounded as in the file."""
            constants = {
                o.inputs[1]: rounded_weights(o, np.asarray(graph.tensors[o.inputs[1]].values()))
                for o in graph.operations
            }
            network = FullInteger(graph, {**constants, **biases}, whole.ranges)
            return np.asarray(network.scores(photos.astype(np.float32)))

        step = (whole.ranges[graph.outputs[0]][1] - whole.ranges[graph.outputs[0]][0]) / 255
        plain, own = simulated({}), simulated(dict(whole.constants))
        assert np.abs((own - exact).mean(axis=0)).max() < 0.5 * step
        assert (
            np.abs((own - exact).mean(axis=0)).max()
            < 0.5 * np.abs((plain - exact).mean(axis=0)).max()
        )

    def test_only_biases_change(self) -> None:
        network = Network()
        network.dense(network.input(1, 1, 2, 3), np.ones((2, 6)) * 0.3, [1.0, 2.0])
        graph = network.graph()
        photos = np.random.default_rng(1).integers(0, 256, (9, 1, 2, 3), np.uint8)
        found = corrected(FullInteger(graph, {}, measured_ranges(graph, photos)), photos)
        (dense,) = graph.operations
        assert set(found.constants) == {dense.inputs[2]}
        # Equal weights are the largest of their channel: they round without an error.
        assert found.constants[dense.inputs[2]] == pytest.approx([1.0, 2.0], abs=1e-3)

    def test_layers_that_share_a_bias_are_corrected_apart(self) -> None:
        """A converter has all layers without a bias share the same zeros."""
        rng = np.random.default_rng(4)
        network = Network()
        x, zeros = network.input(1, 1, 2, 3), network.constant(np.zeros(4, np.float32))
        uneven = [0.004 * rng.normal(size=shape) + 0.003 for shape in ((4, 6), (4, 4))]
        for values in uneven:
            weights = network.constant(values.astype(np.float32))
            x = network.operation("FULLY_CONNECTED", (x, weights, zeros), (1, 4))
        graph = network.graph()
        photos = rng.integers(0, 256, (48, 1, 2, 3), np.uint8)
        found = corrected(FullInteger(graph, {}, measured_ranges(graph, photos)), photos)
        first, second = (operation.bias for operation in found.graph.operations)
        assert first != second
        exact = photos.reshape(48, 6).astype(np.float64)
        coarse = exact
        for operation, bias in zip(found.graph.operations, (first, second), strict=True):
            kernel = np.asarray(graph.tensors[operation.inputs[1]].values(), np.float32)
            exact = exact @ kernel.T
            coarse = coarse @ rounded_weights(operation, kernel).T + found.constants[bias]
            low, high = found.ranges[operation.outputs[0]]
            assert np.abs((coarse - exact).mean(axis=0)).max() < 0.25 * (high - low) / 255
            coarse = np.asarray(fake_quantized(coarse.astype(np.float32), (low, high)))
