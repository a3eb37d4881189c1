"""Models of other programs, written for real, imported, opened by the daemon, compared."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.cli import main
from pi_classifier_training.conversion.converter import to_tflite
from pi_classifier_training.errors import ExportError, ParityError
from pi_classifier_training.importing import archives
from pi_classifier_training.importing.archives import unpack
from pi_classifier_training.importing.graph_nodes import input_node, normalization_before
from pi_classifier_training.importing.importer import ImportOptions, import_model
from pi_classifier_training.importing.labels import distinct
from pi_classifier_training.importing.normalize import whole_range
from pi_classifier_training.importing.old_operations import modernized
from pi_classifier_training.importing.original import converted
from pi_classifier_training.importing.raw_pixels import (
    file_takes_raw_pixels,
    function_takes_raw_pixels,
)

from pi_classifier.inference.classifier import open_model
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.modelfile.tflite_graph import TensorSpec
from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier.preprocessing.photos import load_image
from pi_classifier.preprocessing.preprocessor import Preprocessor
from pi_classifier.types import Frame
from tests.unit.pi_classifier_training.small_graphs import Network

from .conftest import PHOTOS
from .foreign import (
    IMPORTER_READS,
    LABELS,
    SIDE,
    TeachableNet,
    keras_net,
    read_in_this_process,
    write_checkpoint,
    write_eight_bit_weights,
    write_inception_graph,
    write_labels,
    write_poets_graph,
    zipped,
)

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"

Expected = Callable[[NDArray[np.float32]], NDArray[np.float32]]
pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in this process: TensorFlow takes seconds to start in each child.

    test_import_confined has the children.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    monkeypatch.setattr(IMPORTER_READS, read_in_this_process)


def pictures(n: int = 6) -> NDArray[np.uint8]:
    rng = np.random.default_rng(5)
    return np.stack([rng.integers(darkest, darkest + 60, (SIDE, SIDE, 3), np.uint8)
                     for darkest in rng.integers(0, 190, n)])  # fmt: skip


def imported(source: Path, tmp_path: Path, *options: str) -> Path:
    out = tmp_path / "out.tflite"
    assert main(["import", str(source), "-o", str(out), *options]) == 0
    return out


def assert_scores(model: Path, expected: NDArray[np.float32], within: float = 1e-5) -> None:
    """The daemon's classifier gives the scores expected for `pictures`."""
    classifier = open_model(model, ModelSettings(cache_dir=""))
    found = np.stack([classifier.raw_scores(each).copy() for each in pictures(len(expected))])
    classifier.close()
    assert np.ptp(expected, axis=0).max() > 0.05  # else anything would pass
    np.testing.assert_allclose(found, expected, atol=within)


class TestTeachableMachine:
    net = TeachableNet()

    def expected(self) -> NDArray[np.float32]:
        return self.net.scores((pictures().astype(np.float32) - 127.5) / 127.5)

    def test_keras_export_of_keras_2(self, tmp_path: Path) -> None:
        folder = tmp_path / "export"
        folder.mkdir()
        self.net.write_h5(folder)
        model = imported(zipped(folder, tmp_path / "converted_keras.zip"), tmp_path)
        assert_scores(model, self.expected())
        read = read_model_file(model)
        assert read.labels == LABELS
        assert read.normalization is not None
        assert (read.normalization.mean, read.normalization.std) == ((127.5,), (127.5,))
        assert len(read.manifest.golden) == 4
        assert read.manifest.details["imported"]["file"] == "converted_keras.zip"

    def test_tensorflowjs_export(self, tmp_path: Path) -> None:
        folder = tmp_path / "my-model"
        folder.mkdir()
        path = self.net.write_tensorflowjs(folder)
        assert_scores(imported(path, tmp_path), self.expected())
        archive = zipped(folder, tmp_path / "tm-my-model.zip")
        again = imported(archive, tmp_path, "--name", "colors")
        assert read_model_file(again).name == "colors"
        assert read_model_file(again).labels == LABELS

    def test_tflite_export(self, tmp_path: Path) -> None:
        from pi_classifier_training.importing.topology import rebuild

        keys = {(la, n): a for la, weights in self.net.weights.items() for n, a in weights.items()}
        model = rebuild(self.net.topology, keys)
        folder = tmp_path / "converted_tflite"
        folder.mkdir()
        data = to_tflite(lambda x: model(x, training=False), SIDE, "teachable")
        (folder / "model_unquant.tflite").write_bytes(data)
        write_labels(folder)
        assert_scores(imported(folder, tmp_path), self.expected())

    def test_saved_model_export(self, tmp_path: Path) -> None:
        folder = tmp_path / "converted_savedmodel"
        net = keras_net(rescaling=False)
        net.export(folder / "model.savedmodel", verbose=False)
        write_labels(folder)
        model = imported(zipped(folder, tmp_path / "converted_savedmodel.zip"), tmp_path)
        expected = net((pictures().astype(np.float32) - 127.5) / 127.5, training=False)
        assert_scores(model, np.asarray(expected))

    def test_weights_of_another_network(self, tmp_path: Path, capsys: Any) -> None:
        other = TeachableNet()
        other.weights = {k: dict(v) for k, v in other.weights.items()}
        del other.weights["dw"]["depthwise_kernel"]
        path = other.write_h5(tmp_path)
        assert main(["import", str(path), "-o", str(tmp_path / "o.tflite")]) == 78
        assert "weights 'kernel' of layer 'dw' are missing" in capsys.readouterr().err
        assert not (tmp_path / "o.tflite").exists()

    def test_a_lambda_layer_is_never_run(self, tmp_path: Path, capsys: Any) -> None:
        other = TeachableNet()
        other.topology["config"]["layers"].append(
            {"class_name": "Lambda", "config": {"name": "l"}}
        )
        path = other.write_h5(tmp_path)
        assert main(["import", str(path), "-o", str(tmp_path / "o.tflite")]) == 78
        assert "of the kind 'Lambda' (called 'l'), which is refused" in capsys.readouterr().err


