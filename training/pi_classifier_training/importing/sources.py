"""Recognizing what a path holds, and reading it."""

from __future__ import annotations

import contextlib
import mmap
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pi_classifier.errors import ModelError
from pi_classifier.modelfile.associated_files import read_associated_files
from pi_classifier.modelfile.file_kinds import ARCHIVE, GRAPH, HDF5, KERAS, SAVED_MODEL, kind_of
from pi_classifier.modelfile.locate import CASCADE
from pi_classifier.modelfile.model_graph import ModelGraph, read_model_graph
from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier.modelfile.ultralytics import (
    EXPORT_TABLES,
    LARGEST_TABLE,
    NORMALIZATION_SOURCE,
    read_export,
)
from pi_classifier.setting import setting
from pi_classifier.system.files import NOT_A_FILE, open_regular_file
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.archives import unpack
from pi_classifier_training.importing.checkpoint import checkpoint_prefix, read_checkpoint
from pi_classifier_training.importing.frozen_graph import cut_graph, read_graph
from pi_classifier_training.importing.graph_nodes import (
    POETS,
    POETS_INPUTS,
    POETS_OUTPUT,
    POETS_SOURCE,
)
from pi_classifier_training.importing.original import Format, Original, converted
from pi_classifier_training.importing.raw_pixels import file_takes_raw_pixels

# https://teachablemachine.withgoogle.com: the code it shows beside each export
# crops the center and takes (x / 127.5) − 1.
TEACHABLE_MACHINE = Normalization((127.5,), (127.5,))
_TEACHABLE_SOURCE = "as Teachable Machine's own sample code does"
_TEACHABLE_FILES = ("keras_model.h5", "model_unquant.tflite")
_LABELS = ("labels.txt", "retrained_labels.txt", "labelmap.txt")
_FORMATS: dict[str, Format] = {
    ".tflite": "tflite", ".keras": "keras", ".h5": "keras", ".hdf5": "keras", ".pb": "graph",
    ".json": "tensorflowjs", ".lite": "tflite", ".meta": "checkpoint",
}  # fmt: skip
_IDENTIFIED = 8  # a flatbuffer's first bytes, its identifier among them
_FORMATS_BY_KIND: dict[str, Format] = {
    HDF5: "keras", KERAS: "keras", GRAPH: "graph", SAVED_MODEL: "graph",
}  # fmt: skip
_KNOWN = (
    "a Teachable Machine export (.zip), a TensorFlow for Poets retrained_graph.pb, a SavedModel "
    "folder, a checkpoint with its .meta, a .keras, .h5 or .tflite file"
)


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user states about a source that may not say it itself."""

    size: int | None = setting(
        None, "input side, where it is open", minimum=1, metavar="PIXELS", maximum=4_096
    )
    input_node: str | None = setting(None, "where pictures go into a .pb graph", metavar="NAME")
    output_node: str | None = setting(None, "where its scores come out", metavar="NAME")


@dataclass(frozen=True, slots=True)
class Recognized:
    """A model recognized at `path`, with the label file that belongs to it, if any."""

    format: Format
    path: Path
    labels: Path | None
    teachable_machine: bool


@contextlib.contextmanager
def opened(source: Path) -> Iterator[Recognized]:
    """Recognize `source`, a file, a folder or a ZIP, which stays unpacked in the block.

    Raises ExportError where it is none of these.
    """
    prefix = None if source.is_dir() else checkpoint_prefix(source)
    if prefix is not None:
        yield _recognized("checkpoint", prefix)
    elif not source.exists():
        raise ExportError(f"{source}: there is no such file or folder; check the path")
    elif source.is_dir():
        yield _in_folder(source, source)
    elif not source.is_file():
        raise ExportError(f"{source}: {NOT_A_FILE}; name a model")
    elif (format_ := _format_of(source)) is not None:
        yield _recognized(format_, source)
    elif zipfile.is_zipfile(source):
        with tempfile.TemporaryDirectory(prefix="pi-classifier-import-") as folder:
            yield _in_folder(unpack(source, Path(folder)), source)
    else:
        raise ExportError(f"{source}: is no model that can be imported; expected {_KNOWN}")


def is_foreign(path: Path) -> bool:
    """Whether `path` may hold a model that is no plain ``.tflite`` file and no cascade of ours."""
    if path.is_dir():
        return not any(path.glob("*.tflite")) and not (path / CASCADE).is_file()
    if not path.is_file():
        return checkpoint_prefix(path) is not None
    if path.suffix.lower() == ".toml":
        return False
    with open_regular_file(path) as file:
        return file.read(_IDENTIFIED)[4:] != b"TFL3"


def _format_of(path: Path) -> Format | None:
    """The format of a file by its content, else by its name; None for archives and others.

    Raises ExportError for what is known to be something else, such as a web page.
    """
    try:
        with open_regular_file(path) as file:
            size = file.seek(0, 2)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except OSError as error:
        raise ExportError(f"{path}: cannot be read: {error.strerror}") from error
    with memoryview(data) as view:
        if bytes(view[4:8]) == b"TFL3":
            return "tflite"
        known = kind_of(view)
    if known is None:
        return _FORMATS.get(path.suffix.lower())
    kind, advice = known
    if kind == ARCHIVE:
        return None
    if kind not in _FORMATS_BY_KIND:
        raise ExportError(f"{path}: is {kind}, {size:,} bytes, and no model to import: {advice}")
    return _FORMATS_BY_KIND[kind]


def _in_folder(folder: Path, source: Path) -> Recognized:
    """The one model in a folder, however deep; `source` is what the user named."""
    saved = sorted(p.parent for p in folder.rglob("saved_model.pb"))
    inside = [
        p
        for p in sorted(folder.rglob("*"))
        if _is_model(p) and not any(p.is_relative_to(s) for s in saved)
    ]
    models = [*saved, *inside]
    if any(p.name == "model.json" for p in models):
        models = [p for p in models if p.suffix.lower() != ".json" or p.name == "model.json"]
    if len(models) != 1:
        names = ", ".join(str(p.relative_to(folder)) for p in models[:6])
        what = (
            f"holds {len(models)} models ({names}); name one of them"
            if models
            else (f"holds no model; expected {_KNOWN}")
        )
        raise ExportError(f"{source}: {what}")
    (model,) = models
    if model.suffix == ".meta":
        return _recognized("checkpoint", model.with_suffix(""))
    return _recognized("savedmodel" if model in saved else _FORMATS[model.suffix.lower()], model)


def _is_model(path: Path) -> bool:
    if not path.is_file() or path.name.startswith("."):
        return False
    suffix = path.suffix.lower()
    if suffix == ".json":
        return path.name == "model.json"
    return suffix in _FORMATS and not path.name.endswith(".weights.h5")


def _recognized(format_: Format, path: Path) -> Recognized:
    labels = next((p for name in _LABELS if (p := path.with_name(name)).is_file()), None)
    metadata = path.with_name("metadata.json")
    teachable = (path.name in _TEACHABLE_FILES and labels is not None) or (
        format_ == "tensorflowjs"
        and metadata.is_file()
        and "teachablemachine" in metadata.read_text("utf-8", "replace").lower()
    )
    teachable = teachable or (path.name == "model.savedmodel" and labels is not None)
    return Recognized(format_, path, labels, teachable)


def read_original(recognized: Recognized, choices: Choices) -> Original:
    """Read a recognized model. Raises ExportError."""
    if recognized.format == "tflite":
        return _known(_read_tflite(recognized.path), recognized)
    reader = {
        "keras": _read_keras,
        "tensorflowjs": _read_tensorflowjs,
        "savedmodel": _read_saved_model,
        "graph": _read_graph,
        "checkpoint": _read_checkpoint,
    }[recognized.format]
    return _known(reader(recognized.path, choices), recognized)


def _known(original: Original, recognized: Recognized) -> Original:
    """Add what is known of Teachable Machine's exports."""
    if recognized.teachable_machine and original.normalization is None:
        return replace(
            original,
            normalization=TEACHABLE_MACHINE,
            normalization_source=_TEACHABLE_SOURCE,
            resize="crop",
        )
    return original


