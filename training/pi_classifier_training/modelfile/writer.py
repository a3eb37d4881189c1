"""The only writer of model files: a TFLite flatbuffer with its metadata and archive.

A finished FlatBuffer refers only forwards, so a new root table, with everything that
metadata adds, is put before the converter's output, which stays as it is byte for
byte: weights keep their alignment for memory-mapping and fields of newer schemas
survive. Metadata schema: M001, https://github.com/tensorflow/tflite-support
(metadata_schema.fbs); slots are numbered as its fields stand there.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers

from pi_classifier.errors import ModelFileError
from pi_classifier.modelfile.associated_files import read_associated_files
from pi_classifier.modelfile.flatbuffer import DamagedBuffer, Table
from pi_classifier.modelfile.labels import (
    LABELS_NAME,
    LARGEST_BYTES,
    clean_label,
    label_text,
    parse_labels,
)
from pi_classifier.modelfile.manifest import LARGEST_MANIFEST, MANIFEST_NAME, SCHEMA_VERSION
from pi_classifier.modelfile.tflite_metadata import (
    FEATURE_PROPERTIES,
    IMAGE_PROPERTIES,
    INPUT_DESCRIPTION,
    METADATA_NAME,
    NORMALIZATION_OPTIONS,
    RAW_PIXELS,
    RGB,
    TENSOR_AXIS_LABELS,
    Normalization,
)
from pi_classifier.printable import is_visible
from pi_classifier_training.errors import ExportError

_MODEL_SLOTS = 8
_BUFFERS, _METADATA = 4, 6
# What the schema asks of buffers (force_align); kept relative to the file's start.
_ALIGNMENT = 16
# The earliest date a ZIP archive can hold: files of equal content are equal files.
_DATE = (1980, 1, 1, 0, 0, 0)


def write_model_file(
    tflite: bytes,
    labels: Sequence[str],
    manifest: Mapping[str, Any],
    normalization: Normalization = RAW_PIXELS,
) -> bytes:
    """Return `tflite` (a bare flatbuffer or a finished model file) as a model file.

    `manifest` becomes ``pi_classifier.json``; its name, version, description,
    author and license also go into the standard metadata. `normalization` says what
    the graph expects, `RAW_PIXELS` where it begins with a Rescaling layer. Equal
    arguments give equal bytes. Raises ExportError.
    """
    bare = _without_archive(tflite)
    try:
        model = Table.root(memoryview(bare), b"TFL3")
        _check_labels(model, labels)
        metadata = _metadata(labels, manifest, normalization, _input_size(model))
        flatbuffer = _with_metadata(model, bare, metadata)
    except DamagedBuffer as error:
        raise ExportError(f"this is not a TFLite model: {error}") from error
    return flatbuffer + _archive(flatbuffer, labels, manifest)


def with_manifest_entries(finished: bytes, changes: Mapping[str, Any]) -> bytes:
    """Return a finished model file with other entries in its ``pi_classifier.json``.

    The flatbuffer stays as it is, byte for byte, and so do the labels. Raises
    ExportError for a file without ``pi_classifier.json``.
    """
    most_bytes = {MANIFEST_NAME: LARGEST_MANIFEST, LABELS_NAME: LARGEST_BYTES}
    try:
        files = read_associated_files(Path("this file"), memoryview(finished), most_bytes)
        manifest = json.loads(files[MANIFEST_NAME])
        labels = parse_labels(files[LABELS_NAME], LABELS_NAME)
    except (ModelFileError, KeyError, ValueError) as error:
        raise ExportError(
            f"this file has no {MANIFEST_NAME} ({error}); make it a model file first"
        ) from error
    flatbuffer = finished[: manifest["flatbuffer"]["bytes"]]
    return flatbuffer + _archive(flatbuffer, labels, {**manifest, **changes})


def _without_archive(tflite: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(tflite)) as archive:
            return tflite[: min(item.header_offset for item in archive.infolist())]
    except (zipfile.BadZipFile, ValueError):
        return tflite


def _tensor_shape(model: Table, slot: int) -> tuple[int | float, ...]:
    graph = model.tables(2)[0]
    return graph.tables(0)[int(graph.numbers(slot, "int32")[0])].numbers(0, "int32")


def _input_size(model: Table) -> tuple[int, int]:
    shape = _tensor_shape(model, 1)
    if len(shape) != 4 or shape[3] != 3:
        raise ExportError(f"the input has shape {shape}, expected (1, height, width, 3)")
    return int(shape[1]), int(shape[2])


def _check_labels(model: Table, labels: Sequence[str]) -> None:
    outputs = _tensor_shape(model, 2)[-1]
    if len(labels) != outputs:
        raise ExportError(f"{len(labels)} labels for a network with {outputs} outputs")
    for label in labels:
        if label != clean_label(label) or not is_visible(label):
            raise ExportError(
                f"label {label!r}: expected one line of text that can be seen, without spaces "
                "around it"
            )
    if len(set(labels)) != len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ExportError(f"label {twice!r} stands twice in the list; labels must differ")


def _with_metadata(model: Table, bare: bytes, metadata: bytes) -> bytes:
    """Put a new root, whose metadata buffer holds `metadata`, before the old model."""
    if model.slots > _MODEL_SLOTS:
        raise ExportError("the model is of a newer TFLite schema than this program knows")
    tail = bare + bytes(-len(bare) % _ALIGNMENT)
    builder = flatbuffers.Builder(len(tail) + len(metadata) + 4096)
    builder.Bytes[len(builder.Bytes) - len(tail) :] = tail
    builder.head = len(builder.Bytes) - len(tail)
    builder.minalign = _ALIGNMENT

    def old(position: int) -> int:
        """A position in `bare` as the builder counts: from the end."""
        return len(tail) - position

    new_buffer = _table(builder, 1, {0: _aligned_bytes(builder, metadata)})
    buffers = [old(buffer.position) for buffer in model.tables(_BUFFERS)]
    name = builder.CreateString(METADATA_NAME)
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependUint32Slot(1, len(buffers), 0)
    entry = builder.EndObject()
    entries = [old(e.position) for e in model.tables(_METADATA) if e.text(0) != METADATA_NAME]
    fields = {
        slot: old(target)
        for slot in range(1, model.slots)
        if (target := model.target(slot)) is not None
    }
    fields[_BUFFERS] = _offsets(builder, [*buffers, new_buffer])
    fields[_METADATA] = _offsets(builder, [*entries, entry])
    version = model.integer(0, "uint32")
    root = _table(builder, _MODEL_SLOTS, fields, lambda b: b.PrependUint32Slot(0, version, 0))
    builder.Finish(root, file_identifier=b"TFL3")
    return bytes(builder.Output())


def _metadata(
    labels: Sequence[str],
    manifest: Mapping[str, Any],
    normalization: Normalization,
    size: tuple[int, int],
) -> bytes:
    builder = flatbuffers.Builder(1024)
    graph = _table(
        builder,
        4,
        {
            2: _offsets(builder, [_input_metadata(builder, normalization, size)]),
            3: _offsets(builder, [_output_metadata(builder, len(labels))]),
        },
    )
    texts = {0: "name", 1: "description", 2: "version", 4: "author", 5: "license"}
    fields = {
        slot: builder.CreateString(str(manifest[key]))
        for slot, key in texts.items()
        if manifest.get(key)
    }
    fields[3] = _offsets(builder, [graph])
    # Normalization and labels are as old as the schema itself.
    fields[7] = builder.CreateString("1.0.0")
    builder.Finish(_table(builder, 8, fields), file_identifier=b"M001")
    return bytes(builder.Output())


def _input_metadata(
    builder: flatbuffers.Builder, normalization: Normalization, size: tuple[int, int]
) -> int:
    mean, std = normalization.mean, normalization.std
    options = _table(builder, 2, {0: _floats(builder, mean), 1: _floats(builder, std)})
    builder.StartObject(2)
    builder.PrependUint8Slot(0, NORMALIZATION_OPTIONS, 0)
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    unit = builder.EndObject()
    builder.StartObject(2)
    builder.PrependUint32Slot(0, size[1], 0)
    builder.PrependUint32Slot(1, size[0], 0)
    default_size = builder.EndObject()
    builder.StartObject(2)
    builder.PrependInt8Slot(0, RGB, 0)
    builder.PrependUOffsetTRelativeSlot(1, default_size, 0)
    image = builder.EndObject()
    lowest = [(0 - m) / s for m, s in zip(mean, std, strict=True)]
    highest = [(255 - m) / s for m, s in zip(mean, std, strict=True)]
    return _table(
        builder,
        7,
        {
            0: builder.CreateString("image"),
            1: builder.CreateString(INPUT_DESCRIPTION),
            3: _content(builder, IMAGE_PROPERTIES, image),
            4: _offsets(builder, [unit]),
            5: _statistics(builder, lowest, highest),
        },
    )


def _output_metadata(builder: flatbuffers.Builder, labels: int) -> int:
    name = builder.CreateString(LABELS_NAME)
    description = builder.CreateString(f"the {labels} labels, in output order")
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependUOffsetTRelativeSlot(1, description, 0)
    builder.PrependInt8Slot(2, TENSOR_AXIS_LABELS, 0)
    file = builder.EndObject()
    return _table(
        builder,
        7,
        {
            0: builder.CreateString("probability"),
            1: builder.CreateString("score of each label"),
            3: _content(builder, FEATURE_PROPERTIES, _table(builder, 0, {})),
            5: _statistics(builder, [0.0], [1.0]),
            6: _offsets(builder, [file]),
        },
    )


def _content(builder: flatbuffers.Builder, kind: int, properties: int) -> int:
    builder.StartObject(3)
    builder.PrependUint8Slot(0, kind, 0)
    builder.PrependUOffsetTRelativeSlot(1, properties, 0)
    return int(builder.EndObject())


def _statistics(builder: flatbuffers.Builder, low: list[float], high: list[float]) -> int:
    return _table(builder, 2, {0: _floats(builder, high), 1: _floats(builder, low)})


def _table(
    builder: flatbuffers.Builder,
    slots: int,
    references: Mapping[int, int],
    scalars: Callable[[flatbuffers.Builder], None] | None = None,
) -> int:
    builder.StartObject(slots)
    for slot, offset in references.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    if scalars is not None:
        scalars(builder)
    return int(builder.EndObject())


def _offsets(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: flatbuffers.Builder, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def _aligned_bytes(builder: flatbuffers.Builder, data: bytes) -> int:
    builder.StartVector(1, len(data), _ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return int(builder.EndVector())


def _archive(flatbuffer: bytes, labels: Sequence[str], manifest: Mapping[str, Any]) -> bytes:
    """Return the ZIP archive that follows the flatbuffer in the file."""
    version = {"schema_version": SCHEMA_VERSION}
    contents = {
        **version,  # stands first, whatever version the manifest was read as
        **manifest,
        **version,
        "flatbuffer": {
            "bytes": len(flatbuffer),
            "sha256": hashlib.sha256(flatbuffer).hexdigest(),
        },
    }
    text = json.dumps(contents, indent=1, ensure_ascii=False, allow_nan=False, default=_plain)
    stream = io.BytesIO(flatbuffer)
    stream.seek(len(flatbuffer))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (
            (LABELS_NAME, label_text(labels)),
            (MANIFEST_NAME, text + "\n"),
        ):
            item = zipfile.ZipInfo(name, _DATE)
            item.create_system = 3
            item.external_attr = 0o644 << 16
            archive.writestr(item, content.encode())
    return stream.getvalue()[len(flatbuffer) :]


def _plain(value: Any) -> Any:
    """Turn numpy scalars into Python numbers."""
    if hasattr(value, "item"):
        return value.item()
    raise ExportError(f"{value!r} cannot be written as JSON")
