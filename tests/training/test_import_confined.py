"""Hostile models: refused by what is allowed, and harmless even where nothing is refused."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.errors import ExportError, TrainingError
from pi_classifier_training.importing import confined, confined_child
from pi_classifier_training.importing.confined import read_confined
from pi_classifier_training.importing.sources import Choices, Recognized, opened, read_original
from pi_classifier_training.networks.published import load_weights
from pi_classifier_training.networks.spec import NetworkSpec

from .foreign import SIDE, TeachableNet, keras_net, write_labels, zipped
from .hostile import (
    LAYERS,
    hostile_net,
    write_initialized_model,
    write_keras,
    write_linked_h5,
    write_stealing_graph,
    write_stealing_module,
    write_table_module,
)

ROOT = Path(__file__).resolve().parents[2]
WORDS = "what only the user may read"
LINKS = ("external link", "soft link", "external data", "virtual dataset")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each kind, a secret, and an empty folder to write to."""
    folder = tmp_path_factory.mktemp("hostile")
    secret = folder / "secret.txt"
    secret.write_text(WORDS)
    stolen = folder / "stolen"
    write_stealing_module(folder / "stealing", stolen / "module", secret)
    write_table_module(folder / "table", secret)
    write_initialized_model(folder / "initialized", stolen / "initializer")
    write_stealing_graph(folder / "stealing.pb", stolen / "graph", secret)
    for kind in LINKS:
        write_linked_h5(folder / f"{kind}.h5", secret, kind)
    stolen.mkdir()
    return folder


def refusal(path: Path) -> str:
    with opened(path) as recognized, pytest.raises(ExportError) as caught:
        read_original(recognized, Choices())
    return str(caught.value)


class TestAllowed:
    @pytest.mark.parametrize("kind", LAYERS)
    def test_layers(self, kind: str, tmp_path: Path) -> None:
        net = hostile_net(LAYERS[kind])
        net.write_h5(tmp_path)
        net.write_tensorflowjs(tmp_path)
        archive = write_keras(tmp_path / "net.keras", LAYERS[kind])
        for path in (tmp_path / "keras_model.h5", tmp_path / "model.json", archive):
            said = refusal(path)
            assert said.startswith(f"{path}: has ")
            assert "which is refused" in said
            assert "export" in said.lower()
            assert len(said) < 500

    def test_a_compiled_network_is_read_without_its_training(self, tmp_path: Path) -> None:
        net = keras_net()
        net.compile("adam", "mse", metrics=["accuracy"])
        net.save(tmp_path / "net.keras")
        with opened(tmp_path / "net.keras") as recognized:
            assert read_original(recognized, Choices()).takes_raw_pixels

    @pytest.mark.parametrize("kind", LINKS)
    def test_weights_in_other_files(self, kind: str, models: Path) -> None:
        said = refusal(models / f"{kind}.h5")
        assert "'bias:0' is " in said
        assert "which is refused" in said

    def test_weights_to_go_on_from(self, models: Path) -> None:
        path = models / "external data.h5"
        backbone: Any = SimpleNamespace(set_weights=list)
        with pytest.raises(TrainingError, match="'bias:0' is data in another file"):
            load_weights(backbone, NetworkSpec("mobilenet_v1", 0.25, 128), str(path))

    @pytest.mark.parametrize("name", ["stealing", "stealing.pb"])
    def test_operations(self, name: str, models: Path) -> None:
        said = refusal(models / name)
        assert "the operations ReadFile, WriteFile, which are refused" in said
        assert not list((models / "stolen").iterdir())

    def test_a_table_of_a_saved_model(self, models: Path) -> None:
        said = refusal(models / "table")
        assert "which is refused" in said or "which are refused" in said

    def test_an_initializer_is_left_out(self, models: Path) -> None:
        with opened(models / "initialized") as recognized:
            original = read_original(recognized, Choices())
        scores = original.run(np.zeros((1, SIDE, SIDE, 3), np.float32))
        assert scores.tolist() == pytest.approx([1 / 3] * 3)
        assert not list((models / "stolen").iterdir())

    def test_a_graph_model_of_tensorflow_js(self, tmp_path: Path) -> None:
        path = tmp_path / "model.json"
        path.write_text(json.dumps({
            "format": "graph-model", "weightsManifest": [],
            "modelTopology": {"node": [{"name": "w", "op": "WriteFile"}]},
        }))  # fmt: skip
        assert "graph model, not a layers model" in refusal(path)


@pytest.fixture
def served(models: Path) -> Iterator[int]:
    """Sockets that wait for a connection, and a file to delete."""
    (models / "to delete").touch()
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as local:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        place = os.open(models, os.O_PATH)
        local.bind(f"/proc/self/fd/{place}/socket")
        local.listen()
        yield int(tcp.getsockname()[1])
        os.close(place)
        (models / "socket").unlink()


