"""The TFLite Metadata of a model file, and the parts of any flatbuffer that is written.

Schema: M001, https://github.com/tensorflow/tflite-support (metadata_schema.fbs); slots are
numbered as its fields stand there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers

from pi_classifier.modelfile.labels import LABELS_NAME
from pi_classifier.modelfile.picture_input import PictureShape
from pi_classifier.modelfile.tflite_metadata import (
    FEATURE_PROPERTIES,
    GRAYSCALE,
    IMAGE_PROPERTIES,
    INPUT_DESCRIPTION,
    NORMALIZATION_OPTIONS,
    RGB,
    TENSOR_AXIS_LABELS,
    UNKNOWN_COLORS,
    Normalization,
)

# The schema has no word for blue first.
_COLORS = {"RGB": RGB, "gray": GRAYSCALE}


def metadata(
    labels: Sequence[str],
    manifest: Mapping[str, Any],
    normalization: Normalization,
    shape: PictureShape,
) -> bytes:
    """The metadata of a network that takes `shape`; `normalization` is of red, green, blue."""
    builder = flatbuffers.Builder(1024)
    contract = manifest.get("input")
    word = contract.get("channels") if isinstance(contract, Mapping) else None
    channels = str(word or ("gray" if shape.channels == 1 else "RGB"))
    image = _input_metadata(builder, normalization, shape.size, channels)
    graph = table(
        builder,
        4,
        {
            2: offsets(builder, [image]),
            3: offsets(builder, [_output_metadata(builder, len(labels))]),
        },
    )
    texts = {0: "name", 1: "description", 2: "version", 4: "author", 5: "license"}
    fields = {
        slot: builder.CreateString(str(manifest[key]))
        for slot, key in texts.items()
        if manifest.get(key)
    }
    fields[3] = offsets(builder, [graph])
    # Normalization and labels are as old as the schema itself.
    fields[7] = builder.CreateString("1.0.0")
    builder.Finish(table(builder, 8, fields), file_identifier=b"M001")
    return bytes(builder.Output())


def _input_metadata(
    builder: flatbuffers.Builder,
    normalization: Normalization,
    size: tuple[int, int],
    channels: str,
) -> int:
    # In the order of the tensor.
    order = slice(None, None, -1 if channels == "BGR" else 1)
    mean, std = normalization.mean[order], normalization.std[order]
    options = table(builder, 2, {0: _floats(builder, mean), 1: _floats(builder, std)})
    builder.StartObject(2)
    builder.PrependUint8Slot(0, NORMALIZATION_OPTIONS, 0)
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    unit = builder.EndObject()
    builder.StartObject(2)
    builder.PrependUint32Slot(0, size[1], 0)
    builder.PrependUint32Slot(1, size[0], 0)
    default_size = builder.EndObject()
    builder.StartObject(2)
    builder.PrependInt8Slot(0, _COLORS.get(channels, UNKNOWN_COLORS), 0)
    builder.PrependUOffsetTRelativeSlot(1, default_size, 0)
    image = builder.EndObject()
    lowest = [(0 - m) / s for m, s in zip(mean, std, strict=True)]
    highest = [(255 - m) / s for m, s in zip(mean, std, strict=True)]
    return table(
        builder,
        7,
        {
            0: builder.CreateString("image"),
            1: builder.CreateString(f"{channels} {INPUT_DESCRIPTION}"),
            3: _content(builder, IMAGE_PROPERTIES, image),
            4: offsets(builder, [unit]),
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
    return table(
        builder,
        7,
        {
            0: builder.CreateString("probability"),
            1: builder.CreateString("score of each label"),
            3: _content(builder, FEATURE_PROPERTIES, table(builder, 0, {})),
            5: _statistics(builder, [0.0], [1.0]),
            6: offsets(builder, [file]),
        },
    )


def _content(builder: flatbuffers.Builder, kind: int, properties: int) -> int:
    builder.StartObject(3)
    builder.PrependUint8Slot(0, kind, 0)
    builder.PrependUOffsetTRelativeSlot(1, properties, 0)
    return int(builder.EndObject())


def _statistics(builder: flatbuffers.Builder, low: list[float], high: list[float]) -> int:
    return table(builder, 2, {0: _floats(builder, high), 1: _floats(builder, low)})


def table(
    builder: flatbuffers.Builder,
    slots: int,
    references: Mapping[int, int],
    scalars: Callable[[flatbuffers.Builder], None] | None = None,
) -> int:
    """Add a table; `references` are offsets by slot, `scalars` adds what is no reference."""
    builder.StartObject(slots)
    for slot, offset in references.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    if scalars is not None:
        scalars(builder)
    return int(builder.EndObject())


def offsets(builder: flatbuffers.Builder, targets: Sequence[int]) -> int:
    """Add a vector of references."""
    builder.StartVector(4, len(targets), 4)
    for offset in reversed(targets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: flatbuffers.Builder, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())