def _read_tflite(path: Path) -> Original:
    from pi_classifier_training.conversion.reference import reference

    data = path.read_bytes()
    original = Original(
        "tflite",
        path,
        data,
        reference(path, data, xnnpack=True),
        takes_raw_pixels=file_takes_raw_pixels(data),
        other_kernels=reference(path, data, xnnpack=False),
    )
    members = dict.fromkeys(EXPORT_TABLES, LARGEST_TABLE)
    try:
        export = read_export(read_associated_files(path, memoryview(data), members), str(path))
    except ModelError as error:
        raise ExportError(str(error)) from error
    if export is not None:
        return replace(
            original,
            normalization=export.normalization,
            normalization_source=NORMALIZATION_SOURCE,
        )
    return _of_poets(original, read_model_graph(data))


def _of_poets(original: Original, graph: ModelGraph) -> Original:
    """Add what is known of a converted TensorFlow for Poets graph, told by its nodes' names."""
    start, end = graph.tensors[graph.inputs[0]].name, graph.tensors[graph.outputs[0]].name
    if end != POETS_OUTPUT or start not in POETS_INPUTS:
        return original
    return replace(
        original, normalization=POETS, normalization_source=POETS_SOURCE, resize="stretch"
    )


def _read_keras(path: Path, choices: Choices) -> Original:
    from pi_classifier_training.importing.keras_files import load_keras

    return _of_keras("keras", path, load_keras(path), choices)


def _read_tensorflowjs(path: Path, choices: Choices) -> Original:
    from pi_classifier_training.importing.tensorflowjs import load_tensorflowjs

    return _of_keras("tensorflowjs", path, load_tensorflowjs(path), choices)


def _of_keras(format_: Format, path: Path, model: Any, choices: Choices) -> Original:
    shape = model.input_shape
    if isinstance(shape, list):
        raise ExportError(f"{path}: takes {len(shape)} inputs; expected one picture")
    return converted(format_, path, lambda x: model(x, training=False), shape, choices.size)


def _read_saved_model(path: Path, choices: Choices) -> Original:
    from pi_classifier_training.importing.saved_model import load_saved_model

    signature = load_saved_model(path)
    return converted("savedmodel", path, signature.call, signature.shape, choices.size)


def _read_graph(path: Path, choices: Choices) -> Original:
    if path.name == "saved_model.pb":
        return _read_saved_model(path.parent, choices)
    return _of_graph("graph", path, read_graph(path), choices)


def _read_checkpoint(path: Path, choices: Choices) -> Original:
    return _of_graph("checkpoint", path, read_checkpoint(path), choices)


def _of_graph(format_: Format, path: Path, definition: Any, choices: Choices) -> Original:
    cut = cut_graph(path, definition, choices.input_node, choices.output_node)
    shape = cut.function.inputs[0].shape
    known = tuple(shape) if shape.rank is not None else (None, None, None, 3)
    original = converted(format_, path, cut.function, known, choices.size)
    # The script of TensorFlow for Poets squeezes a photo to the network's shape.
    return replace(
        original,
        normalization=cut.normalization,
        normalization_source=cut.source,
        takes_raw_pixels=original.takes_raw_pixels and not cut.decided,
        resize="stretch" if cut.output == POETS_OUTPUT else original.resize,
    )
