"""Which layer of a quantized file hurts: real values, ratios, names, on files made by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.compression.layer_errors import (
    LARGEST_DB,
    LayerError,
    decibels,
    dequantized,
    layer_errors,
    layer_name,
)
from pi_classifier_training.errors import ExportError

from pi_classifier.modelfile.model_graph import Tensor
from tests.unit.pi_classifier_training.small_graphs import Network


def stored(
    shape: tuple[int, ...], dtype: str, scales: list[float], zeros: list[int], axis: int = 0
) -> Tensor:
    network = Network()
    network.input(1)
    index = network.tensor("stored", shape, dtype, scales=scales, zero_points=zeros, axis=axis)
    network.operation("RELU", (0,), (1,))
    return network.graph().tensors[index]


class TestDequantized:
    def test_is_scale_times_stored_minus_zero_point(self) -> None:
        tensor = stored((4,), "uint8", [0.5], [128])
        real = dequantized(tensor, np.array([0, 127, 128, 255], np.uint8))
        assert real.tolist() == [-64.0, -0.5, 0.0, 63.5]
        assert real.dtype == np.float32

    @pytest.mark.parametrize("axis", [0, 1])
    def test_each_channel_has_its_own_scale(self, axis: int) -> None:
        tensor = stored((2, 2), "int8", [1.0, 0.25], [0, 0], axis)
        values = np.array([[100, 100], [-4, 8]], np.int8)
        scales = np.array([[1.0], [0.25]]) if axis == 0 else np.array([[1.0, 0.25]])
        assert (dequantized(tensor, values) == values * scales).all()

    def test_floats_stay(self) -> None:
        values = np.array([0.5, -2.0], np.float32)
        assert (dequantized(stored((2,), "float32", [], []), values) == values).all()
        assert (
            dequantized(stored((2,), "float16", [], []), values.astype(np.float16)) == values
        ).all()

    @given(st.sampled_from([1 / 256, 0.02, 1.0]), st.sampled_from([-128, -1, 0, 127]))
    def test_the_zero_point_is_zero(self, scale: float, zero: int) -> None:
        tensor = stored((1,), "int8", [scale], [zero])
        assert dequantized(tensor, np.array([zero], np.int8)).tolist() == [0.0]


@pytest.mark.parametrize(
    ("signal", "noise", "db"),
    [
        (100.0, 1.0, 20.0),  # an error of a tenth
        (10.0, 1.0, 10.0),
        (1.0, 1.0, 0.0),
        (1.0, 100.0, -20.0),
        (1.0, 0.0, LARGEST_DB),
        (0.0, 0.0, LARGEST_DB),  # nothing, and rightly so
        (0.0, 1.0, -LARGEST_DB),  # a layer that was silent and is no more
    ],
)
def test_a_ratio_in_decibels_is_a_number_json_can_write(
    signal: float, noise: float, db: float
) -> None:
    ratios = decibels(np.array([signal]), np.array([noise]))
    assert ratios == pytest.approx([db])
    entry = LayerError("a", "CONV_2D", ratios[0], None).as_dict()
    assert json.loads(json.dumps(entry, allow_nan=False))["sqnr_db"] == round(db, 2)


def network(weight: float | list[float], last: str = "RELU") -> bytes:
    made = Network()
    x = made.input(1, 1, 1, 3)
    first = made.dense(x, weight * np.eye(3), np.zeros(3))
    second = made.dense(first, np.eye(3), np.zeros(3))
    made.operation(last, (second,), (1, 3))
    return made.data()


class TestLayerErrors:
    PHOTOS = np.full((2, 1, 1, 3), 100, np.uint8)

    def test_an_error_shows_in_the_layer_that_makes_it_and_in_all_behind(self) -> None:
        pytest.importorskip("tensorflow")
        errors = layer_errors(network(1.0), network(1.1), self.PHOTOS)
        assert [layer.name for layer in errors] == ["dense", "dense", "scores"]
        # All results are a tenth too large: 20 dB below the signal.
        assert [layer.sqnr_db for layer in errors] == pytest.approx([20.0] * 3, abs=0.01)
        # Alone, only the first makes the scores change: by 10 of 100.
        assert [layer.alone for layer in errors] == pytest.approx([10.0, 0.0, 0.0], abs=1e-3)

    def test_scores_that_rise_and_fall_do_not_cancel_out(self) -> None:
        pytest.importorskip("tensorflow")
        first, *_ = layer_errors(network(1.0), network([1.1, 0.9, 1.0]), self.PHOTOS)
        assert first.alone == pytest.approx((10 + 10 + 0) / 3, abs=1e-3)

    def test_an_operation_that_cannot_be_simulated_leaves_that_column_empty(self) -> None:
        pytest.importorskip("tensorflow")
        errors = layer_errors(network(1.0, "COS"), network(1.0, "COS"), self.PHOTOS)
        assert [layer.alone for layer in errors] == [None] * 3
        assert [layer.sqnr_db for layer in errors] == [LARGEST_DB] * 3
        assert errors[0].as_dict()["alone"] is None

    def test_other_operations_are_another_network(self) -> None:
        with pytest.raises(ExportError, match=r"not of the same network: 3 and 3 operations"):
            layer_errors(network(1.0, "RELU"), network(1.0, "RELU6"), self.PHOTOS)


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        ("net/block3/Conv2D", "block3"),
        ("net/stem_norm/batchnorm/mul", "stem"),
        ("net/block3_depthwise_norm_2/batchnorm/mul;net/x", "block3_depthwise"),
        ("net/expand_relu6/Relu6", "expand"),
        ("logits", "logits"),
        ("net/dense_1/MatMul", "dense"),
    ],
)
def test_a_layers_name_is_what_its_builder_called_it(kernel: str, name: str) -> None:
    made = Network()
    x = made.input(1, 3)
    weights = made.constant(np.eye(3, dtype=np.float32), kernel)
    bias = made.constant(np.zeros(3, np.float32))
    hidden = made.operation("FULLY_CONNECTED", (x, weights, bias), (1, 3))
    made.operation("SOFTMAX", (hidden,), (1, 3))
    graph = made.graph()
    assert [layer_name(graph, o) for o in graph.operations] == [name, "scores"]
