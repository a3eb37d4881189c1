"""What kind of model a file is, seen from its graph, and how its weights lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pi_classifier_training.inspection.weights import (
    KIND_WORDS,
    alignment,
    bytes_by_type,
    distinct_share,
    distinct_values,
    memory_mappable,
    model_kind,
    weight_tensors,
)

from pi_classifier.modelfile.model_graph import ModelGraph
from tests.unit.pi_classifier_training.small_graphs import Network

RANDOM = np.random.default_rng(1).normal(size=(8, 16)).astype(np.float32)


def network(*kinds: str) -> ModelGraph:
    """Fully connected layers of 16 inputs one beside the other, each of its kind."""
    made = Network()
    real, stored = made.input(1, 16), made.input(1, 16, dtype="int8")
    for kind in kinds:
        x, values = real, RANDOM + len(kind)
        if kind == "rounded":
            weights = made.constant(np.round(values))
        elif kind == "float16":
            half = made.constant(values.astype(np.float16))
            weights = made.operation("DEQUANTIZE", (half,), values.shape)
        elif kind in ("int8", "dynamic"):
            x = stored if kind == "int8" else real
            weights = made.constant(
                np.arange(128, dtype=np.int8).reshape(8, 16), scales=[0.1], zero_points=[0]
            )
        else:
            weights = made.constant(values)
        made.operation("FULLY_CONNECTED", (x, weights), (1, 8))
    return made.graph()


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        (("float32",), "float32"),
        (("rounded",), "rounded"),
        (("float16",), "float16"),
        (("dynamic",), "dynamic"),
        (("int8",), "int8"),
        (("dynamic", "dynamic"), "dynamic"),
        # Converters leave small weights in floats beside those they pack.
        (("float16", "float32"), "float16"),
        (("dynamic", "float32"), "dynamic"),
        # Computing partly in integers is another matter.
        (("int8", "float32"), "mixed"),
        (("int8", "dynamic"), "mixed"),
        (("float16", "dynamic"), "mixed"),
        (("float16", "dynamic", "float32"), "mixed"),
        (("float32", "rounded"), "float32"),
    ],
)
def test_kinds(kinds: tuple[str, ...], found: str) -> None:
    assert model_kind(network(*kinds)) == found
    assert found in KIND_WORDS


def test_a_graph_without_weights_has_no_kind() -> None:
    made = Network()
    made.operation("SOFTMAX", (made.input(1, 4),), (1, 4))
    assert model_kind(made.graph()) == "none"
    assert weight_tensors(made.graph()) == []
    assert distinct_share([]) == 0


def dense(*weights: Any, bias: Any = None) -> ModelGraph:
    made = Network()
    x = made.input(1, np.shape(weights[0])[1])
    for values in weights:
        inputs = [x, made.constant(np.asarray(values))]
        inputs += [] if bias is None else [made.constant(np.asarray(bias))]
        made.operation("FULLY_CONNECTED", inputs, (1, len(values)))
    return made.graph()


def test_distinct_values_are_counted_over_all_layers_of_a_type() -> None:
    one = np.array([[0.0, 1.0, 1.0, 2.0]], np.float32)
    other = np.array([[2.0, 3.0, 3.0, 3.0]], np.float32)
    tensors = weight_tensors(dense(one, other))
    assert distinct_values(tensors) == 4
    # In each layer by itself: three of four, and two of four.
    assert distinct_share(tensors) == pytest.approx(5 / 8)


def test_types_are_counted_apart() -> None:
    one = np.array([[0.0, 1.0]], np.float32)
    assert distinct_values(weight_tensors(dense(one, np.array([[0, 1]], np.int8)))) == 4


def test_the_border_between_trained_and_rounded_is_half() -> None:
    half = np.repeat(np.arange(8, dtype=np.float32), 2)[None]
    assert distinct_share(weight_tensors(dense(half))) == 0.5
    assert model_kind(dense(half)) == "float32"
    fewer = half.copy()
    fewer[0, :2] = 1
    assert model_kind(dense(fewer)) == "rounded"


def test_bytes_in_the_file_by_what_they_are_for() -> None:
    made = Network()
    x = made.input(1, 4, 4, 2)
    conv = made.conv(x, np.ones((3, 3, 3, 2)), (1, 4, 4, 3))
    made.operation("RESHAPE", (conv, made.constant(np.array([1, 48], np.int32))), (1, 48))
    assert bytes_by_type(made.graph()) == {
        "float32 weights": 4 * 3 * 3 * 3 * 2,
        "float32 biases and factors": 4 * 3,
        "int32 shapes and axes": 8,
    }
    assert next(iter(bytes_by_type(made.graph()))) == "float32 weights"


@pytest.mark.parametrize(
    ("offsets", "at", "mappable"),
    [
        ((64, 128), 64, True),
        ((64, 96), 32, True),
        ((4, 64), 4, True),
        ((64, 66), 2, False),
        ((63,), 1, False),
    ],
)
def test_how_weights_lie(offsets: tuple[int, ...], at: int, mappable: bool) -> None:
    graph = dense(*[RANDOM + i for i in range(len(offsets))])
    weights = {t.index: o for t, o in zip(weight_tensors(graph), offsets, strict=True)}
    tensors = tuple(replace(t, offset=weights.get(t.index, t.offset)) for t in graph.tensors)
    moved = ModelGraph(tensors, graph.operations, graph.inputs, graph.outputs)
    assert alignment(moved) == at
    assert memory_mappable(moved) == mappable