class TestConfined:
    """The frameworks' own loaders in a confined child, without any allow list."""

    def outcomes(self, models: Path, port: int, folder: Path, *, trusted: bool) -> dict[str, str]:
        granted = ["initialized", "stealing", "stealing.pb", "external link.h5",
                   "external data.h5"]  # fmt: skip
        request = {
            "files": [str(models / name) for name in granted],
            "folder": str(folder), "trusted": trusted, "recognized": {"format": "keras"},
            "models": str(models), "port": port,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "tests.training.unchecked_child"],
            input=json.dumps(request).encode(),
            env={**confined._environment(str(folder)), "PYTHONPATH": paths()},
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        results: dict[str, str] = json.loads(done.stdout)
        return results

    def test_nothing_is_written_read_or_reached(
        self, models: Path, served: int, tmp_path: Path
    ) -> None:
        results = self.outcomes(models, served, tmp_path, trusted=False)
        assert len(results) == 19
        assert {name: words for name, words in results.items() if words} == {}
        assert not list((models / "stolen").iterdir())
        assert (models / "secret.txt").read_text() == WORDS

    def test_without_confinement_all_of_it_happens(
        self, models: Path, served: int, tmp_path: Path
    ) -> None:
        """Else the test above would show nothing."""
        results = self.outcomes(models, served, tmp_path, trusted=True)
        done = {name for name, words in results.items() if words.startswith("done")}
        assert set(results) - done == set()
        assert WORDS in (models / "stolen" / "module").read_text()


def paths() -> str:
    return os.pathsep.join([str(ROOT), str(ROOT / "training")])


@pytest.fixture
def honest(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    TeachableNet().write_h5(tmp_path / "model")
    return zipped(tmp_path / "model", tmp_path / "converted_keras.zip")


def child(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let a program be the child that reads models."""
    text = textwrap.dedent(program)
    monkeypatch.setattr(confined, "CHILD", (sys.executable, "-c", text))


class TestImport:
    def test_goes_through_the_child(self, honest: Path, tmp_path: Path, capsys: Any) -> None:
        out = tmp_path / "o.tflite"
        assert main(["import", str(honest), "-o", str(out)]) == 0
        assert "same scores    as the Keras model" in capsys.readouterr().out
        assert out.is_file()

    def test_is_refused_where_nothing_can_be_confined(
        self, honest: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        child(
            monkeypatch,
            """
            import platform
            platform.machine = lambda: "m68k"
            from pi_classifier_training.importing.confined_child import main
            raise SystemExit(main())
            """,
        )
        out = tmp_path / "o.tflite"
        assert main(["import", str(honest), "-o", str(out)]) != 0
        said = capsys.readouterr().err
        assert "cannot confine what reads it: no list of system calls for m68k" in said
        assert "--trust" in said
        write_labels(tmp_path)
        sound = ROOT / "tests" / "data" / "normalized.tflite"
        assert main(["import", str(sound), "-o", str(out)]) == 0  # is no program
        out.unlink()
        assert main(["import", str(honest), "-o", str(out), "--trust"]) == 0


ANSWERS = {
    "silence": ("import time; time.sleep(600)", "ended with SIGKILL"),
    "nothing": ("", "ended with exit code 0"),
    "a signal": ("import os; os.kill(os.getpid(), 11)", "ended with SIGSEGV"),
    "last words": ("import sys; sys.exit('\\n'.join(['x' * 99] * 20000 + ['the reason']))",
                   "exit code 1 when it read this model (the reason)"),
    "no JSON": ("answer(b'{')", "answer with nonsense"),
    "a list": ("answer(b'[]')", "answer with nonsense"),
    "half a description": ("answer(b'{}'); answer(b'x')", "answer with nonsense"),
    "too much": ("out.write(b'\\xff' * 8); out.flush()", "ended with SIGKILL"),
    "a sentence": ("answer(json.dumps({'error': 'a\\x1b[2Jb\\n' + 'c' * 9000}).encode())",
                   "ab ccc"),
    "a normalization": ("answer(json.dumps(description).encode()); answer(b'')",
                        "answer with nonsense"),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_a_child_that_was_taken_over_is_not_believed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, says = ANSWERS[name]
    child(
        monkeypatch,
        f"""
        import json, struct, sys
        out = sys.stdout.buffer
        def answer(data):
            out.write(struct.pack("<Q", len(data)) + data)
            out.flush()
        description = dict(
            normalization=dict(mean=[0], std=[0]), normalization_source="", resize="crop",
            takes_raw_pixels=1, has_other_kernels=0,
        )
        {program}
        """,
    )
    monkeypatch.setattr(confined, "TIME_LIMIT_S", 0.5 if name == "silence" else 600.0)
    path = tmp_path / "x.pb"
    recognized = Recognized("graph", path, None, teachable_machine=False)
    with pytest.raises(ExportError) as caught, read_confined(recognized, Choices()):
        pass
    said = str(caught.value)
    assert says in said
    assert said.isprintable()
    assert len(said) < 1000


def test_what_the_limits_deny_is_said() -> None:
    request = {"recognized": {"path": "x.h5"}, "trusted": False}
    large = confined_child._refusal(request, MemoryError())
    assert large == {"error": "x.h5: takes more than 12 GiB of memory to read; no image "
                     "classifier does"}  # fmt: skip
    denied = confined_child._refusal(request, PermissionError(13, "no", "/opt/tf.so"))["error"]
    assert "'/opt/tf.so'" in denied
    assert "--trust" in denied
