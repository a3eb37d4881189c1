"""A model runs once when it is opened: what a runtime cannot do with it is said then."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="its schema makes the models")

from pi_classifier.errors import ModelError, ModelMismatch
from pi_classifier.inference.classifier import ModelClassifier, open_model
from pi_classifier.inference.interpreter import installed_runtimes
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.types import Frame
from tests.unit.pi_classifier_training.small_graphs import Network

SIDE = 8
LABELS = ("red", "green", "blue")
CACHES = ("", "CACHE")
TIMES, HALF = np.float32(1), np.float32(0.5)


def mean_color(network: Network) -> int:
    """The mean of the picture's red, green and blue, ``[1, 3]``."""
    picture = network.input(1, SIDE, SIDE, 3)
    axes = network.constant(np.array([1, 2], np.int32))
    return network.operation("MEAN", (picture, axes), (1, 3), keepDims=0)


def softmax(network: Network, x: int) -> int:
    return network.operation("SOFTMAX", (x,), (1, 3), beta=1.0)


def opened(
    folder: Path, data: bytes, cache: str, runtime: str = "auto", labels: tuple[str, ...] = LABELS
) -> ModelClassifier:
    """The model as the daemon opens it: for pixels from 0 to 1."""
    path = folder / "model.tflite"
    path.write_bytes(data)
    names = folder / "names.txt"
    names.write_text("\n".join(labels))
    settings = ModelSettings(
        path=str(path),
        labels=str(names),
        runtime=runtime,
        mean=(0.0, 0.0, 0.0),
        std=(255.0, 255.0, 255.0),
        cache_dir=str(folder / "weights") if cache else "",
    )
    return open_model(path, settings)


def scores_of(model: ModelClassifier, color: tuple[int, int, int]) -> dict[str, float]:
    frame = Frame(np.full((SIDE, SIDE, 3), color, np.uint8), 0, 0)
    return {found.label: found.score for found in model.classify(frame).categories}


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("edgetpu-custom-op", "compiled for the Edge TPU.*take the file it was compiled from"),
        ("FlexAdjustContrastv2", r"operators \(FlexAdjustContrastv2\).*only built-in operators"),
        ("MyOwnOperator", "cannot run this model.*MyOwnOperator.*only built-in operators"),
    ],
)
def test_operators_that_are_not_here(
    tmp_path: Path, kind: str, says: str, cache: str, capfd: pytest.CaptureFixture[str]
) -> None:
    network = Network()
    network.operation(kind, (mean_color(network),), (1, 3))
    with pytest.raises(ModelError, match=says) as caught:
        opened(tmp_path, network.data(), cache)
    assert caught.value.exit_code == 78
    assert str(tmp_path / "model.tflite") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""
    assert not [path for path in tmp_path.glob("weights/**/*") if path.is_file()]


@pytest.mark.parametrize("runtime", installed_runtimes())
@pytest.mark.parametrize("cache", CACHES)
def test_scores_that_are_not_numbers(tmp_path: Path, cache: str, runtime: str) -> None:
    """0 / 0 for a gray picture: the weights are sound, only running it shows it."""
    network = Network()
    color = mean_color(network)
    nothing = network.operation("SUB", (color, color), (1, 3))
    softmax(network, network.operation("DIV", (nothing, nothing), (1, 3)))
    with pytest.raises(ModelMismatch, match="not numbers for a gray picture") as caught:
        opened(tmp_path, network.data(), cache, runtime)
    assert str(tmp_path / "model.tflite") in str(caught.value)


@pytest.mark.parametrize("score", [0.0, 1 / 3])
@pytest.mark.parametrize("runtime", installed_runtimes())
@pytest.mark.parametrize("cache", CACHES)
def test_what_fails_for_some_pictures_only(
    tmp_path: Path, cache: str, runtime: str, score: float
) -> None:
    """Pixels look rows up in a table that has none for the bright ones.

    Thirds may be probabilities: whether they are is found out with pictures of several colors.
    """
    network = Network()
    picture = network.input(1, SIDE, SIDE, 3)
    levels = network.operation(
        "MUL", (picture, network.constant(np.float32(255))), (1, SIDE, SIDE, 3)
    )
    rows = network.operation(
        "CAST",
        (levels,),
        network.tensor("rows", (1, SIDE, SIDE, 3), "int32"),
        inDataType=0,
        outDataType=2,
    )
    table = network.constant(np.full((200, 3), score, np.float32))
    found = network.operation("GATHER", (table, rows), (1, SIDE, SIDE, 3, 3))
    network.operation("MEAN", (found, network.constant(np.array([1, 2, 3], np.int32))), (1, 3))
    with pytest.raises(
        ModelError, match=r"failed.*for some pictures; the file is damaged"
    ) as caught:
        opened(tmp_path, network.data(), cache, runtime)
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("at", [0, 4, 8])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_weights_that_are_not_numbers(tmp_path: Path, at: int, dtype: str) -> None:
    """A ReLU makes zeros of them: the scores are numbers, and always the same."""
    weights = np.eye(3).astype(dtype)
    weights.flat[at] = np.nan
    network = Network()
    color = mean_color(network)
    network.constant(weights, "net/head/kernel")
    softmax(network, color)
    with pytest.raises(ModelMismatch, match="'net/head/kernel' hold values that are not numbers"):
        opened(tmp_path, network.data(), "")


