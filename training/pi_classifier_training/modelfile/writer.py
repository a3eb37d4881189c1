"""The only writer of model files: a TFLite flatbuffer with its metadata and archive.

A finished FlatBuffer refers only forwards, so a new root table, with everything that
metadata adds, is put before the converter's output, which stays as it is byte for
byte: weights keep their alignment for memory-mapping and fields of newer schemas
survive.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers

from pi_classifier.errors import ModelFileError, ModelMismatch
from pi_classifier.modelfile.associated_files import read_associated_files
from pi_classifier.modelfile.flatbuffer import DamagedBuffer, Table
from pi_classifier.modelfile.labels import (
    LABELS_NAME,
    LARGEST_BYTES,
    clean_label,
    label_text,
    labels_fit,
    parse_labels,
)
from pi_classifier.modelfile.manifest import LARGEST_MANIFEST, MANIFEST_NAME, SCHEMA_VERSION
from pi_classifier.modelfile.picture_input import (
    PictureShape,
    check_picture_shape,
    picture_shape,
)
from pi_classifier.modelfile.tflite_metadata import METADATA_NAME, RAW_PIXELS, Normalization
from pi_classifier.printable import is_visible
from pi_classifier_training.errors import ExportError
from pi_classifier_training.modelfile.metadata_writer import metadata, offsets, table

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
    the graph expects of red, green, blue, `RAW_PIXELS` where it begins with a Rescaling layer;
    the manifest's ``input.channels`` in which order it takes them. Equal arguments give equal
    bytes. Raises ExportError.
    """
    bare = _without_archive(tflite)
    try:
        model = Table.root(memoryview(bare), b"TFL3")
        _check_labels(model, labels)
        described = metadata(labels, manifest, normalization, _input_shape(model))
        flatbuffer = _with_metadata(model, bare, described)
    except DamagedBuffer as error:
        raise ExportError(f"this is not a TFLite model: {error}") from error
    return flatbuffer + _archive(flatbuffer, labels, manifest)


def with_manifest_entries(finished: bytes, changes: Mapping[str, Any]) -> bytes:
    """Return a finished model file with other entries in its ``pi_classifier.json``.

    An entry of None is removed. The flatbuffer stays as it is, byte for byte, and so do the
    labels. Raises ExportError for a file without ``pi_classifier.json``.
    """
    labels, manifest = _labels_and_manifest(finished)
    flatbuffer = finished[: manifest["flatbuffer"]["bytes"]]
    entries = {key: value for key, value in {**manifest, **changes}.items() if value is not None}
    return flatbuffer + _archive(flatbuffer, labels, entries)


def with_card(finished: bytes, card: Mapping[str, str]) -> bytes:
    """Return an exported model file of another name, version or origin.

    They stand in ``pi_classifier.json`` and in the standard metadata, which is put before the
    old one: the network stays where it is, byte for byte. Raises ExportError for a file without
    ``pi_classifier.json``.
    """
    labels, manifest = _labels_and_manifest(finished)
    if all(manifest.get(key) == value for key, value in card.items()):
        return finished
    return write_model_file(finished, labels, {**manifest, **card})


def _labels_and_manifest(finished: bytes) -> tuple[tuple[str, ...], dict[str, Any]]:
    most_bytes = {MANIFEST_NAME: LARGEST_MANIFEST, LABELS_NAME: LARGEST_BYTES}
    try:
        files = read_associated_files(Path("this file"), memoryview(finished), most_bytes)
        return parse_labels(files[LABELS_NAME], LABELS_NAME), json.loads(files[MANIFEST_NAME])
    except (ModelFileError, KeyError, ValueError) as error:
        raise ExportError(
            f"this file has no {MANIFEST_NAME} ({error}); make it a model file first"
        ) from error


def _without_archive(tflite: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(tflite)) as archive:
            return tflite[: min(item.header_offset for item in archive.infolist())]
    except (zipfile.BadZipFile, ValueError):
        return tflite


def _tensor_shape(model: Table, slot: int) -> tuple[int | float, ...]:
    graph = model.tables(2)[0]
    return graph.tables(0)[int(graph.numbers(slot, "int32")[0])].numbers(0, "int32")


def _input_shape(model: Table) -> PictureShape:
    shape = tuple(int(n) for n in _tensor_shape(model, 1))
    try:
        check_picture_shape(shape)
    except ModelMismatch as error:
        raise ExportError(str(error)) from error
    return picture_shape(shape)


def _check_labels(model: Table, labels: Sequence[str]) -> None:
    outputs = math.prod(int(n) for n in _tensor_shape(model, 2))
    if not labels_fit(len(labels), outputs):
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


def _with_metadata(model: Table, bare: bytes, described: bytes) -> bytes:
    """Put a new root, whose metadata buffer holds `described`, before the old model."""
    if model.slots > _MODEL_SLOTS:
        raise ExportError("the model is of a newer TFLite schema than this program knows")
    tail = bare + bytes(-len(bare) % _ALIGNMENT)
    builder = flatbuffers.Builder(len(tail) + len(described) + 4096)
    builder.Bytes[len(builder.Bytes) - len(tail) :] = tail
    builder.head = len(builder.Bytes) - len(tail)
    builder.minalign = _ALIGNMENT

    def old(position: int) -> int:
        """A position in `bare` as the builder counts: from the end."""
        return len(tail) - position

    new_buffer = table(builder, 1, {0: _aligned_bytes(builder, described)})
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
    fields[_BUFFERS] = offsets(builder, [*buffers, new_buffer])
    fields[_METADATA] = offsets(builder, [*entries, entry])
    version = model.integer(0, "uint32")
    root = table(builder, _MODEL_SLOTS, fields, lambda b: b.PrependUint32Slot(0, version, 0))
    builder.Finish(root, file_identifier=b"TFL3")
    return bytes(builder.Output())


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
