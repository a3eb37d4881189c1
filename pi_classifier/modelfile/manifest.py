"""``pi_classifier.json``: what the project's own model files say beyond TFLite Metadata."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from pi_classifier.errors import ModelFileError, ModelMismatch
from pi_classifier.modelfile.labels import clean_label
from pi_classifier.modelfile.picture_input import Channels
from pi_classifier.printable import printable

MANIFEST_NAME = "pi_classifier.json"
SCHEMA_VERSION = 1
# Read as objects, the worst text of this size takes 35 MB; the project's own have 4 to 330 kB.
LARGEST_MANIFEST = 1_000_000
LONGEST_NAME = 100
_MOST_GOLDEN_VECTORS = 64
_LARGEST_SIDE = 1 << 14
_LARGEST_SCORE = float(np.finfo(np.float32).max)
# Beyond, every label has the same score, or one has all.
_TEMPERATURES = (0.001, 1000.0)
UNKNOWN_SCORE = "log-linear"
_FLOORS = (1e-9, 0.5)
# Fitted ones are below 10; sums of a hundred thousand such logarithms stay within float32.
_LARGEST_WEIGHT = 1e6
_LARGEST_THRESHOLD = 1e12
_SHA256 = re.compile(r"[0-9a-f]{64}")
Resize = Literal["crop", "stretch"]
# As they stand in `input.channels`.
CHANNELS_WRITTEN: dict[Channels, str] = {"rgb": "RGB", "bgr": "BGR", "gray": "gray"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores recommended by training; None where it recommends none.

    `accept` for a cascade's stage, `high` and `low` for the smoother.
    """

    accept: float | None = None
    high: float | None = None
    low: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class GoldenVector:
    """A tiny RGB picture uint8 ``[h, w, 3]`` and the scores float32 ``[labels]`` it must give."""

    pixels: NDArray[np.uint8]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class UnknownScore:
    """By which a frame is known that is unlike every label: fitted when the model was finished.

    The frame's score is the sum of `weights` float32 ``[labels]`` times the logarithms of its
    scores at temperature 1, none taken for less than `floor`. Above `threshold` it is unknown.
    """

    weights: NDArray[np.float32]
    floor: float
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """The checked contents of ``pi_classifier.json``; the defaults are those of foreign files.

    `flatbuffer_bytes` and `flatbuffer_sha256` are the checksum of the network's part
    of the file. `details` is the whole JSON object, for people.
    """

    name: str = ""
    resize: Resize = "crop"
    size: tuple[int, int] | None = None
    channels: Channels | None = None
    silent_labels: tuple[str, ...] = ()
    temperature: float = 1.0
    thresholds: Thresholds = Thresholds()
    unknown: UnknownScore | None = None
    golden: tuple[GoldenVector, ...] = ()
    golden_tolerance: float = 0.05
    flatbuffer_bytes: int | None = None
    flatbuffer_sha256: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class _Reader:
    """Takes values out of nested JSON objects, naming the place of a wrong one."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise ModelFileError(f"{place} is {_brief(value)}; expected an object")
        self.value: dict[str, Any] = value
        self.place = place

    def inner(self, key: str) -> _Reader:
        return _Reader(self.value.get(key, {}), f"{self.place}.{key}")

    def take(self, key: str, kind: type[T], default: T) -> T:
        value = self.value.get(key, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(key, kind.__name__)
        return value

    def number(self, key: str, low: float, high: float, default: float) -> float:
        value = self.value.get(key, default)
        if not _is_number(value, low, high):
            raise self.wrong(key, f"a number from {low:g} to {high:g}")
        return float(value)

    def ratio(self, key: str) -> float | None:
        return None if self.value.get(key) is None else self.number(key, 0, 1, 0)

    def wrong(self, key: str, expected: str) -> ModelFileError:
        value = _brief(self.value.get(key))
        return ModelFileError(f"{self.place}.{key} is {value}; expected {expected}")


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_number(value: object, low: float, high: float) -> TypeGuard[int | float]:
    # Not-a-number is within no bounds; integers of any length can be compared.
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def parse_manifest(content: bytes, place: str, outputs: int) -> Manifest:
    """Read the JSON text of a model with `outputs` scores; `place` names it in errors.

    Raises `ModelFileError` for a wrong value, `ModelMismatch` for an unusable one.
    """
    try:
        value = _cleaned(json.loads(content, parse_float=_finite, parse_constant=_finite))
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise ModelFileError(f"{place}: is not JSON ({reason}); write the file again") from None
    top = _Reader(value, place)
    version = top.take("schema_version", int, SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise ModelFileError(
            f"{place}: has schema_version {_brief(version)}, this program knows "
            f"{SCHEMA_VERSION}; update pi-classifier"
        )
    contract, flatbuffer, golden = top.inner("input"), top.inner("flatbuffer"), top.inner("golden")
    calibration, thresholds = top.inner("calibration"), top.inner("thresholds")
    return Manifest(
        name=printable(top.take("name", str, ""), LONGEST_NAME),
        resize=_resize(contract),
        size=_size(contract),
        channels=_channels(contract),
        silent_labels=_texts(top, "silent_labels"),
        temperature=calibration.number("temperature", *_TEMPERATURES, 1.0),
        thresholds=Thresholds(*(thresholds.ratio(key) for key in ("accept", "high", "low"))),
        unknown=_unknown(top.inner("unknown"), outputs) if "unknown" in top.value else None,
        golden=_golden_vectors(golden, outputs),
        golden_tolerance=golden.number("tolerance", 0, 1, 0.05),
        flatbuffer_bytes=flatbuffer.take("bytes", int, -1) if flatbuffer.value else None,
        flatbuffer_sha256=_sha256(flatbuffer) if flatbuffer.value else "",
        details=top.value,
    )


def _cleaned(value: Any) -> Any:
    """A JSON value with printable texts alone; lists and objects are changed in place."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        for index, item in enumerate(value):
            value[index] = _cleaned(item)
    elif isinstance(value, dict):
        if not all(map(str.isprintable, value)):
            value = {printable(key): item for key, item in value.items()}
        for key, item in value.items():
            value[key] = _cleaned(item)
    return value


