"""The TFLite Metadata of a model: a flatbuffer of its own in one of the model's buffers.

Slots are numbered as the fields stand in metadata_schema.fbs (identifier M001) of
https://github.com/tensorflow/tflite-support, which MediaPipe and Android read too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pi_classifier.errors import ModelMismatch
from pi_classifier.modelfile.flatbuffer import Table

# The model's buffer of this name holds the metadata.
METADATA_NAME = "TFLITE_METADATA"
# Values of the schema's enums and unions, for the reader here and training's writer.
NORMALIZATION_OPTIONS = 1
TENSOR_AXIS_LABELS = 2
FEATURE_PROPERTIES, IMAGE_PROPERTIES = 1, 2
UNKNOWN_COLORS, RGB, GRAYSCALE = 0, 1, 2
# So ends what this project's writer says of the input, and no other: it tells its own files.
INPUT_DESCRIPTION = "picture to classify"


@dataclass(frozen=True, slots=True)
class Normalization:
    """A network's input is (pixel − mean) / std; one value, or one per channel."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


RAW_PIXELS = Normalization()


@dataclass(frozen=True, slots=True)
class Metadata:
    """The TFLite Metadata of a model; texts are "" where missing.

    `own` where this project's writer wrote them, and ``pi_classifier.json`` with them.
    The normalization's values are in the order of the input's channels. `gray` where they say
    that it takes gray pictures.
    """

    name: str
    description: str
    version: str
    author: str
    license: str
    normalization: Normalization | None
    label_file: str | None
    own: bool
    gray: bool


def read_metadata(root: Table) -> Metadata:
    """Read the metadata from their root table. Raises `ModelMismatch`."""
    graphs = root.tables(3)
    inputs = graphs[0].tables(2) if graphs else []
    outputs = graphs[0].tables(3) if graphs else []
    return Metadata(
        name=root.text(0),
        description=root.text(1),
        version=root.text(2),
        author=root.text(4),
        license=root.text(5),
        normalization=next(_normalizations(inputs), None),
        label_file=next(_label_files(outputs), None),
        own=bool(inputs) and inputs[0].text(1).endswith(INPUT_DESCRIPTION),
        gray=bool(inputs) and _is_gray(inputs[0]),
    )


def _is_gray(tensor: Table) -> bool:
    content = tensor.table(3)
    if content is None or content.integer(0, "uint8") != IMAGE_PROPERTIES:
        return False
    properties = content.table(1)
    return properties is not None and properties.integer(0, "int8") == GRAYSCALE


def _normalizations(inputs: list[Table]) -> Iterator[Normalization]:
    for tensor in inputs[:1]:
        for unit in tensor.tables(4):
            options = unit.table(1)
            if unit.integer(0, "uint8") == NORMALIZATION_OPTIONS and options is not None:
                yield normalization(options.numbers(0, "float32"), options.numbers(1, "float32"))


def normalization(mean: tuple[float, ...], std: tuple[float, ...]) -> Normalization:
    """Check a normalization: 1 or 3 finite values each, no `std` of 0.

    Raises `ModelMismatch`.
    """
    sound = all(map(math.isfinite, (*mean, *std))) and all(s > 0 for s in std)
    if len(mean) != len(std) or len(mean) not in (1, 3) or not sound:
        raise ModelMismatch(
            f"the normalization has mean {list(mean)} and std {list(std)}; expected one "
            "value or three of each, std above 0"
        )
    return Normalization(tuple(mean), tuple(std))


def _label_files(outputs: list[Table]) -> Iterator[str]:
    for tensor in outputs[:1]:
        files = [f for f in tensor.tables(6) if f.integer(2, "int8") == TENSOR_AXIS_LABELS]
        # Translations carry a locale; the file without one comes first.
        for file in sorted(files, key=lambda f: f.text(3)):
            yield file.text(0)