class TestPoets:
    def test_mobilenet_graph(self, tmp_path: Path) -> None:
        kernel = write_poets_graph(tmp_path / "retrained_graph.pb")
        write_labels(tmp_path, "retrained_labels.txt", numbered=False)
        model = imported(tmp_path / "retrained_graph.pb", tmp_path)
        means = ((pictures().astype(np.float32) - 128) / 128).mean(axis=(1, 2))
        z = np.exp(means @ kernel * 8)
        assert_scores(model, z / z.sum(axis=1, keepdims=True))
        assert read_model_file(model).labels == LABELS
        assert read_model_file(model).manifest.resize == "stretch"

    def test_inception_graph_of_2015(self, tmp_path: Path) -> None:
        w = write_inception_graph(tmp_path / "retrained_graph.pb")
        write_labels(tmp_path, "retrained_labels.txt", numbered=False)
        model = imported(tmp_path / "retrained_graph.pb", tmp_path)
        x = (pictures().astype(np.float32) - 128) / 128
        x = (x - w["m"]) / np.sqrt(w["v"] + 0.001) * w["g"] + w["b"]
        z = np.exp(x.mean(axis=(1, 2)) @ w["kernel"])
        assert_scores(model, z / z.sum(axis=1, keepdims=True))
        read = read_model_file(model)
        assert read.normalization is not None
        assert (read.normalization.mean, read.normalization.std) == ((128.0,), (128.0,))

    def test_another_graph_states_its_normalization(self, tmp_path: Path, capsys: Any) -> None:
        kernel = write_poets_graph(tmp_path / "net.pb", "x", "y")
        write_labels(tmp_path)
        source = tmp_path / "net.pb"
        assert main(["import", str(source), "-o", str(tmp_path / "o.tflite")]) == 78
        assert "--mean 127.5 --std 127.5" in capsys.readouterr().err
        model = imported(source, tmp_path, "--mean", "0", "--std", "255")
        z = np.exp((pictures().astype(np.float32) / 255).mean(axis=(1, 2)) @ kernel * 8)
        assert_scores(model, z / z.sum(axis=1, keepdims=True))

    def test_two_outputs_need_a_name(self, tmp_path: Path, capsys: Any) -> None:
        kernel = write_poets_graph(tmp_path / "net.pb", "x", "y", outputs=2)
        write_labels(tmp_path)
        source, out = tmp_path / "net.pb", tmp_path / "o.tflite"
        stated = ["--mean", "0", "--std", "255"]
        assert main(["import", str(source), "-o", str(out), *stated]) == 78
        assert "--output-node (likely: y, y_1)" in capsys.readouterr().err
        assert main(["import", str(source), "-o", str(out), "--output-node", "z", *stated]) == 78
        assert "no node 'z'" in capsys.readouterr().err
        model = imported(source, tmp_path, "--output-node", "y_1", *stated)
        z = np.exp((pictures().astype(np.float32) / 255).mean(axis=(1, 2)) @ kernel)
        assert_scores(model, z / z.sum(axis=1, keepdims=True))

    def test_weights_in_eight_bits_and_a_named_node(self, tmp_path: Path, capsys: Any) -> None:
        plain, packed = tmp_path / "plain.pb", tmp_path / "packed.pb"
        write_poets_graph(plain)
        kernel = write_eight_bit_weights(plain, packed)
        write_labels(tmp_path)
        model = imported(packed, tmp_path, "--input-node", "input:0")
        assert "(as TensorFlow for Poets trains" in capsys.readouterr().out
        means = ((pictures().astype(np.float32) - 128) / 128).mean(axis=(1, 2))
        z = np.exp(means @ kernel)
        assert_scores(model, z / z.sum(axis=1, keepdims=True))
        assert read_model_file(model).manifest.resize == "stretch"

    def test_arithmetic_in_eight_bits_is_refused_by_name(self, tmp_path: Path) -> None:
        import tensorflow as tf

        graph = tf.compat.v1.GraphDef()
        graph.node.add(name="final_result", op="QuantizedRelu")
        with pytest.raises(ExportError, match="quantize_graph --mode=eight_bit"):
            modernized(tmp_path / "graph.pb", graph)
        graph.node[0].op = "Dequantize"
        with pytest.raises(ExportError, match="dequantizes what is no constant"):
            modernized(tmp_path / "graph.pb", graph)

    def test_converted_on_its_own(self, tmp_path: Path) -> None:
        import tensorflow as tf

        graph = tmp_path / "graph.pb"
        write_poets_graph(graph)
        write_labels(tmp_path, "retrained_labels.txt")
        convert = tf.compat.v1.lite.TFLiteConverter.from_frozen_graph
        data = convert(str(graph), ["input"], ["final_result"]).convert()
        (tmp_path / "graph.lite").write_bytes(data)
        read = read_model_file(imported(tmp_path / "graph.lite", tmp_path))
        assert read.normalization == Normalization((128.0,), (128.0,))
        assert read.manifest.resize == "stretch"

    @pytest.mark.parametrize(
        ("node", "mean", "std"), [("Sub", 128, 1), ("ResizeBilinear", 0, 1), ("Mul", 128, 128)]
    )
    def test_what_lies_before_a_cut_is_the_normalization(
        self, node: str, mean: float, std: float, tmp_path: Path
    ) -> None:
        w = write_inception_graph(tmp_path / "graph.pb")
        write_labels(tmp_path)
        model = imported(tmp_path / "graph.pb", tmp_path, "--input-node", node)
        x = ((pictures().astype(np.float32) - 128) / 128).mean(axis=(1, 2))
        z = np.exp(((x - w["m"]) / np.sqrt(w["v"] + 0.001) * w["g"] + w["b"]) @ w["kernel"])
        assert_scores(model, z / z.sum(axis=1, keepdims=True))
        assert read_model_file(model).normalization == Normalization((mean,), (std,))

    def test_a_checkpoint_is_frozen(self, tmp_path: Path, capsys: Any) -> None:
        kernel = values_of((3, 3))
        saved = write_checkpoint(tmp_path, kernel)
        write_labels(tmp_path)
        means = ((pictures().astype(np.float32) - 128) / 128).mean(axis=(1, 2))
        z = np.exp(means @ kernel)
        for source in (saved, saved.with_name(f"{saved.name}.index"), tmp_path):
            model = imported(source, tmp_path / "..")
            assert_scores(model, z / z.sum(axis=1, keepdims=True))
        saved.with_name(f"{saved.name}.meta").unlink()
        assert main(["import", str(saved), "-o", str(tmp_path / "o.tflite")]) == 78
        assert "model.ckpt-1000.meta is missing" in capsys.readouterr().err


