from __future__ import annotations

import contextlib
import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pi_classifier_training.errors import ExportError
from pi_classifier_training.modelfile.golden import golden_vectors
from pi_classifier_training.modelfile.writer import write_model_file

from pi_classifier.inference.classifier import open_model
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.flatbuffer import Table
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.modelfile.tflite_metadata import Normalization

DATA = Path(__file__).resolve().parent.parent / "data"
BARE = (DATA / "bare.tflite").read_bytes()
LABELS = ["background", "cyan", "magenta", "yellow"]
MANIFEST = {
    "name": "colors",
    "version": "3",
    "description": "Tells colors from others",
    "author": "someone",
    "license": "Apache-2.0",
}


def written(**options: Any) -> bytes:
    return write_model_file(BARE, LABELS, MANIFEST, **options)


def buffers(data: bytes) -> list[bytes]:
    return [bytes(b.raw(0)) for b in Table.root(memoryview(data), b"TFL3").tables(4)]


def test_equal_arguments_give_equal_bytes() -> None:
    assert written() == written()


def test_the_converters_output_stays_as_it_is() -> None:
    new = written()
    at = new.index(BARE)
    assert at % 16 == 0
    assert buffers(new)[: len(buffers(BARE))] == buffers(BARE)
    assert len(buffers(new)) == len(buffers(BARE)) + 1


def test_weights_keep_their_alignment() -> None:
    starts = []
    for data in (BARE, written()):
        model = Table.root(memoryview(data), b"TFL3")
        targets = [b.target(0) for b in model.tables(4) if len(b.raw(0)) > 0]
        starts.append([(target or 0) % 16 for target in targets])
    *kept, metadata = starts[1]
    assert kept == starts[0]
    assert (metadata + 4) % 16 == 0


def test_the_public_schema_reads_it_too() -> None:
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    old, new = (
        schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0)) for data in (BARE, written())
    )
    assert [m.name for m in new.metadata] == [
        *(m.name for m in old.metadata or []),
        b"TFLITE_METADATA",
    ]
    assert [s.signatureKey for s in new.signatureDefs] == [
        s.signatureKey for s in old.signatureDefs
    ]
    assert new.description == old.description
    assert new.version == old.version == 3
    metadata = new.buffers[new.metadata[-1].buffer].data
    assert bytes(metadata[4:8]) == b"M001"


def test_associated_files_are_an_ordinary_archive(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(written())
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["labels.txt", "pi_classifier.json"]
        assert archive.read("labels.txt") == b"background\ncyan\nmagenta\nyellow\n"
        manifest = json.loads(archive.read("pi_classifier.json"))
    assert manifest["schema_version"] == 1
    assert manifest["name"] == "colors"


def test_the_reader_finds_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    channels = Normalization((123.5, 116.0, 103.0), (58.0, 57.0, 57.5))
    path.write_bytes(written(normalization=channels))
    model = read_model_file(path)
    assert model.metadata is not None
    for key, value in MANIFEST.items():
        assert getattr(model.metadata, key) == value
    assert model.labels == tuple(LABELS)
    assert model.normalization is not None
    assert model.normalization.mean == channels.mean
    assert model.normalization.std == channels.std


def test_the_network_computes_the_same(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(LABELS))
    path = tmp_path / "model.tflite"
    path.write_bytes(written())
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    scores = []
    for file, names in ((DATA / "bare.tflite", labels), (path, None)):
        for cache_dir in ("", str(tmp_path / "cache")):
            settings = ModelSettings(
                labels=None if names is None else str(names), cache_dir=cache_dir
            )
            with contextlib.closing(open_model(file, settings)) as classifier:
                scores.append(classifier.raw_scores(pixels).tolist())
    assert scores[0].count(scores[0][0]) < 4
    assert all(each == scores[0] for each in scores)


def test_a_finished_file_can_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(write_model_file(written(), LABELS, MANIFEST | {"name": "second"}))
    model = read_model_file(path)
    assert model.name == "second"
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 2
    names = [e.text(0) for e in Table.root(memoryview(path.read_bytes()), b"TFL3").tables(6)]
    assert names.count("TFLITE_METADATA") == 1


def test_numpy_numbers_are_written_as_numbers() -> None:
    manifest = MANIFEST | {"evaluation": {"top1": np.float32(0.5), "n": np.int64(7)}}
    data = write_model_file(BARE, LABELS, manifest)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        evaluation = json.loads(archive.read("pi_classifier.json"))["evaluation"]
    assert evaluation == {"top1": 0.5, "n": 7}


@pytest.mark.parametrize(
    ("tflite", "labels", "says"),
    [
        (b"no model", LABELS, "not a TFLite model"),
        (BARE, LABELS[:3], "3 labels for a network with 4 outputs"),
        (BARE, ["a", "b", "c", "a"], "'a' stands twice"),
        (BARE, ["a", "b", "c", ""], "expected one line"),
        (BARE, ["a", "b", "c", " d"], "expected one line"),
        (BARE, ["a", "b", "c", "d\ne"], "expected one line"),
    ],
)
def test_refuses_what_would_not_load(tflite: bytes, labels: list[str], says: str) -> None:
    with pytest.raises(ExportError, match=says):
        write_model_file(tflite, labels, MANIFEST)


@pytest.mark.parametrize("value", [math.nan, math.inf, object()])
def test_refuses_what_is_no_json(value: object) -> None:
    with pytest.raises((ExportError, ValueError), match="JSON"):
        write_model_file(BARE, LABELS, MANIFEST | {"training": {"loss": value}})


class Linear:
    """A stand-in network: scores are the shares of red, green and blue."""

    input_size = (16, 16)

    def __init__(self, constant: bool = False) -> None:
        self.constant = constant

    def raw_scores(self, pixels: np.ndarray) -> np.ndarray:
        mean = pixels.mean(axis=(0, 1)) + 1
        share = np.ones(3) / 3 if self.constant else mean / mean.sum()
        return share.astype(np.float32)


class TestGoldenVectors:
    def test_are_stable_and_differ_from_each_other(self) -> None:
        first, again = (golden_vectors(Linear(), ["r", "g", "b"], seed=1) for _ in range(2))
        assert first == again
        assert len(first) == 4
        scores = np.array([vector["scores"] for vector in first])
        for i in range(4):
            for j in range(i):
                assert np.abs(scores[i] - scores[j]).max() > 0.1
        assert golden_vectors(Linear(), ["r", "g", "b"], seed=2) != first

    def test_go_into_the_file_and_come_out(self, tmp_path: Path) -> None:
        details = read_model_file(DATA / "uint8.tflite").manifest
        path = tmp_path / "model.tflite"
        golden = details.details["golden"]
        path.write_bytes(write_model_file(BARE, LABELS, MANIFEST | {"golden": golden}))
        vectors = read_model_file(path).manifest.golden
        assert [v.scores.tolist() for v in vectors] == [v.scores.tolist() for v in details.golden]

    def test_a_network_that_says_always_the_same_is_refused(self) -> None:
        with pytest.raises(ExportError, match="same scores"):
            golden_vectors(Linear(constant=True), ["r", "g", "b"], seed=1)

    def test_label_count(self) -> None:
        with pytest.raises(ExportError, match="2 labels for a network with 3 outputs"):
            golden_vectors(Linear(), ["r", "g"], seed=1)
