"""What inspect says of a model, checked against figures known from elsewhere."""

from __future__ import annotations

import gzip
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.conversion.converter import to_tflite
from pi_classifier_training.errors import ExportError
from pi_classifier_training.inspection.drawing import as_dot, as_svg, edges
from pi_classifier_training.inspection.inspect import inspect, inspect_model
from pi_classifier_training.inspection.text import inspection_lines
from pi_classifier_training.inspection.weights import distinct_values, model_kind, weight_tensors

from pi_classifier.modelfile.costs import layers
from pi_classifier.modelfile.model_graph import (
    ModelGraph,
    Operation,
    Tensor,
    read_model_graph,
)

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
SHARED = ROOT.parent / "shared" / "models"


def tensor(index: int, shape: Sequence[int], **values: Any) -> Tensor:
    data = values.pop("data", None)
    stored = memoryview(b"") if data is None else memoryview(data.tobytes())
    defaults: dict[str, Any] = {
        "dtype": "float32",
        "scales": (),
        "zero_points": (),
        "quantized_dimension": 0,
    }
    return Tensor(index, f"t{index}", tuple(shape), offset=64, data=stored, **defaults | values)


def chain(sizes: Sequence[int], readers: Sequence[Sequence[int]]) -> ModelGraph:
    """Operation n makes tensor n + 1 of `sizes` floats from the tensors in `readers[n]`."""
    tensors = tuple(tensor(i, (n,)) for i, n in enumerate(sizes))
    operations = tuple(
        Operation("ADD", tuple(inputs), (n + 1,), None) for n, inputs in enumerate(readers)
    )
    return ModelGraph(tensors, operations, (0,), (len(sizes) - 1,))


def graph_of(name: str) -> ModelGraph:
    return read_model_graph((DATA / f"{name}.tflite").read_bytes())


class TestCosts:
    def test_a_small_network_counted_by_hand(self) -> None:
        found = [(each.kind, each.macs, each.parameters) for each in layers(graph_of("float32"))]
        graph = graph_of("float32")
        by_hand = []
        for operation in graph.operations:
            shape = [graph.tensors[i].shape for i in (*operation.inputs, *operation.outputs)]
            macs = 0
            if operation.kind == "CONV_2D":
                (_, _, _, deep), (filters, high, wide, depth), *_, (_, rows, columns, made) = shape
                assert (depth, made) == (deep, filters)
                macs = rows * columns * filters * high * wide * depth
            if operation.kind == "DEPTHWISE_CONV_2D":
                _, (_, high, wide, _), *_, (_, rows, columns, made) = shape
                macs = rows * columns * made * high * wide
            if operation.kind == "FULLY_CONNECTED":
                macs = math.prod(shape[1])
            by_hand.append(macs)
        assert [macs for _, macs, _ in found] == by_hand
        assert sum(macs for *_, macs, _ in found) > 10_000
        assert all((p > 0) == (kind not in ("MEAN", "SOFTMAX")) for kind, _, p in found)

    @pytest.mark.parametrize(
        ("width", "side", "millions", "parameters"), [(1.0, 224, 569, 4.2), (0.25, 128, 14, 0.5)]
    )
    def test_mobilenet_as_published(
        self, width: float, side: int, millions: int, parameters: float
    ) -> None:
        """Howard et al. 2017, table 4; the smaller one as published with its checkpoint."""
        import keras

        net = keras.applications.MobileNet((side, side, 3), alpha=width, weights=None)
        rng = np.random.default_rng(1)
        for weights in net.weights:  # equal biases would be stored once
            weights.assign(rng.uniform(0.1, 0.2, weights.shape))
        graph = read_model_graph(to_tflite(lambda x: net(x, training=False), side, "v1"))
        found = layers(graph)
        assert round(sum(each.macs for each in found) / 1e6) == millions
        folded = sum(each.parameters for each in found)
        kernels = sum(int(np.prod(w.shape)) for w in net.trainable_weights if "kernel" in w.path)
        # One bias a channel, and nothing else is left of the batch norms.
        assert folded - kernels == sum(each.output[-1] for each in found if each.macs)
        assert round(folded / 1e6, 1) == parameters
        assert model_kind(graph) == "float32"

    @pytest.mark.parametrize(
        ("name", "millions", "parameters"),
        [
            ("mobilenet_v2_1.0_224_quant", 301, 3.5),
            ("mobilenet_v1_0.25_128_quant", 14, 0.5),
            ("mobilenet_v1_0.25_224_quant_metadata", 41, 0.5),
        ],
    )
    def test_published_files(self, name: str, millions: int, parameters: float) -> None:
        path = SHARED / f"{name}.tflite"
        if not path.is_file():
            pytest.skip(f"published model {path} is not here")
        record = inspect_model(path)
        assert round(record["macs"] / 1e6) == millions
        assert round(record["parameters"] / 1e6, 1) == parameters

    def test_pools_and_means_are_simple_steps(self) -> None:
        found = {each.kind: each for each in layers(graph_of("float32"))}
        graph = graph_of("float32")
        mean = next(o for o in graph.operations if o.kind == "MEAN")
        assert found["MEAN"].steps == graph.tensors[mean.inputs[0]].elements
        assert found["MEAN"].macs == 0
        assert found["CONV_2D"].steps == 0