class TestGraphNodes:
    def graph(self, build: Callable[[Any], Any]) -> tuple[dict[str, Any], str]:
        import tensorflow as tf

        graph = tf.Graph()
        with graph.as_default():
            build(tf.compat.v1.placeholder(tf.float32, (None, 8, 8, 3), "x"))
        nodes = {node.name: node for node in graph.as_graph_def().node}
        return nodes, list(nodes)[-1]

    @pytest.mark.parametrize(
        ("steps", "expected"),
        [
            (lambda x: x / 127.5 - 1, ((127.5,), (127.5,))),
            (lambda x: (1 / 255) * x, ((0.0,), (255.0,))),
            (lambda x: (x + (-10.0)) / [1.0, 2.0, 4.0], ((10.0,) * 3, (1.0, 2.0, 4.0))),
            (lambda x: 255.0 - x, None),
            (lambda x: x * x, None),
            (lambda x: x[..., ::-1] / 255, None),
            (lambda x: x / 0.0, None),
        ],
    )
    def test_arithmetic_with_constants_is_read(self, steps: Any, expected: Any) -> None:
        nodes, last = self.graph(steps)
        found = normalization_before(nodes, last)
        assert (found and (found.mean, found.std)) == expected

    def test_a_placeholder_of_pictures_beats_a_node_of_a_known_name(self) -> None:
        import tensorflow as tf

        nodes, _ = self.graph(lambda x: tf.multiply(x, 2.0, name="Mul"))
        assert input_node(Path("g.pb"), nodes, None) == "x"
        nodes["x"].attr["dtype"].type = tf.string.as_datatype_enum
        assert input_node(Path("g.pb"), nodes, None) == "Mul"


