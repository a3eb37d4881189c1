"""Operations cut out of a model file are models of their own, and take along what they need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pi_classifier.modelfile.cut_out import Part, cut_out, parts
from pi_classifier.modelfile.flatbuffer import DamagedBuffer
from pi_classifier.modelfile.model_graph import read_model_graph
from tests.unit.pi_classifier_training.small_graphs import Network

DATA = Path(__file__).resolve().parents[3] / "data"


@pytest.mark.parametrize("name", ["float32", "int8", "dynamic", "float16"])
def test_what_is_cut_out_is_read_as_a_model_of_one_operation(name: str) -> None:
    data = (DATA / f"{name}.tflite").read_bytes()
    whole = read_model_graph(data)
    for number, operation in enumerate(whole.operations):
        cut = read_model_graph(cut_out(memoryview(data), [number], whole.inputs, [3, 1, 2]))
        (alone,) = cut.operations
        assert (alone.kind, alone.inputs, alone.outputs) == (
            operation.kind,
            operation.inputs,
            operation.outputs,
        )
        assert (cut.inputs, cut.outputs) == (whole.inputs, (3, 1, 2))
        assert [(t.name, t.shape, bytes(t.data)) for t in cut.tensors] == [
            (t.name, t.shape, bytes(t.data)) for t in whole.tensors
        ]


def test_weights_stay_where_processors_want_them() -> None:
    data = (DATA / "float32.tflite").read_bytes()
    whole = read_model_graph(data)
    for many in range(40):
        cut = read_model_graph(cut_out(memoryview(data), [0] * many, whole.inputs, [1]))
        assert len(cut.operations) == many
        moved = {new.offset - old.offset for new, old in zip(cut.tensors, whole.tensors)}  # noqa: B905
        assert all(distance % 64 == 0 for distance in moved)


def test_a_part_takes_along_what_makes_its_weights() -> None:
    network = Network()
    x = network.input(1, 4)
    half = network.constant(np.ones((2, 4), np.float16))
    weights = network.operation("DEQUANTIZE", [half], (2, 4))
    bias = network.constant(np.zeros(2, np.float32))
    y = network.operation("FULLY_CONNECTED", [x, weights, bias], (1, 2))
    z = network.operation("ADD", [y, y], (1, 2))
    assert parts(network.graph()) == [
        None,
        Part((0, 1), (x,), (y,)),
        Part((2,), (y,), (z,)),
    ]


def test_constants_of_constants_are_made_in_order() -> None:
    network = Network()
    x = network.input(1, 2)
    one = network.operation("CAST", [network.constant(np.ones(2, np.float16))], (2,))
    two = network.operation("ADD", [one, one], (2,))
    y = network.operation("ADD", [x, two], (1, 2))
    assert parts(network.graph()) == [None, None, Part((0, 1, 2), (x,), (y,))]


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(DamagedBuffer):
        cut_out(memoryview(b"\x08\0\0\0TFL3" + b"\xff" * 40), [0], [0], [1])
