"""What was imported goes on like a run: quantized, exported, measured and reported."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.conversion.bias_correction import full_integer
from pi_classifier_training.conversion.converter import to_tflite
from pi_classifier_training.errors import ExportError
from pi_classifier_training.export.export import TRIAL
from pi_classifier_training.export.parity import require_parity
from pi_classifier_training.export.source import FloatModelFile
from pi_classifier_training.inspection.weights import model_kind
from pi_classifier_training.modelfile.writer import write_model_file

from pi_classifier.inference.classifier import open_model, open_model_bytes
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.modelfile.model_graph import read_model_graph
from pi_classifier.modelfile.tflite_metadata import Normalization

from .foreign import LABELS, SIDE, TeachableNet, values, write_labels, write_poets_graph

FLOAT = "colors.tflite"


@pytest.fixture(scope="module")
def colors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Poets graph, imported, that tells the discs by the color that their mean lacks."""
    folder = tmp_path_factory.mktemp("poets")
    write_poets_graph(folder / "retrained_graph.pb", kernel=-2 * np.eye(3, dtype=np.float32))
    write_labels(folder, "retrained_labels.txt", numbered=False)
    model = folder / FLOAT
    arguments = ["import", str(folder / "retrained_graph.pb"), "-o", str(model), "--author", "me"]
    assert main(arguments) == 0
    return model


@pytest.fixture(scope="module")
def quantized(colors: Path, photos: Path) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("builtins.print", lambda text, **_: said.append(text))
        assert main(["quantize", str(colors), "--image-dir", str(photos), "--json"]) == 0
    record: dict[str, Any] = json.loads(said[-1])
    return record