class TestKeras:
    @pytest.mark.parametrize("suffix", [".keras", ".h5", ""])
    def test_normalization_inside(self, suffix: str, tmp_path: Path) -> None:
        net = keras_net()
        source = tmp_path / f"net{suffix}"
        if suffix:
            net.save(source)
        else:
            net.export(source, verbose=False)
        labels = tmp_path / "names.txt"
        labels.write_text("\n".join(LABELS))
        model = imported(source, tmp_path, "--labels", str(labels))
        expected = np.asarray(net(pictures().astype(np.float32), training=False))
        assert_scores(model, expected)
        read = read_model_file(model)
        assert read.normalization is not None
        assert read.normalization.mean == (0.0,)

    def test_a_mere_factor_is_seen_too(self, tmp_path: Path) -> None:
        net = keras_net(offset=0.0)
        net.save(tmp_path / "net.keras")
        write_labels(tmp_path)
        model = imported(tmp_path / "net.keras", tmp_path)
        assert_scores(model, np.asarray(net(pictures().astype(np.float32), training=False)))

    def test_open_size_and_several_outputs(self, tmp_path: Path, capsys: Any) -> None:
        write_labels(tmp_path)
        out = tmp_path / "o.tflite"
        keras_net(side=None).save(tmp_path / "open.keras")
        assert main(["import", str(tmp_path / "open.keras"), "-o", str(out)]) == 78
        assert "--size 224" in capsys.readouterr().err
        model = imported(tmp_path / "open.keras", tmp_path, "--size", "48")
        assert read_model_file(model).input_size == (48, 48)
        keras_net(outputs=2).save(tmp_path / "two.keras")
        assert main(["import", str(tmp_path / "two.keras"), "-o", str(out)]) == 78
        assert "2 outputs" in capsys.readouterr().err
        assert not out.exists()

    def test_weights_without_a_network(self, tmp_path: Path, capsys: Any) -> None:
        keras_net().save_weights(tmp_path / "net.weights.h5")
        source = (tmp_path / "net.weights.h5").rename(tmp_path / "net.h5")
        assert main(["import", str(source), "-o", str(tmp_path / "o.tflite")]) == 78
        assert "save the whole model" in capsys.readouterr().err


