from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pi_classifier_training.modelfile.writer import write_model_file

from pi_classifier.errors import ModelError, ModelFileError, ModelMismatch
from pi_classifier.inference.classifier import open_model
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import (
    ModelFile,
    read_model_bytes,
    read_model_file,
    upsample_nearest,
)
from pi_classifier.modelfile.tflite_metadata import Normalization

DATA = Path(__file__).resolve().parents[3] / "data"
LABELS = ("background", "cyan", "magenta", "yellow")
BARE = (DATA / "bare.tflite").read_bytes()
FINISHED = (DATA / "uint8.tflite").read_bytes()


def rewritten(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], source: bytes = BARE
) -> Path:
    """A model file whose pi_classifier.json was changed before it was written."""
    manifest: dict[str, Any] = {"name": "colors", "silent_labels": ["background"]}
    change(manifest)
    path = tmp_path / "model.tflite"
    path.write_bytes(write_model_file(source, LABELS, manifest))
    return path


@pytest.mark.parametrize(
    ("name", "dtype", "scale", "zero_point", "activation"),
    [
        ("float32", "float32", 0.0, 0, "softmax"),
        ("dynamic", "float32", 0.0, 0, "softmax"),
        ("normalized", "float32", 0.0, 0, "softmax"),
        ("logits", "float32", 0.0, 0, "none"),
        ("uint8", "uint8", 1.0, 0, "softmax"),
        ("int8", "int8", 1.0, -128, "softmax"),
    ],
)
def test_reads_all_of_a_finished_file(
    name: str, dtype: str, scale: float, zero_point: int, activation: str
) -> None:
    path = DATA / f"{name}.tflite"
    model = read_model_file(path)
    assert model.name == f"colors-{name}"
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.size_bytes == path.stat().st_size
    assert model.input_size == (16, 16)
    assert model.input.dtype == dtype
    assert model.input.scale == pytest.approx(scale)
    assert model.input.zero_point == zero_point
    assert model.activation == activation
    assert model.labels == LABELS
    assert model.labels_source == "labels.txt in the model file"
    assert model.manifest.silent_labels == ("background",)
    assert model.manifest.temperature == 1.0
    assert model.manifest.thresholds.accept == 0.8
    assert model.manifest.details["training"]["n"] == 2000
    assert len(model.manifest.golden) == 4
    assert model.manifest.golden[0].scores.shape == (4,)
    assert model.metadata is not None
    assert model.metadata.license == "Apache-2.0"
    expected = (127.5,) * 3 if name == "normalized" else (0.0,)
    assert model.normalization is not None
    assert model.normalization.mean == expected


class TestLabels:
    def test_silent_labels_stay_silent_in_another_language(self, tmp_path: Path) -> None:
        labels = tmp_path / "mine.txt"
        labels.write_text("nichts\ncyan\nlila\ngelb\n")
        model = read_model_file(DATA / "int8.tflite", labels)
        assert model.labels == ("nichts", "cyan", "lila", "gelb")
        assert model.manifest.silent_labels == ("nichts",)

    def test_foreign_labels_are_silent_by_their_names(self, tmp_path: Path) -> None:
        (tmp_path / "model.tflite").write_bytes(BARE)
        (tmp_path / "labels.txt").write_text("a\nNothing\nb\nnothing new\n")
        model = read_model_file(tmp_path / "model.tflite")
        assert model.manifest.silent_labels == ("Nothing",)

    def test_stated_file_comes_first(self, tmp_path: Path) -> None:
        labels = tmp_path / "mine.txt"
        labels.write_text("0 a\n1 b\n2 c\n3 d\n")
        model = read_model_file(DATA / "logits.tflite", None)
        assert model.labels == LABELS
        model = read_model_file(DATA / "bare.tflite", labels)
        assert model.labels == ("a", "b", "c", "d")
        assert model.labels_source == str(labels)

    @pytest.mark.parametrize("name", ["model.labels.txt", "labels.txt", "labelmap.txt"])
    def test_file_beside_the_model_is_used_and_said(
        self, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "model.tflite").write_bytes(BARE)
        (tmp_path / name).write_text("a\nb\nc\nd\n")
        with caplog.at_level(logging.INFO):
            model = read_model_file(tmp_path / "model.tflite")
        assert model.labels == ("a", "b", "c", "d")
        assert name in caplog.text

    def test_equal_labels(self, tmp_path: Path) -> None:
        labels = tmp_path / "labels.txt"
        labels.write_text("a\nb\na\nc\n")
        with pytest.raises(ModelMismatch, match="several outputs have the label 'a'"):
            read_model_file(DATA / "bare.tflite", labels)

    def test_none_anywhere(self, tmp_path: Path) -> None:
        (tmp_path / "model.tflite").write_bytes(BARE)
        with pytest.raises(ModelMismatch, match="--labels FILE"):
            read_model_file(tmp_path / "model.tflite")

    @pytest.mark.parametrize(
        ("count", "hint"), [(3, "background"), (5, "one label"), (1001, "1001 labels")]
    )
    def test_wrong_count_names_both_numbers(self, tmp_path: Path, count: int, hint: str) -> None:
        labels = tmp_path / "labels.txt"
        labels.write_text("".join(f"label {i}\n" for i in range(count)))
        with pytest.raises(ModelMismatch, match=hint) as caught:
            read_model_file(DATA / "bare.tflite", labels)
        assert "4 outputs" in str(caught.value)
        assert f"{count} labels" in str(caught.value)
        assert str(labels) in str(caught.value)


