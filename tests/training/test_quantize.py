"""Smaller files for real: from a trained run, by the command, through the daemon's classifier."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.cli import main
from pi_classifier_training.compression.layer_errors import LARGEST_DB, layer_errors
from pi_classifier_training.compression.quantization import training_squares
from pi_classifier_training.compression.quantization_aware import AwareOptions, train_aware
from pi_classifier_training.compression.simulation import Simulation, logits_of
from pi_classifier_training.conversion.bias_correction import full_integer
from pi_classifier_training.conversion.converter import to_tflite
from pi_classifier_training.conversion.execution import WEIGHTED
from pi_classifier_training.conversion.full_integer import (
    FullInteger,
    fake_quantized,
    rounded_weights,
)
from pi_classifier_training.data.dataset import Images, decode, labels_of, scan, squeeze
from pi_classifier_training.errors import ExportError
from pi_classifier_training.export.run_export import open_run
from pi_classifier_training.export.source import calibration_photos, drawn_photos
from pi_classifier_training.modelfile.writer import write_model_file
from pi_classifier_training.networks import layers as steps
from PIL import Image

from pi_classifier.inference.classifier import open_model
from pi_classifier.inference.interpreter import installed_runtimes
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.modelfile.model_graph import ModelGraph, Tensor, read_model_graph

SIDE = 96


@pytest.fixture(scope="module")
def copy(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(run, tmp_path_factory.mktemp("quantize") / "discs"))


@pytest.fixture(scope="module")
def original(run: Path) -> bytes:
    return (run / "float32.tflite").read_bytes()


@pytest.fixture(scope="module")
def graph(original: bytes) -> ModelGraph:
    return read_model_graph(original)


@pytest.fixture(scope="module")
def calibration(run: Path, photos: Path) -> Images:
    return calibration_photos(open_run(run, [photos]))


@pytest.fixture(scope="module")
def rounded(graph: ModelGraph, calibration: Images) -> FullInteger:
    return full_integer(graph, calibration.pixels[:30])


@pytest.fixture(scope="module")
def validation(run: Path, photos: Path) -> Images:
    return drawn_photos(open_run(run, [photos]), "validation", 5)


def quantized(copy: Path, photos: Path, capsys: Any, mode: str, *options: str) -> dict[str, Any]:
    arguments = [str(copy), "--mode", mode, "--image-dir", str(photos), "--json", *options]
    assert main(["quantize", *arguments]) == 0
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    return record


def require_all_runtimes_agree(model: Path, original: Path, photos: Path) -> None:
    pixels = [np.asarray(Image.open(p.path).resize((SIDE, SIDE))) for p in scan([photos])[::20]]

    def scores(path: Path, runtime: str) -> NDArray[np.float32]:
        settings = ModelSettings(cache_dir="", runtime=runtime)
        with contextlib.closing(open_model(path, settings)) as classifier:
            return np.stack([classifier.raw_scores(image).copy() for image in pixels])

    for runtime in installed_runtimes():
        off = np.abs(scores(model, runtime) - scores(original, runtime))
        assert off.mean() < 0.05, runtime


# What a kind takes of the float file's bytes at most, and the type of its input.
SIZES = {"dynamic": (0.45, "float32"), "float16": (0.6, "float32"), "int8": (0.45, "uint8")}


@pytest.mark.parametrize("mode", SIZES)
def test_every_kind_runs_in_the_daemon_and_says_what_it_costs(
    copy: Path, photos: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    record = quantized(copy, photos, capsys, mode)
    model = read_model_file(copy / f"{mode}.tflite")
    share, dtype = SIZES[mode]
    assert record["size_bytes"] == model.path.stat().st_size < share * record["float_bytes"]
    assert model.input.dtype == dtype
    assert model.manifest.details["kind"] == mode
    test = record["splits"]["test"]
    assert test["n"] == sum(p.split == "test" for p in scan([photos]))
    # Chance is a third; wrong ranges, channels or a wrong normalization fall to it.
    assert test["after"]["top1"] >= 0.9
    lost, won = test["test"]["only_first_right"], test["test"]["only_this_right"]
    assert (won - lost) / test["n"] == pytest.approx(
        test["after"]["top1"] - test["before"]["top1"]
    )
    require_all_runtimes_agree(model.path, copy / "float32.tflite", photos)
    stored = json.loads((copy / "run.json").read_text())["evaluation"][mode]
    assert stored["top1"] == model.manifest.details["evaluation"]["top1"]
    assert stored["top1"] == test["after"]["top1"]


def results(model: bytes) -> list[Tensor]:
    graph = read_model_graph(model)
    outputs = [o.outputs[0] for o in graph.operations if o.kind != "QUANTIZE"]
    return [graph.tensors[i] for i in outputs]


def test_the_files_ranges_are_the_chosen_ones(rounded: FullInteger) -> None:
    """Scales and zero points in the file are those of the simulation, to the last bit."""
    tensors = results(rounded.write("discs"))
    assert len(tensors) == len(rounded.graph.operations)
    for operation, tensor in zip(rounded.graph.operations, tensors, strict=True):
        limits = rounded.ranges.get(operation.outputs[0])
        if limits is None:
            assert operation.kind == "SOFTMAX"
            continue
        steps = (np.arange(-128, 128) - tensor.zero_points[0]) * np.float32(tensor.scales[0])
        np.testing.assert_allclose(fake_quantized(steps, limits), steps, atol=1e-6)


def test_normalization_in_the_file_loses_no_pixel_value(rounded: FullInteger) -> None:
    first, second = results(rounded.write("discs"))[:2]
    # The converter's own calibration takes −1 … 2 here and merges every third pair of values.
    assert first.scales[0] == second.scales[0] == pytest.approx(2 / 255)


def test_corrected_biases_keep_the_mean_of_what_the_network_says(
    graph: ModelGraph, rounded: FullInteger, calibration: Images
) -> None:
    weighted = {o.inputs[1]: o for o in graph.operations if o.kind in WEIGHTED}
    pixels = calibration.pixels[:30].astype(np.float32)

    def mean_logits(network: FullInteger) -> NDArray[np.float32]:
        def constant(index: int) -> Any:
            value = network.constant(index)
            return rounded_weights(weighted[index], value) if index in weighted else value

        def passing(index: int, result: Any) -> Any:
            limits = network.ranges.get(index)
            return result if limits is None else fake_quantized(result, limits)

        logits = logits_of(graph, pixels, constant, passing)
        mean: NDArray[np.float32] = np.asarray(logits).mean(axis=0)
        return mean

    exact = np.asarray(logits_of(graph, pixels, lambda i: graph.tensors[i].values())).mean(axis=0)
    plain = FullInteger(graph, {}, rounded.ranges)
    off = [np.abs(mean_logits(network) - exact).mean() for network in (plain, rounded)]
    assert off[1] < off[0] / 2


def test_layers_are_named_and_measured(
    original: bytes, graph: ModelGraph, rounded: FullInteger, validation: Images
) -> None:
    errors = layer_errors(original, rounded.write("discs"), validation.pixels[:4])
    assert [e.kind for e in errors] == [o.kind for o in graph.operations]
    names = [e.name for e in errors]
    assert names[2:5] == ["conv1", "block1_depthwise", "block1_pointwise"]
    assert names[-2:] == ["logits", "scores"]
    assert all(5 < e.sqnr_db <= LARGEST_DB for e in errors)
    assert all(e.alone is not None and 0 <= e.alone < 0.2 for e in errors)


def test_a_file_has_no_error_against_itself(original: bytes, validation: Images) -> None:
    same = layer_errors(original, original, validation.pixels[:2])
    assert {(e.sqnr_db, e.alone) for e in same} == {(LARGEST_DB, 0.0)}


def test_a_damaged_layer_is_the_one_that_hurts(
    original: bytes, graph: ModelGraph, rounded: FullInteger, validation: Images
) -> None:
    victim = next(o for o in graph.operations if o.kind == "FULLY_CONNECTED").inputs[1]
    weights = np.zeros_like(rounded.constant(victim))
    weights[0, 0] = 1.0
    broken = FullInteger(graph, {**rounded.constants, victim: weights}, rounded.ranges)
    errors = layer_errors(original, broken.write("discs"), validation.pixels[:2])
    assert max(errors, key=lambda e: e.alone or 0.0).name == "logits"


def test_files_of_different_networks_are_not_compared(original: bytes, validation: Images) -> None:
    import tensorflow as tf

    other = to_tflite(lambda x: tf.nn.softmax(tf.reduce_mean(x, (1, 2))), SIDE, "means")
    with pytest.raises(ExportError, match="not of the same network"):
        layer_errors(original, other, validation.pixels)


def squares_of(photos: Path) -> Images:
    training = [p for p in scan([photos]) if p.split == "training"][::12]
    return decode(training, labels_of(training), squeeze(120), 120)


def test_training_moves_weights_and_ranges_and_keeps_the_best(
    rounded: FullInteger, photos: Path, validation: Images
) -> None:
    options = AwareOptions(epochs=2, rate=1e-3, batch=6)
    # A start with spoilt biases of the labels leaves training something to do.
    graph = rounded.graph
    last = next(o for o in graph.operations if o.kind == "FULLY_CONNECTED").inputs[2]
    biases = np.asarray(graph.tensors[last].values(), np.float32)
    spoilt = biases + np.array([2, -2, 0], np.float32)
    start = FullInteger(graph, {last: spoilt}, rounded.ranges)
    trained = train_aware(start, squares_of(photos), validation.pixels, options)
    assert len(trained.losses) == 3
    assert trained.losses[trained.chosen] == min(trained.losses)
    assert trained.chosen > 0
    weights = next(i for i in trained.result.constants if i not in rounded.constants)
    moved = np.abs(trained.result.constant(weights) - rounded.constant(weights)).max()
    assert moved > 1e-6  # more than scaling to units and back does
    assert trained.result.ranges != rounded.ranges
    pixels = rounded.graph.operations[0].outputs[0]
    assert trained.result.ranges[pixels] == rounded.ranges[pixels]


def test_a_hopeless_rate_leaves_the_start(
    rounded: FullInteger, photos: Path, validation: Images
) -> None:
    options = AwareOptions(epochs=1, rate=10.0, batch=16)
    trained = train_aware(rounded, squares_of(photos), validation.pixels, options)
    assert trained.chosen == 0
    assert trained.result is rounded


def every_step(side: int) -> Any:
    """A small network with what the families have: gates, swishes, sums and pooled branches."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = keras.Input((side, side, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = before = steps.convolution(x, 8, 3, 2, name="first", activation=steps.hard_swish)
    x = steps.convolution(x, 24, name="expand", activation=steps.swish)
    x = steps.depthwise(x, 5, 1, name="inside", activation=steps.relu6)
    x = steps.squeeze_excite(x, 8, name="hard", activation=steps.relu, gate=steps.hard_sigmoid)
    x = steps.squeeze_excite(x, 8, name="soft", activation=steps.swish, gate=steps.sigmoid)
    x = steps.residual(steps.convolution(x, 8, name="project"), before, name="block")
    around = [pool(3, 1, "same")(x) for pool in (layers.AveragePooling2D, layers.MaxPooling2D)]
    x = layers.GlobalAveragePooling2D()(layers.Concatenate()([x, *around]))
    return keras.Model(image, layers.Softmax()(layers.Dense(4)(x)))