class TestTflite:
    def test_an_export_of_ultralytics(self, tmp_path: Path, capsys: Any) -> None:
        source, kernel = tmp_path / "best_float32.tflite", values_of((3, 3))
        source.write_bytes(to_tflite(lambda x: tf_softmax(x, kernel), SIDE, "yolo"))
        table = {"task": "classify", "imgsz": [SIDE, SIDE], "names": dict(enumerate(LABELS))}
        with zipfile.ZipFile(source, "a") as file:
            file.writestr("metadata.json", json.dumps(table))
        model = imported(source, tmp_path)
        assert "(as Ultralytics' classifiers take it)" in capsys.readouterr().out
        z = np.exp((pictures().astype(np.float32) / 255).mean(axis=(1, 2)) @ kernel * 4)
        assert_scores(model, z / z.sum(axis=1, keepdims=True))
        assert read_model_file(model).labels == LABELS

    @pytest.mark.parametrize("name", ["uint8", "int8", "normalized", "logits", "bare"])
    def test_gives_the_same_scores_as_before(self, name: str, tmp_path: Path) -> None:
        source = tmp_path / f"{name}.tflite"
        shutil.copy(DATA / f"{name}.tflite", source)
        if name == "bare":
            (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
        model = imported(source, tmp_path)
        rng = np.random.default_rng(2)
        settings = ModelSettings(cache_dir="")
        before, after = (open_model(path, settings) for path in (source, model))
        for _ in range(5):
            pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
            assert before.raw_scores(pixels).tolist() == after.raw_scores(pixels).tolist()
        assert before.labels == after.labels
        assert len(after.model.manifest.golden) == 4
        before.close()
        after.close()

    def test_what_a_file_of_ours_says_is_kept(self, tmp_path: Path) -> None:
        source = ROOT / "models" / "flowers" / "fast.tflite"
        model = imported(source, tmp_path, "--name", "again", "--author", "me")
        before, after = (read_model_file(p).manifest.details for p in (source, model))
        for key in ("training", "evaluation", "license", "silent_labels"):
            assert after[key] == before[key]
        assert (after["name"], after["author"], after["kind"]) == ("again", "me", "int8")

    def test_a_label_that_stands_twice_gets_a_number(self, tmp_path: Path, capsys: Any) -> None:
        labels = tmp_path / "l.txt"
        labels.write_text("crane\nheron\ncrane\ncrane (2)\n")
        model = imported(DATA / "bare.tflite", tmp_path, "--labels", str(labels))
        assert read_model_file(model).labels == ("crane", "heron", "crane (3)", "crane (2)")
        assert "'crane' stands there again; called 'crane (3)'" in capsys.readouterr().out


class TestPhotos:
    def test_are_compared_and_counted(self, photos: Path, tmp_path: Path, capsys: Any) -> None:
        net = keras_net()
        net.save(tmp_path / "net.keras")
        write_labels(tmp_path)
        model = imported(tmp_path / "net.keras", tmp_path, "--image-dir", str(photos))
        text = capsys.readouterr().out
        assert f"on {PHOTOS} photos" in text
        preprocess = Preprocessor((SIDE, SIDE), "crop")
        files = sorted(photos.rglob("*.png"))
        images = np.stack([preprocess(load_image(path)) for path in files]).astype(np.float32)
        best = np.argmax(net(images, training=False), axis=1)
        right = np.mean(
            [LABELS[i] == path.parent.name for i, path in zip(best, files, strict=True)]
        )
        assert f"photos right   {right:.1%}" in text
        assert f"n = {PHOTOS}" in text
        assert model.is_file()

    def test_a_wrong_conversion_is_found(self, tmp_path: Path, monkeypatch: Any) -> None:
        # As if the converter had changed the network: the original's outputs in another order.
        keras_net().save(tmp_path / "net.keras")
        write_labels(tmp_path)

        @contextlib.contextmanager
        def swapped(*arguments: Any, **options: Any) -> Iterator[Any]:
            with read_in_this_process(*arguments, **options) as original:
                yield replace(original, run=lambda image: original.run(image)[::-1])

        monkeypatch.setattr(IMPORTER_READS, swapped)
        out = tmp_path / "o.tflite"
        with pytest.raises(ParityError, match="differ from the original's"):
            list(import_model(tmp_path / "net.keras", out, ImportOptions()))
        assert not out.exists()


class TestPictures:
    @pytest.mark.parametrize(
        ("kind", "says"),
        [
            ("channels-first", "RGB, channels first, (x − 123.675, 116.28, 103.53) / 58.395"),
            ("gray", "gray, 0 to 255 as they are"),
            ("bgr", "BGR, (x − 123.68, 116.779, 103.939) / 1, 1, 1"),
            ("float16", "RGB, 0 to 255 as they are"),
            ("int16", "RGB, 0 to 255 as they are"),
        ],
    )
    def test_every_kind_of_input_is_kept(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, says: str
    ) -> None:
        source = DATA / f"{kind}.tflite"
        first = imported(source, tmp_path)
        assert f"  pixels         {says}" in capsys.readouterr().out
        before, after = (open_model(p, ModelSettings(cache_dir="")) for p in (source, first))
        assert after.model.channels == before.model.channels
        assert after.model.normalization == before.model.normalization
        for pixels in pictures():
            small = np.ascontiguousarray(pixels[:16, :16])
            np.testing.assert_array_equal(after.raw_scores(small), before.raw_scores(small))

    def test_blue_first_is_stated(self, tmp_path: Path) -> None:
        bare = tmp_path / "caffe.tflite"
        finished = (DATA / "bgr.tflite").read_bytes()
        archive = finished.index(b"PK\x03\x04")
        bare.write_bytes(finished[:archive].replace(b"TFLITE_METADATA", b"TFLITE_NOTHING_"))
        (tmp_path / "labels.txt").write_text("background\ncyan\nmagenta\nyellow\n")
        caffe = ("--mean", "123.68", "116.779", "103.939", "--std", "1", "1", "1")
        model = imported(bare, tmp_path, "--channels", "bgr", *caffe)
        classifier = open_model(model, ModelSettings(cache_dir=""))
        for label, color in {"cyan": (0, 200, 200), "yellow": (200, 200, 0)}.items():
            frame = Frame(np.full((16, 16, 3), color, np.uint8), 0, 0)
            assert classifier.classify(frame).top.label == label
        classifier.close()

    @pytest.mark.parametrize("shape", [(None, 28, 28, 1), (None, 3, 224, 224)])
    def test_of_other_formats_the_way_is_named(self, shape: tuple[int | None, ...]) -> None:
        with pytest.raises(ExportError, match=r"channels first: convert it with tf\.lite"):
            converted("keras", Path("net.keras"), lambda image: image, shape, None)

    def test_one_channel_has_no_order(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "o.tflite"
        gray = str(DATA / "gray.tflite")
        assert main(["import", gray, "-o", str(out), "--channels", "bgr"]) != 0
        assert "the network takes gray pictures (one channel)" in capsys.readouterr().err
        assert not out.exists()


class TestNormalization:
    @pytest.mark.parametrize(
        ("first", "raw", "melted"),
        [
            (lambda x: x / 255, True, True),
            (lambda x: x * (1 / 255), True, True),
            (lambda x: x / 50, True, True),
            (lambda x: x / 127.5 - 1, True, False),
            (lambda x: x - np.array([103.9, 116.8, 123.7], np.float32), True, False),
            (lambda x: x / 49, False, True),
            (lambda x: x * 0.5 + 0.5, False, False),
            (lambda x: (x - np.float32(0.45)) / np.float32(0.22), False, False),
            (lambda x: x, False, False),
        ],
    )
    def test_is_seen_in_the_graph(self, first: Any, raw: bool, melted: bool) -> None:
        """`melted`: the converter puts the factor into the weights, where none sees it."""
        import tensorflow as tf

        kernel = values_of((3, 3, 3, 4))

        def net(x: Any) -> Any:
            return tf.reduce_mean(tf.nn.conv2d(first(x), kernel, 1, "SAME"), (1, 2))

        assert function_takes_raw_pixels(net, 8) is raw
        if not melted:
            assert file_takes_raw_pixels(to_tflite(net, 8, "net")) is raw

    @given(
        st.sampled_from(["uint8", "int8"]),
        st.sampled_from([0.0, 2.0**-7, 1 / 127.5, 1.0, 0.0186]),
        st.sampled_from([-128, -1, 0, 1, 127]),
    )
    def test_whole_range_puts_pixels_where_they_are(
        self, dtype: Any, scale: float, zero: int
    ) -> None:
        from pi_classifier.inference.quantization import encoding_table

        zero = zero + 128 if dtype == "uint8" else zero
        spec = TensorSpec((1, 8, 8, 3), dtype, scale, zero)
        chosen: Normalization = whole_range(spec)
        table = encoding_table(spec, chosen).astype(int)
        low = 0 if dtype == "uint8" else -128
        assert table[:, 0].tolist() == list(range(low, low + 256))

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (["--mean", "0"], "only one of --mean and --std"),
            (["--mean", "0", "1", "--std", "1", "1"], "expected one of each, or three"),
            (["--mean", "0", "--std", "0"], "expected numbers above 0"),
        ],
    )
    def test_stated_badly(
        self, options: list[str], says: str, tmp_path: Path, capsys: Any
    ) -> None:
        source, out = DATA / "float32.tflite", tmp_path / "o.tflite"
        assert main(["import", str(source), "-o", str(out), *options]) == 78
        assert says in capsys.readouterr().err
        assert not out.exists()


