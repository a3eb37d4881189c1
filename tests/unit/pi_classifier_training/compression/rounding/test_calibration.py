"""Rounding a whole network: what a layer sees, how much it matters, what is left over."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.compression.rounding import calibration
from pi_classifier_training.compression.rounding.calibration import (
    _samples,
    round_network,
    sensitivities,
)
from pi_classifier_training.compression.rounding.levels import LARGEST_MULTIPLE, as_rows
from pi_classifier_training.conversion.execution import computed, execute
from pi_classifier_training.errors import ExportError

from pi_classifier.modelfile.model_graph import ModelGraph
from tests.unit.pi_classifier_training.small_graphs import RELU, SAME, VALID, Network

pytest.importorskip("tensorflow")

Array = NDArray[np.float32]


def random(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def executed(graph: ModelGraph, pixels: Array, weights: dict[int, Array] | None = None) -> Array:
    changed = weights or {}

    def constant(index: int) -> Any:
        return changed.get(index, graph.tensors[index].values())

    return np.asarray(execute(graph, pixels, constant, lambda _, x: x))


class TestSamples:
    @pytest.mark.parametrize(
        ("kind", "padding", "strides", "dilations"),
        [
            (kind, padding, strides, dilations)
            for kind, padding, (strides, dilations) in itertools.product(
                ("conv", "depthwise"),
                (SAME, VALID),
                [((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 1), (2, 1)), ((1, 1), (1, 2))],
            )
        ]
        # Only ordinary convolutions have strides that differ.
        + [("conv", padding, (2, 1), (1, 1)) for padding in (SAME, VALID)],
    )
    def test_weights_times_samples_are_what_the_layer_computes(
        self, kind: str, padding: int, strides: tuple[int, int], dilations: tuple[int, int]
    ) -> None:
        """The kernel as rows, times what it sees at each place, is the convolution."""
        side, channels, outputs = 6, 3, 6
        reach = [2 * d + 1 for d in dilations]
        places = [
            -(-side // s) if padding == SAME else -(-(side - r + 1) // s)
            for s, r in zip(strides, reach, strict=True)
        ]
        shape = (1, *places, outputs)
        network = Network()
        x = network.input(1, side, side, channels)
        options = {
            "padding": padding, "strideH": strides[0], "strideW": strides[1],
            "dilationHFactor": dilations[0], "dilationWFactor": dilations[1],
        }  # fmt: skip
        if kind == "conv":
            network.conv(x, random(outputs, 3, 3, channels), shape, **options)
        else:
            kernel = random(1, 3, 3, outputs)
            network.depthwise(x, kernel, shape, depthMultiplier=outputs // channels, **options)
        graph = network.graph()
        (layer,) = graph.operations
        photos = random(4, side, side, channels, seed=2)
        samples = _samples(graph, layer, photos)
        values = np.asarray(graph.tensors[layer.inputs[1]].values(), np.float32)
        rows = as_rows(layer.kind, values, channels)
        products = np.einsum("gri,sgi->sgr", rows, samples).reshape(len(samples), outputs)
        inputs = [photos, *(graph.tensors[i].values() for i in layer.inputs[1:])]
        expected = np.asarray(computed(layer, inputs)).reshape(-1, outputs)
        assert products == pytest.approx(expected, abs=1e-4)

    def test_a_fully_connected_layer_sees_all_of_its_input(self) -> None:
        network = Network()
        network.dense(network.input(1, 2, 2, 3), random(4, 12), np.zeros(4))
        graph = network.graph()
        photos = random(5, 2, 2, 3)
        samples = _samples(graph, graph.operations[0], photos)
        assert (samples == photos.reshape(5, 1, 12)).all()


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max())
    return np.asarray(e / e.sum(), np.float32)


class TestSensitivities:
    @pytest.mark.parametrize("logits", [False, True])
    def test_of_the_scores_themselves_follow_from_the_softmax(
        self, logits: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For scores q and softened ones p it is p (1 − 2 q) + q², the mean over all signs."""
        monkeypatch.setattr(calibration, "BATCH", 1000)
        network = Network()
        dense = network.dense(network.input(1, 3), np.eye(3), np.zeros(3))
        if not logits:
            network.operation("SOFTMAX", (dense,), (1, 3))
        graph = network.graph()
        layers = graph.operations[:1]
        z = np.array([2.0, 0.5, -1.0], np.float32)
        sensitivity = sensitivities(graph, layers, np.tile(z, (4000, 1)), logits=logits)
        p, q = softmax(z * np.float32(0.5)), softmax(z)
        assert sensitivity[layers[0].outputs[0]] == pytest.approx(p * (1 - 2 * q) + q**2, rel=0.1)

    def test_what_cannot_reach_the_scores_has_the_least_there_is(self) -> None:
        network = Network()
        x = network.input(1, 2)
        hidden = network.dense(x, np.eye(2), [0, 0])
        # The second output is not used any further.
        scores = network.dense(hidden, [[1, 0], [-1, 0]], [0, 0])
        network.operation("SOFTMAX", (scores,), (1, 2))
        graph = network.graph()
        sensitivity = sensitivities(graph, graph.operations[:2], random(64, 2), logits=False)
        used, unused = sensitivity[hidden]
        assert unused == pytest.approx(1e-3 * used / 2, rel=1e-2)

    def test_an_unknown_operation_is_named_with_the_way_around(self) -> None:
        network = Network()
        dense = network.dense(network.input(1, 2), np.eye(2), [0, 0])
        network.operation("COS", (dense,), (1, 2))
        graph = network.graph()
        with pytest.raises(ExportError, match=r"operation COS, which rounding cannot follow; --m"):
            sensitivities(graph, graph.operations[:1], random(1, 2), logits=True)