class TestKinds:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [("float32", "float32"), ("dynamic", "dynamic"), ("int8", "int8"), ("uint8", "int8")],
    )
    def test_is_seen_in_the_graph(self, name: str, kind: str) -> None:
        assert model_kind(graph_of(name)) == kind

    def test_float16_and_rounded(self) -> None:
        import tensorflow as tf

        rng = np.random.default_rng(0)
        kernel = rng.normal(size=(3, 3, 3, 64)).astype(np.float32)

        def converted(values: np.ndarray, **options: Any) -> ModelGraph:
            def settings(converter: Any) -> None:
                for key, value in options.items():
                    setattr(converter, key, value)
                if options:
                    converter.target_spec.supported_types = [tf.float16]

            def net(x: Any) -> Any:
                return tf.reduce_mean(tf.nn.conv2d(x, values, 2, "SAME"), (1, 2))

            return read_model_graph(to_tflite(net, 16, "net", settings))

        assert model_kind(converted(kernel)) == "float32"
        rounded = converted(np.round(kernel * 4) / 4)
        assert model_kind(rounded) == "rounded"
        assert distinct_values(weight_tensors(rounded)) == len(np.unique(np.round(kernel * 4)))
        half = converted(kernel, optimizations=[tf.lite.Optimize.DEFAULT])
        assert model_kind(half) == "float16"
        assert sum(each.parameters for each in layers(half)) in (kernel.size, kernel.size + 64)
        assert next(each for each in layers(half) if each.macs).weights == "float16"


def segments(path: str) -> list[tuple[float, float, float, float]]:
    """The straight lines of a path of M, H and V, each from its lower to its higher corner."""
    start, *steps = re.findall(r"([MHV])([^MHV]+)", path)
    x, y = map(float, start[1].split())
    lines = []
    for command, value in steps:
        to = (float(value), y) if command == "H" else (x, float(value))
        lines.append((min(x, to[0]), min(y, to[1]), max(x, to[0]), max(y, to[1])))
        x, y = to
    return lines