def test_of_every_familys_steps_the_simulation_is_the_file(tmp_path: Path) -> None:
    import tensorflow as tf

    side, rng = 32, np.random.default_rng(5)
    model, pixels = every_step(side), rng.integers(0, 256, (40, side, side, 3), np.uint8)
    pixels[::2] //= rng.integers(2, 9, (20, 1, 1, 3), np.uint8)  # a color of its own
    model.layers[-2].set_weights([6 * w for w in model.layers[-2].get_weights()])
    model(pixels.astype(np.float32), training=True)
    graph = read_model_graph(to_tflite(lambda x: model(x, training=False), side, "steps"))
    kinds = {operation.kind for operation in graph.operations}
    assert kinds >= {"HARD_SWISH", "LOGISTIC", "MUL", "ADD", "AVERAGE_POOL_2D", "CONCATENATION"}
    start = full_integer(graph, pixels)
    simulation, path = Simulation(start), tmp_path / "steps.tflite"
    with tf.GradientTape() as tape:
        logits = simulation.logits(pixels.astype(np.float32))
        total = tf.reduce_sum(tf.square(logits))
    groups = [variables for variables, _ in simulation.variable_groups()]
    # A range hears only from results outside of it, and not every layer has any.
    for gradients, of_group in zip(tape.gradient(total, groups), (all, all, any), strict=True):
        assert all(np.isfinite(g.numpy()).all() for g in gradients)
        assert of_group(np.abs(g.numpy()).max() > 0 for g in gradients)
    path.write_bytes(write_model_file(start.write("steps"), list("abcd"), {"name": "steps"}))
    simulated = tf.nn.softmax(logits).numpy()
    assert np.ptp(simulated, axis=0).max() > 0.1
    for runtime in installed_runtimes():
        settings = ModelSettings(cache_dir="", runtime=runtime)
        with contextlib.closing(open_model(path, settings)) as classifier:
            delivered = np.stack([classifier.raw_scores(p).copy() for p in pixels])
        assert np.abs(delivered - simulated).mean() < 0.01, runtime


def test_training_on_some_photos_draws_as_many_of_every_label(run: Path, photos: Path) -> None:
    options = AwareOptions(per_label=2)
    squares = training_squares(open_run(run, [photos]), options)
    assert np.bincount(squares.indices).tolist() == [2, 2, 2]
