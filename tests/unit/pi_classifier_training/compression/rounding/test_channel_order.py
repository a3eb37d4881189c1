"""Channels in the order of their steps: the network computes the same, and packs smaller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.compression.rounding.channel_order import (
    channel_groups,
    in_order_of_steps,
    step_exponents,
)
from pi_classifier_training.compression.rounding.float_file import (
    FloatModel,
    packed_bytes,
    patched,
    read_float_model,
)
from pi_classifier_training.modelfile.writer import write_model_file

from tests.unit.pi_classifier_training.small_graphs import RELU6, SAME, Network

Array = NDArray[np.float32]
LABELS = ["daisy", "dandelion", "lily", "rose", "sunflower", "tulip"]
C = 16


def rounded(*shape: int, seed: int) -> Array:
    """Whole numbers, those of each output channel times a power of two of its own."""
    rng = np.random.default_rng(seed)
    axis = 3 if shape[0] == 1 else 0
    steps = [1] * len(shape)
    steps[axis] = -1
    powers = np.exp2(rng.integers(-6, 0, shape[axis])).reshape(steps)
    return np.asarray(rng.integers(-3, 4, shape) * powers, np.float32)


def biased(network: Network, kind: str, x: int, kernel: Array, side: int, seed: int) -> int:
    channels = kernel.shape[3 if kind == "DEPTHWISE_CONV_2D" else 0]
    bias = np.asarray(np.random.default_rng(seed).normal(size=channels), np.float32)
    inputs = x, network.constant(kernel), network.constant(bias)
    options = {"padding": SAME, "strideW": 1, "strideH": 1, "fusedActivationFunction": RELU6}
    if kind == "DEPTHWISE_CONV_2D":
        options["depthMultiplier"] = 1
    return network.operation(kind, inputs, (1, side, side, channels), **options)


def source_of(network: Network, folder: Path) -> FloatModel:
    path = folder / "float32.tflite"
    entries = {"schema_version": 1, "name": "small"}
    path.write_bytes(write_model_file(network.data(), LABELS, entries))
    return read_float_model(path)


def residual(made: Network) -> int:
    """Two blocks whose results are added, as in MobileNet v2; returns their sum."""
    x = made.input(1, 6, 6, 3)
    first = biased(made, "CONV_2D", x, rounded(C, 3, 3, 3, seed=1), 6, seed=1)
    seen = biased(made, "DEPTHWISE_CONV_2D", first, rounded(1, 3, 3, C, seed=2), 6, seed=2)
    second = biased(made, "CONV_2D", seen, rounded(C, 1, 1, C, seed=3), 6, seed=3)
    return made.operation("ADD", (first, second), (1, 6, 6, C), fusedActivationFunction=0)


def headed(made: Network, x: int) -> Network:
    axes = made.constant(np.array([1, 2], np.int32))
    mean = made.operation("MEAN", (x, axes), (1, C), keepDims=0)
    dense = made.dense(mean, rounded(6, C, seed=4), np.zeros(6))
    made.operation("SOFTMAX", (dense,), (1, 6), beta=1.0)
    return made


def scores(data: bytes) -> Array:
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()[0]
    picture = np.random.default_rng(9).normal(size=details["shape"]).astype(np.float32)
    interpreter.set_tensor(details["index"], picture)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def test_blocks_that_are_added_share_one_order_and_the_scores_stay(tmp_path: Path) -> None:
    made = Network()
    source = source_of(headed(made, residual(made)), tmp_path)
    (group,) = channel_groups(source)
    assert [len(g) for g in (group.makers, group.depthwise, group.readers)] == [2, 1, 2]
    ordered = in_order_of_steps(source, {})
    before, after = patched(source, {}), patched(source, ordered)
    assert scores(after) == pytest.approx(scores(before), abs=1e-6)
    assert scores(before).std() > 0.01
    first = source.layers[0].inputs[1]
    assert (ordered[first] != source.graph.tensors[first].values()).any()


def test_channels_of_equal_steps_lie_side_by_side_and_pack_smaller(tmp_path: Path) -> None:
    made = Network()
    x = made.input(1, 6, 6, 3)
    wide = biased(made, "CONV_2D", x, rounded(C, 3, 3, 3, seed=1), 6, seed=1)
    many = biased(made, "CONV_2D", wide, rounded(256, 3, 3, C, seed=5), 6, seed=5)
    last = biased(made, "CONV_2D", many, rounded(C, 1, 1, 256, seed=6), 6, seed=6)
    source = source_of(headed(made, last), tmp_path)
    ordered = in_order_of_steps(source, {})
    index = source.layers[1].inputs[1]
    exponents = step_exponents(ordered[index].reshape(256, -1).astype(np.float64))
    assert (np.diff(exponents) >= 0).all()
    assert np.ptp(exponents) >= 4
    saved = packed_bytes(patched(source, {})) - packed_bytes(patched(source, ordered))
    assert saved > 0.01 * len(source.data)


def flattened(made: Network, x: int) -> Network:
    shape = made.constant(np.array([1, 36 * C], np.int32))
    flat = made.operation("RESHAPE", (x, shape), (1, 36 * C))
    made.dense(flat, rounded(6, 36 * C, seed=4), np.zeros(6))
    return made


def scaled_apart(made: Network, x: int) -> Network:
    own = made.constant(np.arange(1, C + 1, dtype=np.float32))
    return headed(made, made.operation("MUL", (x, own), (1, 6, 6, C), fusedActivationFunction=0))


def averaged_over_channels(made: Network, x: int) -> Network:
    axes = made.constant(np.array([3], np.int32))
    mean = made.operation("MEAN", (x, axes), (1, 6, 6, 1), keepDims=1)
    scaled = made.operation("MUL", (x, mean), (1, 6, 6, C), fusedActivationFunction=0)
    return headed(made, scaled)


@pytest.mark.parametrize("ending", [flattened, scaled_apart, averaged_over_channels])
def test_an_order_that_somebody_else_counts_on_stays(
    ending: Callable[[Network, int], Network], tmp_path: Path
) -> None:
    made = Network()
    source = source_of(ending(made, residual(made)), tmp_path)
    assert channel_groups(source) == []
    assert in_order_of_steps(source, {}) == {}


def test_a_bias_that_two_layers_share_keeps_their_order(tmp_path: Path) -> None:
    made = Network()
    x = made.input(1, 6, 6, 3)
    shared = made.constant(np.arange(C, dtype=np.float32))
    for seed, inputs in ((1, 3), (2, C)):
        kernel = made.constant(rounded(C, 3, 3, inputs, seed=seed))
        options = {"padding": SAME, "strideW": 1, "strideH": 1}
        x = made.operation("CONV_2D", (x, kernel, shared), (1, 6, 6, C), **options)
    assert channel_groups(source_of(headed(made, x), tmp_path)) == []


@given(
    st.lists(st.sampled_from([0, 1, -3, 5, 96, 2**23 + 1]), min_size=1, max_size=5),
    st.sampled_from([-30, -7, 0, 4]),
)
def test_a_step_is_the_largest_power_of_two_of_which_all_are_multiples(
    whole: list[int], exponent: int
) -> None:
    (found,) = step_exponents(np.array([whole]) * 2.0**exponent)
    if not any(whole):
        assert found == 256
        return
    multiples = np.array(whole) * 2.0**exponent / 2.0**found
    assert (multiples == np.rint(multiples)).all()
    assert (np.rint(multiples) % 2 == 1).any()