def values_of(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def tf_softmax(x: Any, kernel: NDArray[np.float32]) -> Any:
    import tensorflow as tf

    return tf.nn.softmax(tf.matmul(tf.reduce_mean(x, (1, 2)), kernel * 4))


def bad_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


class TestBadSources:
    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("x.tflite", b"no model", "not a sound TFLite model"),
            ("x.h5", b"no model", "not a Keras .h5 file"),
            ("x.keras", b"no model", "not a Keras .h5 file"),
            ("x.pb", b"\x0a\xff\xffno model", "not a frozen TensorFlow graph"),
            ("x.pb", b"", "without any operation"),
            ("x.json", b"{", "is not JSON"),
            ("x.json", b"[1]", "not the description of a model"),
            ("x.json", b'{"format": "graph-model"}', "graph model, not a layers model"),
            ("x.json", b'{"weightsManifest": []}', 'choose the "TensorFlow Lite"'),
            ("x.jpg", b"a photo", "is no model that can be imported"),
            ("x.tflite", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            ("x.h5", b"<!DOCTYPE html>\n<html>", "is a web page (HTML), 22 bytes"),
            ("x.onnx", b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "is an ONNX model"),
            ("x.pt", b"\x80\x02}q\x00.", "yolo export model=FILE format=tflite"),
        ],
    )
    def test_what_is_no_model(
        self, name: str, content: bytes, says: str, tmp_path: Path, capsys: Any
    ) -> None:
        source, out = bad_file(tmp_path / name, content), tmp_path / "o.tflite"
        assert main(["import", str(source), "-o", str(out)]) == 78
        assert says in capsys.readouterr().err
        assert not out.exists()

    def test_a_file_is_known_by_its_content(self, tmp_path: Path) -> None:
        for name in ("graph.lite", "model.h5", "model"):
            shutil.copy(DATA / "uint8.tflite", tmp_path / name)
            assert read_model_file(imported(tmp_path / name, tmp_path)).input.dtype == "uint8"

    def test_folders(self, tmp_path: Path, capsys: Any) -> None:
        out = str(tmp_path / "o.tflite")
        assert main(["import", str(tmp_path / "none"), "-o", out]) == 78
        assert "no such file or folder" in capsys.readouterr().err
        folder = tmp_path / "folder"
        folder.mkdir()
        assert main(["import", str(folder), "-o", out]) == 78
        assert "holds no model" in capsys.readouterr().err
        for name in ("a", "b"):
            shutil.copy(DATA / "bare.tflite", folder / f"{name}.tflite")
        assert main(["import", str(folder), "-o", out]) == 78
        assert "holds 2 models (a.tflite, b.tflite)" in capsys.readouterr().err
        source = str(folder / "a.tflite")
        assert main(["import", source, "-o", str(tmp_path / "no" / "o.tflite")]) == 78
        assert "there is no folder" in capsys.readouterr().err
        assert main(["import", source, "-o", str(tmp_path)]) == 78
        assert "is a folder; name the file" in capsys.readouterr().err

    def test_labels(self, tmp_path: Path, capsys: Any) -> None:
        source, out = tmp_path / "m.tflite", str(tmp_path / "o.tflite")
        shutil.copy(DATA / "bare.tflite", source)
        assert main(["import", str(source), "-o", out]) == 78
        assert "comes without labels" in capsys.readouterr().err
        (tmp_path / "labels.txt").write_text("a\nb\nc\n")
        assert main(["import", str(source), "-o", out]) == 78
        assert "has 4 outputs, but there are 3 labels in labels.txt" in capsys.readouterr().err
        assert main(["import", str(source), "-o", out, "--labels", str(tmp_path / "x")]) == 78
        assert "no such label file" in capsys.readouterr().err

    def test_one_output_may_have_a_no_and_a_yes(self, tmp_path: Path) -> None:
        network = Network()
        picture = network.input(1, 8, 8, 3)
        axes = network.constant(np.array([1, 2, 3], np.int32))
        mean = network.operation("MEAN", (picture, axes), (1,), keepDims=0)
        network.operation("MUL", (mean, network.constant(np.float32(1))), (1,))
        source, out = tmp_path / "m.tflite", tmp_path / "o.tflite"
        source.write_bytes(network.data())
        (tmp_path / "labels.txt").write_text("dark\nbright\n")
        stated = ["--mean", "127.5", "127.5", "127.5", "--std", "9", "9", "9"]
        assert main(["import", str(source), "-o", str(out), *stated]) == 0
        with contextlib.closing(open_model(out, ModelSettings(cache_dir=""))) as model:
            for level, label in ((0, "dark"), (255, "bright")):
                frame = Frame(np.full((8, 8, 3), level, np.uint8), level, 0)
                assert model.classify(frame).top.label == label

    def test_detectors(self, tmp_path: Path, capsys: Any) -> None:
        out = str(tmp_path / "o.tflite")
        assert main(["import", str(DATA / "detector.tflite"), "-o", out]) == 78
        assert "2 outputs, as object detectors do" in capsys.readouterr().err


