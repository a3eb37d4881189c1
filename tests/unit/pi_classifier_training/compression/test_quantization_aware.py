"""The simulation that quantization-aware training trains: rounding forwards, straight back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.compression import quantization_aware
from pi_classifier_training.compression.quantization_aware import AwareOptions
from pi_classifier_training.compression.simulation import Simulation, logits_of
from pi_classifier_training.conversion.bias_correction import full_integer
from pi_classifier_training.conversion.execution import execute
from pi_classifier_training.conversion.full_integer import (
    FullInteger,
    measured_ranges,
    nudged,
    rounded_weights,
)

from pi_classifier.modelfile.model_graph import ModelGraph
from tests.unit.pi_classifier_training.small_graphs import RELU, Network

tf = pytest.importorskip("tensorflow")

Array = NDArray[np.float32]
PHOTOS = np.random.default_rng(1).integers(0, 256, (16, 1, 2, 3), np.uint8)


def network(last: str = "SOFTMAX") -> ModelGraph:
    made = Network()
    rng = np.random.default_rng(2)
    x = made.input(1, 1, 2, 3)
    weights = 0.01 * rng.normal(size=(5, 6))
    hidden = made.dense(x, weights, rng.normal(size=5), fusedActivationFunction=RELU)
    logits = made.dense(hidden, rng.normal(size=(4, 5)), rng.normal(size=4))
    if last:
        made.operation(last, (logits,), (1, 4))
    return made.graph()


@pytest.fixture(scope="module")
def start() -> FullInteger:
    return full_integer(network(), PHOTOS)


class TestSimulation:
    def test_begins_as_the_full_integer_network_will_be(self, start: FullInteger) -> None:
        """With weights rounded as the converter will, and every result to 8 bits."""
        graph = start.graph
        weights = {
            index: rounded_weights(operation, start.constant(index))
            for operation in graph.operations[:2]
            for index in operation.inputs[1:2]
        }
        coarse = FullInteger(graph, {**start.constants, **weights}, start.ranges)
        expected = np.asarray(coarse.scores(PHOTOS.astype(np.float32)))
        simulated = tf.nn.softmax(Simulation(start).logits(PHOTOS.astype(np.float32))).numpy()
        assert simulated == pytest.approx(expected, abs=1e-4)

    def test_what_was_not_trained_comes_out_as_it_went_in(self, start: FullInteger) -> None:
        result = Simulation(start).result()
        for operation in start.graph.operations[:2]:
            for index in operation.inputs[1:]:
                assert result.constant(index) == pytest.approx(start.constant(index), abs=1e-6)
        for index, limits in start.ranges.items():
            # A rectified result has no negative values: its range begins at 0 for good.
            assert result.ranges[index] == pytest.approx(limits, abs=1e-5)

    def test_all_that_is_trained_has_a_gradient(self, start: FullInteger) -> None:
        simulation = Simulation(start)
        variables = [v for group, _ in simulation.variable_groups() for v in group]
        # Two layers' weights and biases, and the ranges of both results.
        assert len(variables) == 6
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(simulation.logits(PHOTOS.astype(np.float32))))
        gradients = tape.gradient(loss, variables)
        assert all(g is not None for g in gradients)
        assert all(np.isfinite(g.numpy()).all() for g in gradients)

    def test_gradients_pass_the_rounding_as_if_it_were_not_there(self) -> None:
        """Of the last layer's bias: 1 for each photo whose result lies within its range."""
        graph = network(last="")
        ranges = measured_ranges(graph, PHOTOS)
        simulation = Simulation(FullInteger(graph, {}, ranges))
        (_, last) = simulation.variable_groups()[1][0]
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(simulation.logits(PHOTOS.astype(np.float32)), axis=0)
        inside = tape.gradient(total, last).numpy()
        assert (inside <= len(PHOTOS)).all()
        # But for what rounding has pushed just over an end, all are inside.
        assert inside.sum() >= len(PHOTOS) * 4 - 4

    def test_a_weight_learns_from_its_input_however_it_is_rounded(self) -> None:
        made = Network()
        weights = np.random.default_rng(1).normal(size=(2, 6)).astype(np.float32)
        dense = made.dense(made.input(1, 1, 2, 3), weights, [0, 0])
        graph = made.graph()
        simulation = Simulation(FullInteger(graph, {}, {dense: (-1e5, 1e5)}))
        (shares,) = simulation.variable_groups()[0][0]
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(simulation.logits(PHOTOS.astype(np.float32)))
        # In units of the channel's largest weight, so as many times the input's sum.
        largest = np.abs(weights).max(axis=1, keepdims=True)
        expected = largest * PHOTOS.reshape(16, 6).sum(axis=0)
        assert tape.gradient(total, shares).numpy() == pytest.approx(expected, rel=1e-5)

    def test_a_smaller_range_clips_and_its_share_is_never_nothing(
        self, start: FullInteger
    ) -> None:
        simulation = Simulation(start)
        for shares in simulation.variable_groups()[2][0]:
            shares.assign([-5.0, -5.0])
        result = simulation.result()
        for operation in start.graph.operations[:2]:
            index = operation.outputs[0]
            low, high = result.ranges[index]
            assert low <= 0 < high
            assert high == pytest.approx(0.05 * start.ranges[index][1], rel=0.2)
            assert result.ranges[index] == pytest.approx(nudged((low, high)), abs=1e-6)

    def test_ranges_of_what_comes_before_the_first_weights_are_not_trained(self) -> None:
        made = Network()
        x = made.input(1, 1, 2, 3)
        half = made.constant(np.full(3, 0.5, np.float32))
        halved = made.operation("MUL", (x, half), (1, 1, 2, 3))
        dense = made.dense(halved, np.eye(6), np.zeros(6))
        made.operation("SOFTMAX", (dense,), (1, 6))
        graph = made.graph()
        ranges = measured_ranges(graph, PHOTOS)
        assert set(ranges) == {halved, dense}
        simulation = Simulation(FullInteger(graph, {}, ranges))
        assert len(simulation.variable_groups()[2][0]) == 1