def test_infinite_weights_are_not_refused(tmp_path: Path) -> None:
    """Padding for a maximum is minus infinity."""
    network = Network()
    color = mean_color(network)
    network.constant(np.full(3, -np.inf, np.float32))
    softmax(network, color)
    assert scores_of(opened(tmp_path, network.data(), ""), (255, 0, 0))["red"] > 0.5


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 1, 8, 3), (1, 224, 224, 3)])
def test_open_sizes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    signature = (-1, -1 if shape[1] != 8 else 8, -1, 3)
    network = Network()
    picture = network.input(*shape, signature=signature)
    axes = network.constant(np.array([1, 2], np.int32))
    softmax(network, network.operation("MEAN", (picture, axes), (1, 3), keepDims=0))
    with pytest.raises(ModelMismatch, match=r"pictures of any size.*convert it with that size"):
        opened(tmp_path, network.data(), "")


def test_an_open_number_of_pictures_is_none_of_the_matter(tmp_path: Path) -> None:
    network = Network()
    picture = network.input(1, SIDE, SIDE, 3, signature=(-1, SIDE, SIDE, 3))
    axes = network.constant(np.array([1, 2], np.int32))
    softmax(network, network.operation("MEAN", (picture, axes), (1, 3), keepDims=0))
    assert scores_of(opened(tmp_path, network.data(), ""), (0, 255, 0))["green"] > 0.5


@pytest.mark.parametrize("cache", CACHES)
def test_a_signature_of_other_tensors(
    tmp_path: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As in quantized Teachable Machine exports: CompiledModel refuses it, Interpreter runs it."""
    network = Network()
    color = mean_color(network)
    softmax(network, color)
    with caplog.at_level(logging.DEBUG):
        model = opened(tmp_path, network.data(signature=(color, color)), cache)
    assert scores_of(model, (0, 0, 255))["blue"] > 0.5
    assert model.runtime in installed_runtimes()  # without mapped weights
    assert [r for r in caplog.records if r.levelno > logging.INFO] == []


@pytest.mark.parametrize("cache", CACHES)
def test_one_output_of_yes_or_no(tmp_path: Path, cache: str) -> None:
    """A logit: 10 for red, -10 for blue."""
    network = Network()
    network.dense(mean_color(network), [[10.0, 0.0, -10.0]], [0.0])
    model = opened(tmp_path, network.data(), cache, labels=("red",))
    assert scores_of(model, (255, 0, 0))["red"] == pytest.approx(1, abs=1e-4)
    assert scores_of(model, (0, 0, 255))["red"] == pytest.approx(0, abs=1e-4)
    both = opened(tmp_path, network.data(), cache, labels=("blue", "red"))
    assert scores_of(both, (0, 0, 255)) == pytest.approx({"blue": 1, "red": 0}, abs=1e-4)
    assert scores_of(both, (9, 9, 9)) == pytest.approx({"blue": 0.5, "red": 0.5}, abs=1e-4)


def test_one_output_behind_a_softmax_says_nothing(tmp_path: Path) -> None:
    network = Network()
    x = network.dense(mean_color(network), [[10.0, 0.0, -10.0]], [0.0])
    network.operation("SOFTMAX", (x,), (1, 1), beta=1.0)
    with pytest.raises(ModelMismatch, match="makes 1 of everything; train it with a sigmoid"):
        opened(tmp_path, network.data(), "", labels=("red",))


def test_probabilities_are_not_put_through_a_softmax_again(tmp_path: Path) -> None:
    """The mean of two networks' scores ends in an addition."""
    network = Network()
    color = mean_color(network)
    halves = [
        network.operation("MUL", (softmax(network, scaled), network.constant(HALF)), (1, 3))
        for scaled in (
            network.operation("MUL", (color, network.constant(TIMES * 20)), (1, 3)),
            network.operation("MUL", (color, network.constant(TIMES * 30)), (1, 3)),
        )
    ]
    network.operation("ADD", halves, (1, 3))
    scores = scores_of(opened(tmp_path, network.data(), ""), (255, 0, 0))
    assert scores == pytest.approx({"red": 1, "green": 0, "blue": 0}, abs=1e-4)
