"""Names a file that is no TFLite model for what it is, and says what to do with it."""

from __future__ import annotations

import re
from pathlib import Path

from pi_classifier.errors import ModelFileError

_IMPORT = "make a model file of it on the workstation: pi-classifier-train import"
_CONVERT = "convert it to TFLite first"
_CONVERT_PYTORCH = (
    "convert it to TFLite first (Ultralytics: yolo export model=FILE format=tflite; others: "
    "litert-torch)"
)
_UNPACK = "unpack it and name the .tflite file in it"
_DOWNLOAD = "download the file itself"

# Kinds that the bench imports.
HDF5 = "an HDF5 file (.h5) of Keras"
KERAS = "a Keras model (.keras)"
GRAPH = "a TensorFlow graph (.pb)"
SAVED_MODEL = "the graph of a TensorFlow SavedModel (saved_model.pb)"
ARCHIVE = "a ZIP archive"

# What a file begins with; the first that fits.
_BEGINNINGS = (
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer", "fetch it: git lfs pull"),
    (b"pi-classifier encrypted ", "an encrypted model", "name the model it was made from"),
    (b"\x89HDF\r\n\x1a\n", HDF5, _IMPORT),
    (b"\x80\x02", "a Python pickle, as PyTorch writes (.pt)", _CONVERT_PYTORCH),
    (b"\x80\x04", "a Python pickle, as PyTorch writes (.pt)", _CONVERT_PYTORCH),
    (b"\x08\x01\x12", SAVED_MODEL, _IMPORT),
    (b"\x1f\x8b", "packed with gzip", _UNPACK),
    (b"BZh", "packed with bzip2", _UNPACK),
    (b"\xfd7zXZ", "packed with xz", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\xff\xd8\xff", "a photo (JPEG)", "name the model, and the photo where photos go"),
    (b"\x89PNG", "a picture (PNG)", "name the model, and the picture where photos go"),
    (b"\x7fELF", "a program", "name a .tflite file"),
    (b"%PDF", "a PDF document", _DOWNLOAD),
)  # fmt: skip
_WEB_PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<!--")
# These have no identifier. ONNX begins with the format's version, then what wrote it; a
# GraphDef is a list of nodes, each with its name and its operation.
_ONNX = re.compile(rb"\x08.\x12[\0-\x3f]", re.DOTALL)
_GRAPH = re.compile(rb"\n.{1,5}?\n.[\w./-]+\x12.[A-Z]\w", re.DOTALL)
_PATTERNS = (
    (_ONNX, "an ONNX model", f"{_CONVERT} (onnx2tf)"),
    (_GRAPH, GRAPH, _IMPORT),
)
_LOOKED_AT, _DIRECTORY = 512, 1 << 16
_MODEL_NAME = re.compile(rb"[\w./-]+\.(?:tflite|lite)")


def refuse_other_kinds(path: Path, data: memoryview) -> None:
    """Raise `ModelFileError` where `data`, the file at `path`, are known to be something else."""
    kind = None if bytes(data[4:8]) == b"TFL3" else named_kind(data)
    if kind is not None:
        raise ModelFileError(f"{path}: {kind}")


def named_kind(data: memoryview) -> str | None:
    """Return what `data` are and what to do, "is a web page …: …"; None for what is not known."""
    known = kind_of(data)
    if known is None:
        return None
    kind, advice = known
    return f"is {kind}, {len(data):,} bytes, not a TFLite model: {advice}"


def kind_of(data: memoryview) -> tuple[str, str] | None:
    """Return what `data` are, such as `HDF5`, and what to do; None for what is not known."""
    head = bytes(data[:_LOOKED_AT])
    for beginning, kind, advice in _BEGINNINGS:
        if head.startswith(beginning):
            return kind, advice
    if head.startswith(b"PK\x03\x04"):
        return _archive(bytes(data[-_DIRECTORY:]))
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_WEB_PAGES):
        return "a web page (HTML)", f"{_DOWNLOAD}, not its page"
    for pattern, kind, advice in _PATTERNS:
        if pattern.match(head):
            return kind, advice
    if head[257:262] == b"ustar":
        return "a tar archive", _UNPACK
    return None


def _archive(directory: bytes) -> tuple[str, str]:
    """What a ZIP holds, by the names at its end: PyTorch and Keras write their models as one."""
    if b"data.pkl" in directory:
        return "a PyTorch model (.pt)", _CONVERT_PYTORCH
    if b"metadata.json" in directory and b"config.json" in directory:
        return KERAS, _IMPORT
    inside = _MODEL_NAME.search(directory)
    if inside is not None:
        return ARCHIVE, f"unpack it and name {inside[0].decode()} in it, or {_IMPORT}"
    return ARCHIVE, f"if a model is in it, {_IMPORT}"
