"""`profile` with a real runtime: what is cut out computes what it does in the network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pi_classifier.cli import main
from pi_classifier.errors import InferenceError
from pi_classifier.inference.graph_run import GraphRun
from pi_classifier.modelfile.cut_out import cut_out, parts
from pi_classifier.modelfile.model_graph import read_model_graph
from tests.unit.pi_classifier_training.small_graphs import Network

DATA = Path(__file__).resolve().parents[1] / "data"
KINDS = ("float32", "int8", "uint8", "dynamic", "float16", "int16", "gray", "channels-first")


@pytest.mark.parametrize("xnnpack", [True, False])
@pytest.mark.parametrize("name", KINDS)
def test_every_operation_alone_gives_what_it_gives_in_the_network(
    name: str, xnnpack: bool
) -> None:
    data = (DATA / f"{name}.tflite").read_bytes()
    graph = read_model_graph(data)
    spec = graph.tensors[graph.inputs[0]]
    noise = np.random.default_rng(1).uniform(0, 120, spec.shape).astype(spec.dtype)
    # XNNPACK rounds to eight bits otherwise than the runtime's own kernels, by one step; where
    # the weights have eight bits it does so with the values, too.
    coarse = {"int8": 1, "uint8": 1}
    share = 0.02 if name == "dynamic" else 1e-3
    compared = 0
    with GraphRun(data, {spec.index: noise}, xnnpack=False, keep_all=True) as whole:
        for part in filter(None, parts(graph)):
            values = {i: whole.value(i) for i in part.inputs}
            content = cut_out(memoryview(data), part.operations, part.inputs, part.outputs)
            with GraphRun(content, values, xnnpack=xnnpack) as alone:
                for i in part.outputs:
                    want, got = whole.value(i), alone.value(i)
                    step = coarse.get(want.dtype.name, share * float(np.abs(want).max()) + 1e-6)
                    assert got.shape == want.shape
                    assert np.abs(got.astype(float) - want.astype(float)).max() <= step
                    compared += 1
    assert compared >= 2


def test_weights_of_half_precision_are_unpacked_along_with_the_layer() -> None:
    network = Network()
    x = network.input(1, 4)
    half = network.constant(np.arange(8, dtype=np.float16).reshape(2, 4))
    weights = network.operation("DEQUANTIZE", [half], (2, 4))
    y = network.operation("FULLY_CONNECTED", [x, weights, -1], (1, 2))
    part = parts(network.graph())[1]
    assert part is not None
    content = cut_out(memoryview(network.data()), part.operations, part.inputs, part.outputs)
    with GraphRun(content, {x: np.ones((1, 4), np.float32)}) as alone:
        assert alone.value(y).tolist() == [[6.0, 22.0]]


def test_a_graph_that_does_nothing_runs() -> None:
    network = Network()
    x = network.input(1, 4)
    network.operation("ADD", [x, x], (1, 4))
    content = cut_out(memoryview(network.data()), (), (x,), (x,))
    with GraphRun(content, {x: np.full((1, 4), 3, np.float32)}) as nothing:
        nothing.invoke()
        assert nothing.value(x).tolist() == [[3.0] * 4]


def test_what_the_runtime_refuses_is_one_sentence() -> None:
    network = Network()
    x = network.input(1, 4)
    network.operation("OF_MY_OWN", [x], (1, 4))
    with pytest.raises(InferenceError, match=r"the runtime refuses it: .*OF_MY_OWN"):
        GraphRun(network.data(), {x: np.ones((1, 4), np.float32)})


def test_json_names_every_operation_with_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(DATA / "int8.tflite"), "--json", "--runs", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    operations = read_model_graph((DATA / "int8.tflite").read_bytes()).operations
    assert [row["kind"] for row in found["operations"]] == [one.kind for one in operations]
    assert all(row["builtin_ms"] >= 0 and not row["problem"] for row in found["operations"])
    assert found["operations"][-1]["cumulative"] == pytest.approx(1)
    assert found["whole"]["xnnpack"]["ms"] > 0
    assert found["memory_mb"]["opened"]["resident"] > 10


def test_a_cascade_is_measured_model_by_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cascade = tmp_path / "cascade.toml"
    stages = "".join(
        f'[[stage]]\nmodel = "{DATA / name}.tflite"\naccept = 0.8\n' for name in ("int8", "uint8")
    )
    cascade.write_text(f'schema_version = 1\nname = "two"\n{stages}')
    assert main(["profile", str(cascade), "--csv", "--runs", "2"]) == 0
    models = {line.partition(",")[0] for line in capsys.readouterr().out.splitlines()[1:]}
    assert models == {"colors-int8", "colors-uint8"}
    assert main(["profile", str(cascade), "--picture", str(tmp_path / "a.svg")]) == 78
    assert "name one of them" in capsys.readouterr().err


def test_the_picture_is_an_svg_in_a_folder_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(DATA / "gray.tflite")
    assert main(["profile", model, "--picture", str(tmp_path / "a.png")]) == 78
    assert "expected a name ending in .svg" in capsys.readouterr().err
    assert main(["profile", model, "--picture", str(tmp_path / "no" / "a.svg")]) == 78
    assert f"there is no folder {tmp_path / 'no'}" in capsys.readouterr().err
    folder = tmp_path / "b.svg"
    folder.mkdir()
    assert main(["profile", model, "--picture", str(folder)]) == 78
    assert f"--picture {folder}: is a folder" in capsys.readouterr().err
    picture = tmp_path / "a.svg"
    assert main(["profile", model, "--picture", str(picture), "--runs", "2"]) == 0
    assert picture.read_text().startswith("<svg")
    assert capsys.readouterr().out.count("FULLY_CONNECTED") == 2
