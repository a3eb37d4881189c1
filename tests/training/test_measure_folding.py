"""What folding batch norms brings is measured on files that do the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.conversion.unoptimized import convert_unoptimized
from pi_classifier_training.data.dataset import Images
from pi_classifier_training.errors import ParityError
from pi_classifier_training.export.folding_gain import FoldingOptions, measure_folding
from pi_classifier_training.networks.network import Network, NetworkSpec
from pi_classifier_training.retraining.run_folder import RunFolder

from pi_classifier.modelfile.model_graph import read_model_graph


def test_the_command_shows_fewer_operations_and_equal_scores(
    run: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["measure-folding", str(run), "--image-dir", str(photos), "--rounds", "3"]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    before, after = result["before"]["operations"], result["after"]["operations"]
    # One factor and one offset for each of 27 norms, and those of the first layer.
    assert (before["MUL"], before["ADD"]) == (28, 28)
    assert (after["MUL"], after["ADD"]) == (1, 1)
    others = before.keys() - {"MUL", "ADD"}
    assert {k: before[k] for k in others} == {k: after[k] for k in others}
    assert result["after"]["size_bytes"] == (run / "float32.tflite").stat().st_size
    assert result["largest_difference"] < 1e-5
    assert result["training_nodes"] > result["training_only_nodes"] > 27
    assert result["photos"] > 10
    assert result["rounds"] == 3
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "operations                          86            32" in text
    assert "equal to five decimals" in text


def test_a_file_of_another_training_is_found_out(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    network = RunFolder(other).load()
    kernel = network.head.weights[0]
    kernel.assign(kernel * 1.01)
    RunFolder(other).save(network, RunFolder(other).summary())
    code = main(["measure-folding", str(other), "--image-dir", str(photos), "--rounds", "1"])
    assert code == ParityError.exit_code
    assert "made from another training" in capsys.readouterr().err


def test_without_a_delivered_file_one_is_converted() -> None:
    network = Network(NetworkSpec(resolution=96), ["a", "b"])
    rng = np.random.default_rng(1)
    # Norms that do something: fresh ones are all 0 and 1.
    weights = network.backbone.get_weights()
    network.backbone.set_weights([w + rng.uniform(-0.1, 0.1, w.shape) for w in weights])
    pixels = rng.integers(0, 256, (2, 96, 96, 3)).astype(np.uint8)
    photos = Images((), pixels, np.zeros(2, np.int64), np.ones(2, np.float32), ())
    result = measure_folding(network, photos, FoldingOptions(rounds=2))
    assert sum(result.after.operations.values()) == 32
    assert result.photos == 2


def test_the_unoptimized_file_takes_one_image_and_holds_the_rest() -> None:
    network = Network(NetworkSpec(resolution=96), ["a", "b"])
    graph = read_model_graph(convert_unoptimized(network))
    assert [graph.tensors[i].shape for i in graph.inputs] == [(1, 96, 96, 3)]
    constants = [
        {graph.tensors[i].elements for i in operation.inputs if graph.tensors[i].constant}
        for operation in graph.operations
        if operation.kind in ("MUL", "ADD")
    ]
    # The first layer's two numbers, then a factor and an offset for each channel.
    assert constants[:6] == [{1}, {1}, {8}, {8}, {8}, {8}]
    assert constants[-1] == {256}