def _resize(contract: _Reader) -> Resize:
    resize = contract.take("resize", str, "crop")
    if resize == "crop":
        return "crop"
    if resize == "stretch":
        return "stretch"
    raise contract.wrong("resize", '"crop" or "stretch"')


def _channels(contract: _Reader) -> Channels | None:
    if "channels" not in contract.value:
        return None
    word = contract.take("channels", str, "")
    for channels, written in CHANNELS_WRITTEN.items():
        if word == written:
            return channels
    raise ModelMismatch(str(contract.wrong("channels", "RGB, BGR or gray")))


def _size(contract: _Reader) -> tuple[int, int] | None:
    size = contract.take("size", list, [])
    if not size:
        return None
    whole = all(isinstance(side, int) and _is_number(side, 1, _LARGEST_SIDE) for side in size)
    if len(size) != 2 or not whole:
        raise contract.wrong("size", "[height, width]")
    return size[0], size[1]


def _sha256(flatbuffer: _Reader) -> str:
    digest = flatbuffer.take("sha256", str, "")
    if not _SHA256.fullmatch(digest):
        raise flatbuffer.wrong("sha256", "64 hexadecimal digits")
    return digest


def _texts(reader: _Reader, key: str) -> tuple[str, ...]:
    values = reader.take(key, list, [])
    if not all(isinstance(value, str) for value in values):
        raise reader.wrong(key, "a list of texts")
    return tuple(map(clean_label, values))


def _unknown(unknown: _Reader, outputs: int) -> UnknownScore:
    if unknown.take("score", str, "") != UNKNOWN_SCORE:
        raise unknown.wrong("score", f'"{UNKNOWN_SCORE}"; a newer pi-classifier may know it')
    weights = unknown.take("weights", list, [])
    # One output may stand for two labels, no and yes.
    numbers = all(_is_number(weight, -_LARGEST_WEIGHT, _LARGEST_WEIGHT) for weight in weights)
    if len(weights) != max(outputs, 2) or not numbers:
        raise unknown.wrong("weights", f"{max(outputs, 2)} numbers, one for each label")
    if unknown.value.get("threshold") is None:
        raise unknown.wrong("threshold", "a number")
    return UnknownScore(
        np.array(weights, np.float32),
        unknown.number("floor", *_FLOORS, _FLOORS[0]),
        unknown.number("threshold", -_LARGEST_THRESHOLD, _LARGEST_THRESHOLD, 0),
    )


def _golden_vectors(golden: _Reader, outputs: int) -> tuple[GoldenVector, ...]:
    vectors = golden.take("vectors", list, [])
    place = f"{golden.place}.vectors"
    if len(vectors) > _MOST_GOLDEN_VECTORS:
        raise ModelFileError(
            f"{place} are {len(vectors):,}; expected at most {_MOST_GOLDEN_VECTORS}"
        )
    return tuple(
        _golden_vector(_Reader(vector, f"{place}[{i}]"), outputs)
        for i, vector in enumerate(vectors)
    )


def _golden_vector(vector: _Reader, outputs: int) -> GoldenVector:
    shape, scores = vector.take("shape", list, []), vector.take("scores", list, [])
    whole = all(isinstance(n, int) and _is_number(n, 1, 1024) for n in shape)
    if len(shape) != 3 or not whole or shape[2] != 3:
        raise vector.wrong("shape", "[height, width, 3]")
    try:
        pixels = base64.b64decode(vector.take("pixels", str, ""), validate=True)
    except (binascii.Error, ValueError):
        raise vector.wrong("pixels", "base64 text") from None
    if len(pixels) != math.prod(shape):
        raise vector.wrong("pixels", f"{math.prod(shape)} bytes, as the shape says")
    numbers = all(_is_number(score, -_LARGEST_SCORE, _LARGEST_SCORE) for score in scores)
    if len(scores) != outputs or not numbers:
        raise vector.wrong("scores", f"{outputs} numbers, one for each output")
    return GoldenVector(
        np.frombuffer(pixels, np.uint8).reshape(shape), np.array(scores, np.float32)
    )
