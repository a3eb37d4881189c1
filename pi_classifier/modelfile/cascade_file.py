"""``cascade.toml``: the models of a cascade and their accept thresholds."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pi_classifier.errors import ModelFileError, is_the_machines
from pi_classifier.modelfile.labels import clean_label
from pi_classifier.modelfile.manifest import LONGEST_NAME
from pi_classifier.printable import printable
from pi_classifier.system.files import read_regular_file

SCHEMA_VERSION = 1
_MOST_STAGES = 16
# A cascade of a thousand labels, each with a threshold of its own, takes 50 kB.
_LARGEST_BYTES = 1_000_000
_LONGEST_NUMBER_BITS = 200


@dataclass(frozen=True, slots=True)
class StageEntry:
    """One ``[[stage]]`` of a ``cascade.toml``; `accept` is None where the file names none."""

    model: Path
    accept: float | None
    accept_labels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CascadeFile:
    """A checked ``cascade.toml``; its model paths are relative to the file's folder."""

    path: Path
    name: str
    stages: tuple[StageEntry, ...]


def read_cascade_file(path: Path) -> CascadeFile:
    """Read a ``cascade.toml``. Raises `ModelFileError`, naming the file and the key.

    OSError where the machine refuses.
    """
    try:
        content = tomllib.loads(read_regular_file(path, _LARGEST_BYTES).decode())
    except FileNotFoundError:
        raise ModelFileError(f"{path}: there is no such cascade file; check the path") from None
    # ValueError: no TOML, no UTF-8, or a number of thousands of digits
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: is not TOML ({error}); write the file again") from None
    except OSError as error:
        if is_the_machines(error):
            raise
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from error
    version = content.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise ModelFileError(
            f"{path}: schema_version is {version!r}, this program knows {SCHEMA_VERSION}; "
            "update pi-classifier"
        )
    _refuse_unknown(path, content, ("schema_version", "name", "stage", "measured"), "")
    name = content.get("name", path.resolve().parent.name)
    if not isinstance(name, str):
        raise ModelFileError(f"{path}: name is {name!r}; expected a text")
    stages = content.get("stage")
    if not isinstance(stages, list) or not stages:
        raise ModelFileError(f"{path}: has no stages; expected a [[stage]] for each model")
    if len(stages) > _MOST_STAGES:
        raise ModelFileError(
            f"{path}: has {len(stages)} stages; expected {_MOST_STAGES} at most, two are usual"
        )
    entries = [_stage_entry(path, entry, i) for i, entry in enumerate(stages, start=1)]
    return CascadeFile(path, printable(name, LONGEST_NAME), tuple(entries))


def _stage_entry(path: Path, entry: Any, number: int) -> StageEntry:
    if not isinstance(entry, dict):
        raise ModelFileError(f"{path}: stage {number} is {entry!r}; expected a [[stage]] table")
    place = f"{path}: stage {number}: "
    _refuse_unknown(path, entry, ("model", "accept", "accept_labels"), f"stage {number}: ")
    model, accept = entry.get("model"), entry.get("accept")
    if not isinstance(model, str) or not model:
        given = "is missing" if model is None else f"is {_brief(model)}"
        raise ModelFileError(f"{place}model {given}; expected the name of a .tflite file")
    if accept is not None:
        accept = _score(accept, f"{place}accept")
    labels = entry.get("accept_labels", {})
    if not isinstance(labels, dict):
        raise ModelFileError(
            f"{place}accept_labels is {labels!r}; expected a table of labels, such as "
            "{ daisy = 0.8 }"
        )
    scores = {
        label: _score(value, f"{place}accept_labels.{label}")
        for label, value in ((clean_label(key), value) for key, value in labels.items())
    }
    return StageEntry(path.parent / model, accept, scores)


def _score(value: Any, place: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:  # not-a-number is not, either
        raise ModelFileError(f"{place} is {_brief(value)}; expected a number from 0 to 1")
    return float(value)


def _brief(value: Any) -> str:
    # Python refuses to write out thousands of digits.
    is_long = isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER_BITS
    return "a number of many digits" if is_long else repr(value)


def _refuse_unknown(path: Path, table: dict[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise ModelFileError(
                f"{path}: {where}there is no key {key!r}; expected one of {', '.join(known)}"
            )