@pytest.mark.parametrize("last", ["SOFTMAX", ""])
def test_logits_are_what_goes_into_the_softmax_or_the_result_itself(last: str) -> None:
    graph = network(last)
    pixels = PHOTOS.astype(np.float32)

    def constant(index: int) -> Any:
        return graph.tensors[index].values()

    logits = np.asarray(logits_of(graph, pixels, constant))
    scores = np.asarray(execute(graph, pixels, constant, lambda _, x: x))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) if last else logits
    assert scores == pytest.approx(expected, abs=1e-6)


def test_a_step_in_parts_is_the_step_of_all_its_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the last part is smaller: memory is all that parts are for."""
    made = Network()
    rng = np.random.default_rng(1)
    x = made.input(1, 4, 4, 3)
    conv = made.conv(x, 0.01 * rng.normal(size=(2, 1, 1, 3)), (1, 4, 4, 2))
    made.dense(conv, rng.normal(size=(3, 32)), [0.0] * 3)
    graph = made.graph()
    pixels = rng.integers(0, 256, (11, 5, 5, 3), np.uint8)
    start = full_integer(graph, pixels[:, :4, :4])

    def stepped(part: int) -> tuple[float, FullInteger]:
        monkeypatch.setattr(quantization_aware, "PART", part)
        simulation = Simulation(start)
        step = quantization_aware._training_step(simulation, AwareOptions(rate=1e-2), 4)
        loss = step(tf.constant(pixels), tf.ones(11), tf.constant([1, 2], tf.int32))
        return loss, simulation.result()

    (whole_loss, whole), (loss, parts) = stepped(100), stepped(4)
    assert loss == pytest.approx(whole_loss, rel=1e-4)
    for index, values in whole.constants.items():
        np.testing.assert_allclose(parts.constants[index], values, rtol=1e-3, atol=1e-5)
        assert not np.array_equal(values, start.constant(index))