class TestNormalization:
    def test_quantized_without_one_takes_pixels_and_says_so(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        labels = tmp_path / "labels.txt"
        labels.write_text("a\nb\nc\nd\n")
        settings = ModelSettings(labels=str(labels), cache_dir="")
        with caplog.at_level(logging.INFO):
            opened = open_model(DATA / "bare.tflite", settings)
        opened.close()
        assert opened.model.normalization is None
        assert "span the whole range of its uint8 input" in caplog.text

    def test_float_without_one_must_be_told(self, tmp_path: Path) -> None:
        path = tmp_path / "model.tflite"
        path.write_bytes(without_metadata((DATA / "float32.tflite").read_bytes()))
        (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
        with pytest.raises(ModelMismatch, match="mean and std"):
            read_model_file(path)
        assert read_model_file(path, to_run=False).normalization is None
        stated = Normalization((0.0,), (255.0,))
        assert read_model_file(path, normalization=stated).normalization == stated


class TestFromMemory:
    @pytest.mark.parametrize("name", ["float32", "normalized", "logits", "uint8", "int8"])
    def test_all_is_as_from_the_disk(self, name: str) -> None:
        path = DATA / f"{name}.tflite"
        on_disk = read_model_file(path)
        in_memory = read_model_bytes(path.read_bytes(), str(path))
        assert (on_disk.content, in_memory.content) == (None, path.read_bytes())
        assert (on_disk.file, in_memory.file) == (path, None)
        for field in dataclasses.fields(ModelFile):
            if field.name not in ("manifest", "content", "file"):
                assert getattr(on_disk, field.name) == getattr(in_memory, field.name)
        assert on_disk.manifest.details == in_memory.manifest.details
        assert len(in_memory.manifest.golden) == 4

    def test_labels_beside_its_name_are_not_its_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModelMismatch, match="holds no labels"):
            read_model_bytes(BARE, "model.tflite")
        assert read_model_bytes(BARE, "model", tmp_path / "labels.txt").labels[0] == "a"

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "not a TFLite model"),
            (FINISHED[:-100], "cut short"),
            (b"x" * 999, "not a TFLite"),
        ],
    )
    def test_errors_name_it(self, content: bytes, says: str) -> None:
        with pytest.raises(ModelError, match=f"^trial.tflite: .*{says}"):
            read_model_bytes(content, "trial.tflite")


def without_metadata(finished: bytes) -> bytes:
    """Rename the metadata's entry, so that the reader does not find it."""
    end = json.loads(zipfile.ZipFile(io.BytesIO(finished)).read("pi_classifier.json"))
    flatbuffer = finished[: end["flatbuffer"]["bytes"]]
    return flatbuffer.replace(b"TFLITE_METADATA", b"TFLITE_METADATB")


