from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.errors import ModelFileError
from pi_classifier.modelfile.file_kinds import named_kind
from pi_classifier.modelfile.model_file import read_model_file


def archive(names: Sequence[str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        for name in names:
            made.writestr(name, b"x" * 100)
    return content.getvalue()


LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


@pytest.mark.parametrize(
    ("content", "kind", "advice"),
    [
        (LFS, f"a Git LFS pointer, {len(LFS)} bytes", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html>", "a web page", "download the file itself"),
        (b"\xef\xbb\xbf\n <HTML lang=en>", "a web page", "download the file itself"),
        (b"\x89HDF\r\n\x1a\n" + bytes(9), "an HDF5 file", "pi-classifier-train import"),
        (archive(["archive/data.pkl", "archive/data/0"]), "a PyTorch model", "convert it"),
        (b"\x80\x02}q\x00.", "a Python pickle", "convert it"),
        (archive(["metadata.json", "config.json"]), "a Keras model", "pi-classifier-train import"),
        (archive(["labels.txt", "model.tflite"]), "a ZIP archive", "name model.tflite in it"),
        (archive(["model.json", "weights.bin"]), "a ZIP archive", "pi-classifier-train import"),
        (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "an ONNX model", "convert it to TFLite"),
        (b"\n\x16\n\x05input\x12\x0bPlaceholder", "a TensorFlow graph", "-train import"),
        (b"\x08\x01\x12\xf0\x3a\n", "the graph of a TensorFlow SavedModel", "-train import"),
        (b"\x1f\x8b\x08\0" + bytes(20), "packed with gzip", "unpack it"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "a photo", "name the model"),
        (bytes(257) + b"ustar" + bytes(250), "a tar archive", "unpack it"),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: bytes, kind: str, advice: str) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=kind) as caught:
        read_model_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: is {kind}")
    assert "not a TFLite model: " in message
    assert advice in message


@given(st.binary(max_size=600))
def test_any_bytes_are_named_in_one_line_or_not_at_all(content: bytes) -> None:
    kind = named_kind(memoryview(content))
    assert kind is None or (kind.startswith("is ") and "\n" not in kind)


@pytest.mark.parametrize("content", [b"", b"x", b"\x08\x03", b"daisy\nrose\n", b"\0\0\0\0TFL2"])
def test_what_is_not_known_has_no_name(content: bytes) -> None:
    assert named_kind(memoryview(content)) is None