def test_a_poets_graph_becomes_full_integer(
    colors: Path, quantized: dict[str, Any], photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = colors.with_name("colors-int8.tflite")
    assert quantized["file"] == str(written)
    assert quantized["operations_in_floats"] == []
    for split in quantized["splits"].values():
        assert split["before"]["top1"] > 0.9
        assert split["after"]["top1"] == pytest.approx(split["before"]["top1"], abs=0.06)
    before, after = read_model_file(colors), read_model_file(written)
    assert (after.input.dtype, after.input.scale, after.input.zero_point) == ("uint8", 1.0, 0)
    assert (after.labels, after.name) == (before.labels, before.name)
    assert after.manifest.resize == before.manifest.resize == "stretch"
    assert after.metadata is not None
    assert after.metadata.author == "me"
    details = after.manifest.details
    assert details["imported"] == before.manifest.details["imported"]
    assert "evaluation" not in details  # nobody knows which photos it was trained on
    capsys.readouterr()
    assert main(["evaluate", str(written), "--image-dir", str(photos), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["top1"] == quantized["splits"]["test"]["after"]["top1"]


@pytest.mark.parametrize("kind", ["float16", "dynamic", "float32"])
def test_other_kinds_are_exported(
    kind: str, colors: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", str(colors), "--image-dir", str(photos), "--kind", kind]
    assert main([*arguments, "--name", "mine"]) == 0
    assert "of held-out photos right, if it was not trained on them" in capsys.readouterr().out
    written = read_model_file(colors.with_name(f"colors-{kind}.tflite"))
    assert (written.name, written.manifest.details["author"]) == ("mine", "me")
    assert main([*arguments, "-o", str(colors)]) == 78
    assert "is the float file itself" in capsys.readouterr().err
    # What is float goes on, from its own normalization or from raw pixels.
    if kind != "dynamic":
        again = FloatModelFile.opened(written.path, [photos]).network
        pixels = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
        first = FloatModelFile.opened(colors, [photos]).network.scoring()
        assert np.allclose(first(pixels), again.scoring()(pixels), atol=5e-3)


def test_a_report_names_the_model_and_what_is_not_known(
    colors: Path, quantized: dict[str, Any], photos: Path
) -> None:
    arguments = ["report", str(colors), "--image-dir", str(photos)]
    assert main(arguments) == 0
    page = colors.with_name("colors-report.html").read_text()
    assert "colors-int8.tflite" in page
    assert quantized["kind"] == "int8"
    assert "retrained_graph.pb" in page
    assert "Whether the model was trained on them elsewhere is not known" in page
    assert "does not come with the training it is from" in page


def test_what_cannot_be_quantized_is_said_in_one_sentence(
    colors: Path, quantized: dict[str, Any], photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--image-dir", str(photos)]
    assert main(["quantize", quantized["file"], *data]) == 78
    assert "is quantized already (int8)" in capsys.readouterr().err
    net = TeachableNet().write_h5(colors.parent)
    assert main(["quantize", str(net), *data]) == 78
    assert "pi-classifier-train import" in capsys.readouterr().err
    assert main(["quantize", str(colors.with_name("retrained_graph.pb")), *data]) == 78
    assert "pi-classifier-train import" in capsys.readouterr().err
    assert main(["measure-folding", str(colors), *data]) == 78
    assert "nothing of them is left to measure" in capsys.readouterr().err


def test_a_teachable_machine_network_loses_little(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Convolutions, depthwise ones, a residual: all in 8 bits, also trained for it."""
    TeachableNet().write_h5(tmp_path)
    model = tmp_path / "net.tflite"
    assert main(["import", str(tmp_path / "keras_model.h5"), "-o", str(model)]) == 0
    for mode in ("int8", "qat"):
        capsys.readouterr()
        arguments = ["--image-dir", str(photos), "--mode", mode, "--layers", "--json"]
        assert main(["quantize", str(model), *arguments]) == 0
        record = json.loads(capsys.readouterr().out)
        # Untrained, it is right by chance only; it must be so on the same photos.
        test = record["splits"]["test"]
        assert test["test"]["only_first_right"] + test["test"]["only_this_right"] <= 2
        assert min(layer["sqnr_db"] for layer in record["layers"]) > 15
        assert model_kind(read_model_graph(Path(record["file"]).read_bytes())) == "int8"


def many_operations(x: Any) -> Any:
    """What networks of other families are made of, YOLO's and transformers' among them."""
    import tensorflow as tf

    x = tf.nn.conv2d(x, values((3, 3, 3, 16), 1), 2, "SAME")
    left, right = tf.split(x * tf.sigmoid(x), 2, -1)
    left, right = tf.nn.leaky_relu(left, 0.1), tf.tanh(right)
    both = tf.maximum(left, right)
    x = tf.concat([left, right, tf.nn.relu(both) - 0.2 * tf.nn.relu(-both)], -1)
    x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
    x = tf.nn.elu(tf.nn.conv2d(x, values((3, 3, 24, 16), 2) / 4, 2, "VALID"))
    tokens = tf.reshape(tf.nn.gelu(x), (1, -1, 16))
    attention = tf.nn.softmax(tf.matmul(tokens, tf.transpose(tokens, (0, 2, 1))))
    x = x[:, 1:7, ::2] + tf.reshape(tf.matmul(attention, tokens), x.shape)[:, 1:7, ::2]
    x = tf.reduce_max(tf.image.resize(x, (16, 16)), (1, 2), keepdims=True)
    x = tf.math.l2_normalize(tf.squeeze(x, [1, 2]), -1)
    return tf.nn.softmax(tf.matmul(x, values((16, 3), 3) * 8))


def test_operations_of_other_families_are_computed_as_the_runtime_does(tmp_path: Path) -> None:
    model, bare = tmp_path / "many.tflite", to_tflite(many_operations, SIDE, "many")
    scaled = Normalization((0.0,), (255.0,))
    model.write_bytes(write_model_file(bare, LABELS, {"name": "many"}, scaled))
    network = FloatModelFile.opened(model, []).network
    tiles = np.random.default_rng(1).integers(0, 256, (24, 4, 4, 3), np.uint8)
    photos = tiles.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)
    with closing(open_model(model, ModelSettings(cache_dir=""))) as classifier:
        expected = np.stack([classifier.raw_scores(photo).copy() for photo in photos])
        require_parity(classifier, network, photos, "float32")
    assert np.ptp(expected, axis=0).max() > 0.05
    raw = read_model_graph(to_tflite(network.scoring(), SIDE, "raw"))
    whole = write_model_file(full_integer(raw, photos).write("many"), LABELS, {"name": "many"})
    with closing(open_model_bytes(whole, "many", TRIAL)) as classifier:
        found = np.stack([classifier.raw_scores(photo).copy() for photo in photos])
    assert np.abs(found - expected).max() < 0.05


def test_blue_first_is_put_into_the_network(tmp_path: Path) -> None:
    import tensorflow as tf

    bare = to_tflite(lambda x: tf.nn.softmax(tf.reduce_mean(x, (1, 2)) / 64), SIDE, "means")
    model, contents = tmp_path / "means.tflite", {"name": "means", "input": {"channels": "BGR"}}
    normalization = Normalization((10.0, 20.0, 30.0), (1.0, 2.0, 3.0))
    model.write_bytes(write_model_file(bare, LABELS, contents, normalization))
    pixels = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)
    with closing(open_model(model, ModelSettings(cache_dir=""))) as classifier:
        assert classifier.model.channels == "bgr"
        require_parity(classifier, FloatModelFile.opened(model, []).network, pixels, "float32")


def test_an_operation_that_is_not_known_is_named(tmp_path: Path) -> None:
    import tensorflow as tf

    bare = to_tflite(lambda x: tf.math.cumsum(tf.reduce_mean(x, (1, 2)), 1), SIDE, "sums")
    model = tmp_path / "sums.tflite"
    model.write_bytes(write_model_file(bare, LABELS, {"name": "sums"}))
    with pytest.raises(ExportError, match="has an operation CUMSUM, which cannot be computed"):
        FloatModelFile.opened(model, [])
