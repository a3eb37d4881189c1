"""A cascade: cheap classifiers first, costlier ones only for the frames that need them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pi_classifier.errors import ModelFileError, ModelMismatch
from pi_classifier.suggest import suggestion
from pi_classifier.types import Classifier, Frame, Prediction

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A classifier and the top score from which its answer is taken.

    `accept_labels` holds other thresholds for some labels' answers. The last stage's
    answer is always taken; its thresholds are not looked at.
    """

    classifier: Classifier
    accept: float = 0.0
    accept_labels: Mapping[str, float] = field(default_factory=dict)


class Cascade:
    """Asks its stages in turn and stops at the first that is sure; itself a `Classifier`.

    All stages must have the same labels in the same order; raises `ModelMismatch`.
    Closing it closes its stages.
    """

    def __init__(self, stages: Sequence[Stage], name: str = "cascade") -> None:
        if not stages:
            raise ModelMismatch(f"{name}: has no stages; expected at least one")
        for number, stage in enumerate(stages[1:], start=2):
            _check_same_labels(name, stages[0].classifier, stage.classifier, number)
        self.stages = tuple(stages)
        self.name = name
        # By output index: a frame costs one look-up, however many labels have their own.
        self._accept = tuple(_accept_by_index(name, i, s) for i, s in enumerate(stages, start=1))

    @property
    def labels(self) -> Sequence[str]:
        """The labels that all stages share, in output order."""
        return self.stages[0].classifier.labels

    def classify(self, frame: Frame) -> Prediction:
        """Return the answer of the first stage that is sure; its latency counts all asked."""
        latency_ns = 0
        last = len(self.stages) - 1
        for number, stage in enumerate(self.stages):
            prediction = stage.classifier.classify(frame)
            latency_ns += prediction.latency_ns
            top = prediction.top
            if number == last or top.score >= self._accept[number][top.index]:
                break
        return Prediction(prediction.categories, prediction.model, number, latency_ns)

    def close(self) -> None:
        """Close all stages."""
        for stage in self.stages:
            stage.classifier.close()


def _check_same_labels(name: str, first: Classifier, other: Classifier, number: int) -> None:
    ours, theirs = list(first.labels), list(other.labels)
    if ours == theirs:
        return
    if sorted(ours) == sorted(theirs):
        difference = "has the same labels in another order"
    else:
        odd = sorted(set(ours) ^ set(theirs))
        shown = ", ".join(odd[:5]) + (", ..." if len(odd) > 5 else "")
        difference = f"has other labels (only one of them knows: {shown})"
    raise ModelMismatch(
        f"{name}: stage {number} ({other.name}) {difference} than stage 1 ({first.name}); "
        "train the models of a cascade on the same folders"
    )


def _accept_by_index(name: str, number: int, stage: Stage) -> tuple[float, ...]:
    labels = list(stage.classifier.labels)
    unknown = [label for label in stage.accept_labels if label not in labels]
    if unknown:
        raise ModelMismatch(
            f"{name}: stage {number} has an accept threshold for the label {unknown[0]!r}, which "
            f"{stage.classifier.name} does not know; name one of its labels or remove it."
            f"{suggestion(unknown[0], labels)}"
        )
    return tuple(stage.accept_labels.get(label, stage.accept) for label in labels)


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
    """Read a ``cascade.toml``. Raises `ModelFileError`, naming the file and the key."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelFileError(f"{path}: there is no such cascade file; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path}: is not TOML ({error}); write the file again") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error})") from error
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
    entries = [_stage_entry(path, entry, i) for i, entry in enumerate(stages, start=1)]
    return CascadeFile(path, name, tuple(entries))


def _stage_entry(path: Path, entry: Any, number: int) -> StageEntry:
    if not isinstance(entry, dict):
        raise ModelFileError(f"{path}: stage {number} is {entry!r}; expected a [[stage]] table")
    place = f"{path}: stage {number}: "
    _refuse_unknown(path, entry, ("model", "accept", "accept_labels"), f"stage {number}: ")
    model, accept = entry.get("model"), entry.get("accept")
    if not isinstance(model, str) or not model:
        raise ModelFileError(f"{place}model is {model!r}; expected the name of a .tflite file")
    if accept is not None:
        accept = _score(accept, f"{place}accept")
    labels = entry.get("accept_labels", {})
    if not isinstance(labels, dict):
        raise ModelFileError(
            f"{place}accept_labels is {labels!r}; expected a table of labels, such as "
            "{ daisy = 0.8 }"
        )
    scores = {k: _score(v, f"{place}accept_labels.{k}") for k, v in labels.items()}
    return StageEntry(path.parent / model, accept, scores)


def _score(value: Any, place: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or math.isnan(value) or not 0 <= value <= 1:
        raise ModelFileError(f"{place} is {value!r}; expected a number from 0 to 1")
    return float(value)


def _refuse_unknown(path: Path, table: dict[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise ModelFileError(
                f"{path}: {where}there is no key {key!r}; expected one of {', '.join(known)}"
            )