class TestWhatIsNoClassifier:
    def test_detector(self) -> None:
        with pytest.raises(ModelMismatch, match="2 outputs, as object detectors") as caught:
            read_model_file(DATA / "detector.tflite")
        assert "detector.tflite" in str(caught.value)

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"schema_version": 9}, None),
            ({"name": 3}, "name is 3; expected str"),
            ({"input": {"resize": "fit"}}, "resize is 'fit'; expected \"crop\" or"),
            ({"input": {"channels": "YUV"}}, "channels is 'YUV'; expected RGB, BGR or gray"),
            ({"input": {"channels": "gray"}}, "three channels; set model.channels to"),
            ({"input": {"size": [16]}}, r"size is \[16\]; expected"),
            ({"input": {"size": [32, 32]}}, r"\[32, 32\], the network takes \[16, 16\]"),
            ({"input": [1]}, "expected an object"),
            ({"silent_labels": ["blue"]}, "calls 'blue' a silent label"),
            ({"silent_labels": "background"}, "silent_labels is 'background'"),
            ({"calibration": {"temperature": 0}}, "temperature is 0"),
            ({"calibration": {"temperature": True}}, "temperature is True"),
            ({"calibration": {"temperature": 10**400}}, "0.001 to 1000"),
            ({"golden": {"tolerance": 10**400}}, r"tolerance is 10+\.\.\.; expected"),
            ({"golden": {"tolerance": -0.1}}, "tolerance is -0.1; expected a number from 0 to 1"),
            ({"golden": {"vectors": [{}] * 65}}, "vectors are 65; expected at most 64"),
            ({"input": {"size": [True, 16]}}, r"size is \[True, 16\]; expected"),
            ({"input": {"size": [10**400, 16]}}, r"size is \[10+\.\.\.; expected"),
            ({"thresholds": {"accept": 1.5}}, "accept is 1.5; expected a number from 0 to 1"),
            ({"golden": {"vectors": [{}]}}, r"vectors\[0\].shape"),
            ({"golden": {"vectors": [{"shape": [1, 1, 3], "pixels": "?"}]}}, "base64"),
            ({"golden": {"vectors": [{"shape": [1, 1, 3], "pixels": "AAAA"}]}}, "4 numbers"),
            ({"golden": {"vectors": [{"shape": [2, 1, 3], "pixels": "AAAA"}]}}, "6 bytes"),
        ],
    )
    def test_wrong_manifest(
        self, tmp_path: Path, change: dict[str, Any], says: str | None
    ) -> None:
        path = rewritten(tmp_path, lambda manifest: manifest.update(change))
        if says is None:
            # The writer always writes its own version.
            assert read_model_file(path).name == "colors"
            return
        with pytest.raises(ModelError, match=says) as caught:
            read_model_file(path)
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("{", "is not JSON"),
            ("[" * 100_000, "is not JSON"),
            ('{"a": 1e999}', "1e999 is no finite number"),
            ('{"a": NaN}', "NaN is no finite number"),
            ('{"a": ' + "1" * 5000 + "}", "is not JSON"),
            ('{"schema_version": 2}', "update pi-classifier"),
            ('{"schema_version": ' + "1" * 400 + "}", "update pi-classifier"),
            ('{"flatbuffer": {"bytes": 9}}', "sha256 is None; expected 64 hexadecimal digits"),
            ('{"golden": {"tolerance": 1e300}}', "tolerance is 1e"),
        ],
        ids=lambda text: text[:20],
    )
    def test_manifest_that_is_not_ours(self, tmp_path: Path, text: str, says: str) -> None:
        path = tmp_path / "model.tflite"
        path.write_bytes(BARE)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("pi_classifier.json", text)
        with pytest.raises(ModelFileError, match=says):
            read_model_file(path)


def test_texts_of_strangers_steer_nothing(tmp_path: Path) -> None:
    hostile = "\x1b[31mred\x1b[0m\nforged\u202e"

    def change(manifest: dict[str, Any]) -> None:
        manifest |= {"name": hostile, "description": hostile, "training": {hostile: [hostile]}}

    model = read_model_file(rewritten(tmp_path, change))
    assert model.name == "red forged"
    assert model.metadata is not None
    assert model.metadata.description == "red forged"
    assert model.manifest.details["training"] == {"red forged": ["red forged"]}


def test_a_name_is_no_longer_than_can_be_read(tmp_path: Path) -> None:
    model = read_model_file(rewritten(tmp_path, lambda manifest: manifest.update(name="x" * 999)))
    assert model.name == "x" * 99 + "…"