class TestPictures:
    def test_edges_follow_the_tensors(self) -> None:
        graph = chain([4, 4, 4, 4], [[0], [1], [0, 2]])
        assert edges(graph) == [(-1, 0), (-1, 2), (0, 1), (1, 2)]

    def test_dot_names_every_operation_and_edge(self) -> None:
        graph = graph_of("float32")
        text = as_dot(graph)
        assert text.count("[label=") == len(graph.operations)
        assert text.count("->") == len(edges(graph)) + 1
        assert text.count("{") == text.count("}") == 1

    @pytest.mark.parametrize("operations", [1, 2, 30, 61])
    def test_svg_is_sound_and_boxes_do_not_meet(self, operations: int) -> None:
        readers = [[n, max(0, n - n % 4)] for n in range(operations)]
        graph = chain([8] * (operations + 1), readers)
        root = ET.fromstring(as_svg(graph, "a <b> & c"))  # noqa: S314 - our own
        boxes = [r for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("rx")]
        assert len(boxes) == operations + 1
        places = {(float(b.get("x", "")), float(b.get("y", ""))) for b in boxes}
        assert len(places) == len(boxes)
        width, height = (float(root.get(key, "")) for key in ("width", "height"))
        assert all(0 <= x <= width - 190 and 0 <= y <= height - 34 for x, y in places)
        arrows = root.findall(".//*[@marker-end]")
        assert len(arrows) == len(edges(graph))
        for arrow in arrows:
            for x0, y0, x1, y1 in segments(arrow.get("d", "")):
                assert not any(
                    x1 > x and x0 < x + 190 and y1 > y and y0 < y + 34 for x, y in places
                ), f"{arrow.get('d')} crosses a box"


class TestCommand:
    def test_a_model_of_ours(self, capsys: pytest.CaptureFixture[str]) -> None:
        path = ROOT / "models" / "flowers" / "fast.tflite"
        assert main(["inspect", str(path), "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["bytes"] == path.stat().st_size
        assert record["gzip_bytes"] == len(gzip.compress(path.read_bytes(), mtime=0))
        stated = [record[key] for key in ("kind", "stated_kind", "kind_as_stated")]
        assert stated == ["int8", "int8", True]
        assert (record["labels"], record["golden_vectors"]) == (6, 4)
        assert record["normalization"] == {"mean": [0.0], "std": [1.0]}
        assert sum(record["operations"].values()) == len(record["layers"])
        assert record["parameters"] == sum(each["parameters"] for each in record["layers"])
        (entry,) = record["inputs"]
        assert (entry["dtype"], entry["scale"], entry["zero_point"]) == ("uint8", 1.0, 0)
        assert main(["inspect", str(path)]) == 0
        text = capsys.readouterr().out
        assert re.search(r"kind +full-integer", text)
        assert re.search(r"Pi Zero 2 W +about [\d.]+–[\d.]+ ms", text)
        assert "not measured" in text

    def test_a_file_that_is_no_classifier_is_shown_all_the_same(self) -> None:
        record = inspect(str(DATA / "detector.tflite"))
        assert record["usable"] is False
        assert "2 outputs" in record["problem"]
        assert len(record["outputs"]) == 2
        assert any("not yet" in line for line in inspection_lines(record))

    def test_a_cascade_shows_each_stage(self, capsys: pytest.CaptureFixture[str]) -> None:
        folder = ROOT / "models" / "flowers"
        record = inspect(str(folder))
        files = [Path(stage["file"]).name for stage in record["stages"]]
        assert files == ["fast.tflite", "accurate.tflite"]
        assert main(["inspect", str(folder), "--dot", "x.dot"]) == 78
        assert "name one of its models" in capsys.readouterr().err

    def test_drawings_are_written(self, tmp_path: Path, capsys: Any) -> None:
        dot, svg = tmp_path / "g.dot", tmp_path / "g.svg"
        model = str(DATA / "uint8.tflite")
        assert main(["inspect", model, "--dot", str(dot), "--picture", str(svg)]) == 0
        assert dot.read_text().startswith("digraph")
        assert ET.parse(svg).getroot().tag.endswith("svg")  # noqa: S314 - our own
        assert main(["inspect", model, "--picture", str(tmp_path / "g.png")]) == 78
        assert "name it g.svg" in capsys.readouterr().err
        assert main(["inspect", model, "--dot", str(tmp_path / "no" / "g.dot")]) == 78
        assert "there is no folder" in capsys.readouterr().err
        assert sorted(p.name for p in tmp_path.iterdir()) == ["g.dot", "g.svg"]

    @pytest.mark.parametrize(
        "content", [b"", b"no model at all", b"\x08\0\0\0TFL3" + b"\xff" * 40]
    )
    def test_what_is_no_model(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "x.tflite"
        path.write_bytes(content)
        with pytest.raises(ExportError, match=r"x\.tflite.*not a sound TFLite model"):
            inspect(str(path))