class TestInspect:
    """Files of other programs, described without running them."""

    def inspected(self, source: Path, capsys: Any) -> str:
        capsys.readouterr()
        assert main(["inspect", str(source)]) == 0
        return str(capsys.readouterr().out)

    def test_graphs_and_checkpoints(self, tmp_path: Path, capsys: Any) -> None:
        write_inception_graph(tmp_path / "graph.pb")
        text = self.inspected(tmp_path / "graph.pb", capsys)
        assert "a frozen TensorFlow graph" in text
        assert "input          Mul, Mul" in text
        assert "output         final_result, Softmax" in text
        assert "pixels         (x − 128) / 128, before the input" in text
        saved = write_checkpoint(tmp_path / "training", values_of((3, 3)))
        text = self.inspected(saved, capsys)
        assert "input          input, Placeholder, float32, ? × 32 × 32 × 3" in text
        assert "parameters     12" in text  # without what the optimizer keeps
        write_poets_graph(tmp_path / "net.pb", "x", "y", outputs=2)
        text = self.inspected(tmp_path / "net.pb", capsys)
        assert "output         y, Softmax\n                 y_1, Softmax" in text
        assert text.endswith("-o model.tflite --output-node OUTPUT\n")

    def test_networks_of_keras(self, tmp_path: Path, capsys: Any) -> None:
        numbers = sum(a.size for w in TeachableNet().weights.values() for a in w.values())
        text = self.inspected(TeachableNet().write_h5(tmp_path), capsys)
        assert "written by     Keras 2.3.0-tf" in text
        assert "input          input_1, float32, ? × 32 × 32 × 3" in text
        assert "output         dense_Dense2, Dense, 3 softmax" in text
        assert f"parameters     {numbers:,}" in text
        net = keras_net()
        count = f"parameters     {net.count_params():,}"
        net.save(tmp_path / "net.keras")
        net.export(tmp_path / "saved", verbose=False)
        for source in ("net.keras", "saved"):
            text = self.inspected(tmp_path / source, capsys)
            assert count in text
            assert " 1 Conv2D" in text
        assert main(["inspect", str(tmp_path / "saved"), "--dot", str(tmp_path / "g.dot")]) == 78
        assert "only a .tflite file is drawn" in capsys.readouterr().err


