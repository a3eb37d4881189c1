"""Models on an accelerator: a delegate library built here, self-test, fallback, what is said."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="its schema makes the models")

from pi_classifier.errors import AcceleratorUnavailable, ConfigError, ModelError, ModelMismatch
from pi_classifier.inference import accelerator
from pi_classifier.inference.classifier import ModelClassifier, open_model
from pi_classifier.inference.interpreter import installed_runtimes
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.types import Frame
from tests.unit.pi_classifier_training.small_graphs import Network

DATA = Path(__file__).parents[1] / "data"
SOURCE = Path(__file__).parent / "delegate" / "delegate.c"
MODEL = DATA / "int8.tflite"
SIDE = 16


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("delegate") / "libaccelerator.so"
    words = ["cc", "-std=c11", "-shared", "-fPIC", "-O1", "-o", str(path), str(SOURCE)]
    subprocess.run(words, check=True)
    return path


@pytest.fixture(autouse=True)
def _not_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "_warned", set())


def settings(
    library: Path | str, options: Mapping[str, str] | None = None, **changes: object
) -> ModelSettings:
    usual = ModelSettings(
        cache_dir="", delegate=str(library), delegate_options=dict(options or {})
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def scores_of(model: ModelClassifier) -> dict[str, float]:
    noise = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    return {found.label: found.score for found in model.classify(Frame(noise, 0, 0)).categories}


@pytest.mark.parametrize("runtime", installed_runtimes())
def test_it_runs_what_the_library_leaves_to_the_processor(library: Path, runtime: str) -> None:
    plain = scores_of(open_model(MODEL, ModelSettings(cache_dir="", runtime=runtime)))
    model = open_model(MODEL, settings(library, {"claim": "nothing"}, runtime=runtime))
    assert scores_of(model) == plain
    model.close()


def test_wrong_scores_are_found_out(library: Path) -> None:
    with pytest.raises(ModelMismatch, match=r"differs by .* from the processor's") as wrong:
        open_model(MODEL, settings(library, {"claim": "all", "fill": "90"}))
    assert wrong.value.exit_code == 78
    assert str(library) in str(wrong.value)


@pytest.mark.parametrize(
    ("options", "kind", "says", "code"),
    [
        ({"fail": "create"}, AcceleratorUnavailable, "no accelerator is plugged in", 74),
        ({"fail": "prepare"}, ModelError, "without model.delegate the processor runs it", 78),
        ({"fail": "crash"}, ModelError, r"with SIGABRT when .* that is with the library", 78),
    ],
)
def test_a_library_that_fails_is_told(
    library: Path, options: Mapping[str, str], kind: type[ModelError], says: str, code: int
) -> None:
    with pytest.raises(kind, match=says) as failed:
        open_model(MODEL, settings(library, options))
    assert failed.value.exit_code == code
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("libedgetpu.so.1", "install Coral's package libedgetpu1-std"),
        ("/no/such/library.so", "install the library that came with the accelerator"),
    ],
)
def test_a_missing_library_says_what_to_install(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as missing:
        open_model(MODEL, settings(name))
    assert missing.value.exit_code == 78
    assert f"model.delegate = {name!r} cannot be loaded" in str(missing.value)


def test_a_path_from_here_is_one(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(library.parent)
    open_model(MODEL, settings(f"./{library.name}", {"claim": "nothing"})).close()
    with pytest.raises(ConfigError, match="cannot be loaded"):  # a name is looked for elsewhere
        open_model(MODEL, settings(library.name))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "library.so")
    with pytest.raises(ConfigError, match="is no file; give the path of the accelerator's"):
        open_model(MODEL, settings(tmp_path / "library.so"))


def test_another_library_is_no_delegate() -> None:
    with pytest.raises(ConfigError, match="is no TFLite delegate: it lacks tflite_plugin_create"):
        open_model(MODEL, settings("libc.so.6"))


@pytest.mark.parametrize("options", [{"fail": "create"}, {"claim": "all"}, {"fail": "prepare"}])
def test_the_processor_stands_in_where_it_is_asked_to(
    library: Path, options: Mapping[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    plain = scores_of(open_model(MODEL, ModelSettings(cache_dir="")))
    caplog.set_level(logging.WARNING)
    wanted = settings(library, options, delegate_fallback=True)
    for _ in range(2):
        assert scores_of(open_model(MODEL, wanted)) == plain
    said = [message for message in caplog.messages if "model.delegate_fallback" in message]
    assert len(said) == 1
    assert said[0].startswith("the processor runs the model, as model.delegate_fallback says: ")


def compiled(folder: Path) -> Path:
    """A model whose one operation only an Edge TPU knows."""
    network = Network()
    pixels = network.input(1, SIDE, SIDE, 3, dtype="uint8", scales=[1 / 255], zero_points=[0])
    network.operation("edgetpu-custom-op", (pixels,), (1, 3))
    path = folder / "model_edgetpu.tflite"
    path.write_bytes(network.data())
    (folder / "labels.txt").write_text("a\nb\nc\n")
    return path


def test_a_model_compiled_for_an_edge_tpu_runs_there_alone(library: Path, tmp_path: Path) -> None:
    path = compiled(tmp_path)
    labels = str(tmp_path / "labels.txt")
    plain = ModelSettings(cache_dir="", labels=labels)
    with pytest.raises(ModelMismatch, match=r"compiled for the Edge TPU.*libedgetpu\.so\.1"):
        open_model(path, plain)
    options = {"claim": "edgetpu", "fill": "0"}
    assert len(scores_of(open_model(path, settings(library, options, labels=labels)))) == 3
    missing = settings("libedgetpu.so.1", delegate_fallback=True, labels=labels)
    with pytest.raises(ConfigError, match="install Coral's package"):  # nothing can stand in
        open_model(path, missing)


def test_the_program_ends_with_one_line(library: Path, tmp_path: Path) -> None:
    options = json.dumps({"fail": "create"}).replace(":", " =")
    for name, code in (("libnone.so", 78), (str(library), 74)):
        given = {"path": MODEL, "cache_dir": "", "delegate": name, "delegate_options": options}
        words = [word for key in given for word in ("--set", f"model.{key}={given[key]}")]
        done = subprocess.run(
            [sys.executable, "-m", "pi_classifier", "config", "--check", "--no-camera", *words],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        assert done.returncode == code, done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("pi-classifier: error: model.delegate = ")


def test_options_without_a_library_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"delegate_options \(device\) .* none is named"):
        ModelSettings(delegate_options={"device": "usb"})
