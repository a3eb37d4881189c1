"""A float file that is rounded: what of it may change, and what it packs to."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.compression.rounding.float_file import (
    SMALLEST_WEIGHTS,
    FloatModel,
    distinct_values,
    packed_bytes,
    patched,
    read_float_model,
    trial_bytes,
)
from pi_classifier_training.errors import ExportError
from pi_classifier_training.modelfile.writer import write_model_file

from pi_classifier.modelfile.model_graph import read_model_graph
from tests.unit.pi_classifier_training.small_graphs import RELU, Network

LABELS = ["daisy", "rose", "tulip"]


def written(folder: Path, network: Network) -> Path:
    path = folder / "float32.tflite"
    entries = {"schema_version": 1, "name": "small"}
    path.write_bytes(write_model_file(network.data(), LABELS, entries))
    return path


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@pytest.fixture
def source(tmp_path: Path) -> FloatModel:
    made = Network()
    x = made.input(1, 4, 4, 3)
    small = made.conv(x, random(3, 1, 1, 3), (1, 4, 4, 3), fusedActivationFunction=RELU)
    large = made.conv(small, random(24, 1, 1, 3), (1, 4, 4, 24))
    made.operation("SOFTMAX", (made.dense(large, random(3, 384), np.zeros(3)),), (1, 3))
    return read_float_model(written(tmp_path, made))


def test_only_layers_with_many_weights_are_rounded(source: FloatModel) -> None:
    kinds = [(o.kind, source.graph.tensors[o.inputs[1]].elements) for o in source.layers]
    # Nine weights of the first convolution would save nothing: it stays exact.
    assert kinds == [("CONV_2D", 72), ("FULLY_CONNECTED", 1152)]
    assert SMALLEST_WEIGHTS == 64
    assert source.weights == 72 + 1152
    assert source.biases == {o.inputs[2] for o in source.layers}


def test_weights_that_two_layers_share_are_left_alone(tmp_path: Path) -> None:
    made = Network()
    x = made.input(1, 4, 4, 3)
    first = made.dense(x, random(64, 48), np.zeros(64))
    shared, bias = made.constant(random(64, 64)), made.constant(np.zeros(64, np.float32))
    for _ in range(2):
        first = made.operation("FULLY_CONNECTED", (first, shared, bias), (1, 64))
    made.operation("SOFTMAX", (made.dense(first, random(3, 64), np.zeros(3)),), (1, 3))
    source = read_float_model(written(tmp_path, made))
    rounded = {o.inputs[1] for o in source.layers}
    assert len(rounded) == 2
    assert not {t.index for t in source.graph.tensors if t.shape == (64, 64)} & rounded


def test_a_file_without_anything_to_round_is_refused(tmp_path: Path) -> None:
    made = Network()
    dense = made.dense(made.input(1, 2, 2, 3), random(3, 12), np.zeros(3))
    made.operation("SOFTMAX", (dense,), (1, 3))
    with pytest.raises(ExportError, match="has no float weights to round"):
        read_float_model(written(tmp_path, made))


class TestPatched:
    def test_only_the_named_tensors_change(self, source: FloatModel) -> None:
        index = source.layers[0].inputs[1]
        values = np.full(source.graph.tensors[index].shape, 0.25, np.float32)
        data = patched(source, {index: values})
        assert len(data) == len(source.data)
        again = read_model_graph(data)
        for before, after in zip(source.graph.tensors, again.tensors, strict=True):
            if before.index == index:
                assert (after.values() == values).all()
            else:
                assert bytes(after.data) == bytes(before.data)
        changed = [i for i, (a, b) in enumerate(zip(source.data, data, strict=True)) if a != b]
        tensor = source.graph.tensors[index]
        assert tensor.offset <= min(changed) <= max(changed) < tensor.offset + len(tensor.data)

    def test_nothing_is_nothing(self, source: FloatModel) -> None:
        assert patched(source, {}) == source.data

    def test_values_of_another_size_are_refused(self, source: FloatModel) -> None:
        index = source.layers[0].inputs[1]
        with pytest.raises(ValueError, match="4 bytes for 288"):
            patched(source, {index: np.zeros(1, np.float32)})


def test_packing_is_gzip_at_its_best_and_the_same_every_time() -> None:
    data = bytes(range(256)) * 40
    assert packed_bytes(data) == len(gzip.compress(data, 9))
    assert packed_bytes(data) == packed_bytes(data) < len(data) / 10


def test_few_values_pack_better(source: FloatModel) -> None:
    index = source.layers[1].inputs[1]
    exact = np.asarray(source.graph.tensors[index].values(), np.float32)
    coarser = exact, np.round(exact * 8) / 8, np.round(exact), np.zeros_like(exact)
    sizes = [
        packed_bytes(patched(source, {index: np.asarray(weights, np.float32)}))
        for weights in coarser
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4


def test_distinct_values_are_counted_by_layer(source: FloatModel) -> None:
    index = source.layers[1].inputs[1]
    values = np.zeros(source.graph.tensors[index].shape, np.float32)
    values[0, :3] = (1, 2, 2)
    assert distinct_values(source, {index: values}) == {"net/dense/kernel": 3}


def test_a_trial_is_a_model_file_of_the_same_labels(source: FloatModel, tmp_path: Path) -> None:
    index = source.layers[1].inputs[1]
    values = np.zeros(source.graph.tensors[index].shape, np.float32)
    path = tmp_path / "trial.tflite"
    path.write_bytes(trial_bytes(source, {index: values}))
    again = read_float_model(path)
    assert again.model.labels == tuple(LABELS)
    assert again.model.manifest.details["kind"] == "rounded"
    assert (again.graph.tensors[index].values() == 0).all()