def archive(path: Path, members: dict[str, bytes], *, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = mode << 16
            file.writestr(entry, content)
    return path


class TestArchives:
    @pytest.mark.parametrize(
        "name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "C:\\evil", "a/.."]
    )
    def test_nothing_is_written_outside(self, name: str, tmp_path: Path) -> None:
        path = archive(tmp_path / "x.zip", {"ok.txt": b"1", name: b"2"})
        folder = tmp_path / "deep" / "folder"
        folder.mkdir(parents=True)
        with pytest.raises(ExportError, match="leads out of the folder"):
            unpack(path, folder)
        assert {p.name for p in tmp_path.rglob("*")} <= {"x.zip", "deep", "folder", "ok.txt"}

    def test_links_are_refused(self, tmp_path: Path) -> None:
        path = archive(tmp_path / "x.zip", {"link": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
        with pytest.raises(ExportError, match="holds a link"):
            unpack(path, tmp_path)

    def test_bombs_are_refused(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setattr(archives, "LARGEST_BYTES", 1 << 20)
        path = archive(tmp_path / "x.zip", {"a": bytes(1 << 20), "b": b"1"})
        with pytest.raises(ExportError, match="would unpack to 2 files"):
            unpack(path, tmp_path)
        assert not (tmp_path / "a").exists()
        fits = archive(tmp_path / "y.zip", {"sub/a": bytes(1 << 20)})
        assert unpack(fits, tmp_path) == tmp_path
        assert (tmp_path / "sub" / "a").stat().st_size == 1 << 20

    @pytest.mark.parametrize(
        ("names", "method", "says"),
        [
            (["a"], zipfile.ZIP_BZIP2, "holds 'a' in an unusual compression"),
            (["a"], zipfile.ZIP_LZMA, "holds 'a' in an unusual compression"),
            (["a", "a/b"], zipfile.ZIP_STORED, "is not a sound ZIP file"),
            (["a" * 300], zipfile.ZIP_STORED, "is not a sound ZIP file"),
            (["a" * 60_000 + str(i) for i in range(80)], 0, "lists more files than any"),
        ],
        ids=["bzip2", "LZMA", "a file is a folder", "a long name", "a long list"],
    )
    def test_odd_archives_are_refused(
        self, names: list[str], method: int, says: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w", method) as file:
            for name in names:
                file.writestr(name, b"1")
        with pytest.raises(ExportError, match=f"x.zip: {says}"):
            unpack(path, tmp_path / "folder")

    def test_a_damaged_archive(self, tmp_path: Path) -> None:
        path = archive(tmp_path / "x.zip", {"a.txt": bytes(range(256)) * 40})
        data = bytearray(path.read_bytes())
        data[60:80] = bytes(20)
        path.write_bytes(bytes(data))
        with pytest.raises(ExportError, match="download it again"):
            unpack(path, tmp_path / "f")


@given(st.lists(st.sampled_from(["a", "b", "a (2)", "a (3)", "a (2) (2)"]), max_size=8))
def test_distinct_labels(labels: list[str]) -> None:
    found = distinct(labels)
    assert len(set(found)) == len(found) == len(labels)
    for i, label in enumerate(labels):
        if label not in labels[:i]:
            assert found[i] == label
        assert found[i].startswith(label)


def test_json_of_an_imported_file_says_where_from(tmp_path: Path) -> None:
    model = imported(DATA / "normalized.tflite", tmp_path)
    with zipfile.ZipFile(model) as file:
        manifest = json.loads(file.read("pi_classifier.json"))
    assert manifest["imported"]["from"] == "TensorFlow Lite file"
    assert manifest["imported"]["file"] == "normalized.tflite"
    assert len(manifest["imported"]["sha256"]) == 64