class TestDamage:
    def test_missing_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError, match="no such model file"):
            read_model_file(tmp_path / "none.tflite")
        with pytest.raises(ModelFileError, match="is a folder"):
            read_model_file(tmp_path)
        (tmp_path / "empty.tflite").touch()
        with pytest.raises(ModelFileError, match="is empty"):
            read_model_file(tmp_path / "empty.tflite")

    @pytest.mark.parametrize(
        "content", [b"x", b"TFL3", Random(0).randbytes(5000), b"\0\0\0\0TFL3" * 9]
    )
    def test_other_bytes(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="not a TFLite model or is damaged"):
            read_model_file(path)

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, len(FINISHED) - 1))
    def test_every_truncation_of_our_file_is_refused(
        self, tmp_path_factory: pytest.TempPathFactory, length: int
    ) -> None:
        path = tmp_path_factory.mktemp("cut") / "model.tflite"
        path.write_bytes(FINISHED[:length])
        with pytest.raises(ModelError, match=r"model\.tflite"):
            read_model_file(path)

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, len(FINISHED) - 1), st.integers(1, 255))
    def test_a_changed_byte_in_the_network_never_passes(
        self, tmp_path_factory: pytest.TempPathFactory, at: int, change: int
    ) -> None:
        path = tmp_path_factory.mktemp("flipped") / "model.tflite"
        content = bytearray(FINISHED)
        content[at] ^= change
        path.write_bytes(content)
        end = json.loads(zipfile.ZipFile(io.BytesIO(FINISHED)).read("pi_classifier.json"))
        try:
            model = read_model_file(path)
        except ModelError as error:
            message = str(error)
        else:
            # The archive has bytes that nobody reads, such as its dates.
            assert at >= end["flatbuffer"]["bytes"]
            assert model.labels == LABELS
            message = str(path)
        assert str(path) in message

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, len(BARE) - 1),
                st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255),
            ),
            min_size=1,
            max_size=8,
        ),
        st.integers(0, len(BARE)) | st.just(len(BARE)),
    )
    def test_any_damage_to_a_foreign_file_is_refused_or_read(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        flips: list[tuple[int, int]],
        length: int,
    ) -> None:
        folder = tmp_path_factory.mktemp("foreign")
        (folder / "labels.txt").write_text("a\nb\nc\nd\n")
        content = bytearray(BARE)
        for at, value in flips:
            content[at] = value
        path = folder / "model.tflite"
        path.write_bytes(content[:length])
        try:
            model = read_model_file(path)
        except ModelError as error:
            assert "model.tflite" in str(error)  # noqa: PT017
        else:
            assert model.output.shape[-1] == len(model.labels) == 4

    @pytest.mark.parametrize(
        ("description", "says"),
        [
            (b"RGB picture to classify", r"its pi_classifier\.json is missing"),
            (b"RGB picture of a flower", "names? a label file 'labels.txt' that is missing"),
        ],
        ids=["ours", "foreign"],
    )
    def test_missing_archive_of_a_file_with_labels(
        self, tmp_path: Path, description: bytes, says: str
    ) -> None:
        end = json.loads(zipfile.ZipFile(io.BytesIO(FINISHED)).read("pi_classifier.json"))
        path = tmp_path / "model.tflite"
        network = FINISHED[: end["flatbuffer"]["bytes"]]
        path.write_bytes(network.replace(b"RGB picture to classify", description))
        with pytest.raises(ModelFileError, match=says):
            read_model_file(path)

    def test_archive_that_would_fill_the_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "model.tflite"
        path.write_bytes(BARE)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("pi_classifier.json", b" " * 1_000_001)
        with pytest.raises(ModelFileError, match="json in it is larger than the 1 MB"):
            read_model_file(path)

    def test_archive_that_lost_our_manifest(self, tmp_path: Path) -> None:
        """With it checksum, self-test and silent labels would be gone without a word."""
        with zipfile.ZipFile(io.BytesIO(FINISHED)) as archive:
            end = json.loads(archive.read("pi_classifier.json"))["flatbuffer"]["bytes"]
        path = tmp_path / "model.tflite"
        path.write_bytes(FINISHED[:end])
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("labels.txt", "\n".join(LABELS))
        with pytest.raises(ModelFileError, match=r"its pi_classifier\.json is missing"):
            read_model_file(path)


def test_golden_pictures_are_enlarged_by_nearest_neighbor() -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    large = upsample_nearest(pixels, (5, 7))
    assert large.shape == (5, 7, 3)
    assert large.flags.c_contiguous
    for i in range(5):
        for j in range(7):
            assert (large[i, j] == pixels[i * 2 // 5, j * 3 // 7]).all()