def two_layers(seed: int = 1) -> tuple[ModelGraph, Array]:
    """A convolution and a fully connected layer behind it, and photos with a mean."""
    network = Network()
    x = network.input(1, 4, 4, 3)
    conv = network.conv(
        x, random(8, 3, 3, 3, seed=seed), (1, 4, 4, 8), padding=SAME, fusedActivationFunction=RELU
    )
    network.dense(conv, 0.2 * random(4, 128, seed=seed + 1), random(4, seed=seed + 2))
    return network.graph(), random(48, 4, 4, 3, seed=seed + 3) + 1


def rounded(
    graph: ModelGraph,
    photos: Array,
    tolerance: float,
    *,
    biases: bool = True,
    importance: tuple[float, float] = (1.0, 1.0),
) -> dict[int, Array]:
    layers = graph.operations
    flexible = frozenset(o.inputs[2] for o in layers) if biases else frozenset()
    sensitivity = {
        o.outputs[0]: np.full(graph.tensors[o.outputs[0]].shape[-1], value)
        for o, value in zip(layers, importance, strict=True)
    }
    steps: list[None] = []
    weights = round_network(
        graph, layers, flexible, photos, sensitivity, tolerance, lambda: steps.append(None)
    )
    assert len(steps) == len(layers)
    return weights


class TestRoundNetwork:
    def test_the_mean_of_every_output_is_kept_by_the_biases(self) -> None:
        graph, photos = two_layers()
        exact = executed(graph, photos)
        kept = executed(graph, photos, rounded(graph, photos, 2.0**-8))
        assert np.abs((kept - exact).mean(axis=0)).max() < 1e-4
        without = executed(graph, photos, rounded(graph, photos, 2.0**-8, biases=False))
        assert np.abs((without - exact).mean(axis=0)).max() > 1e-3

    def test_a_row_has_values_that_are_multiples_of_one_power_of_two(self) -> None:
        graph, photos = two_layers()
        weights = rounded(graph, photos, 2.0**-8)
        for operation in graph.operations:
            for row in weights[operation.inputs[1]].reshape(len(weights[operation.inputs[1]]), -1):
                used = np.abs(row[row != 0])
                # The largest power of two of which all values are multiples.
                step = 2.0 ** np.floor(np.log2(used.min()))
                while not (used / step == np.rint(used / step)).all():
                    step /= 2
                assert used.max() / step < 2 * LARGEST_MULTIPLE

    def test_the_finer_the_tolerance_the_nearer_the_scores(self) -> None:
        graph, photos = two_layers()
        exact = executed(graph, photos)
        off = [
            float(np.square(executed(graph, photos, rounded(graph, photos, t)) - exact).mean())
            for t in (2.0**-4, 2.0**-10, 2.0**-30)
        ]
        assert off[0] > 4 * off[1] > 4 * off[2]
        assert off[2] < 1e-6

    def test_the_second_layer_makes_good_for_the_first(self) -> None:
        """A first layer rounded coarsely costs less behind weights fitted to what it now gives."""
        graph, photos = two_layers()
        first, second = graph.operations
        exact = executed(graph, photos)
        # Errors of the first layer hardly count, those of the second very much: it stays fine.
        weights = rounded(graph, photos, 2.0**-10, importance=(0.1, 1e9))
        plain = {index: weights[index] for index in first.inputs[1:]}
        shift = (exact - executed(graph, photos, plain)).mean(axis=0)
        bias = second.inputs[2]
        plain[bias] = np.asarray(graph.tensors[bias].values()) + shift
        off, unfitted = (float(np.square(executed(graph, photos, w) - exact).mean())
                         for w in (weights, plain))  # fmt: skip
        assert off < 0.01 * unfitted

    def test_twice_gives_the_same(self) -> None:
        graph, photos = two_layers()
        one, other = (rounded(graph, photos, 2.0**-10) for _ in range(2))
        assert all((one[k] == other[k]).all() for k in one)
