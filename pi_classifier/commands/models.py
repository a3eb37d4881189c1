"""`pi-classifier models`: what is in model files and cascades."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

from pi_classifier.commands.parser import Parser
from pi_classifier.config.options import add_options, read_options
from pi_classifier.inference.classifier import describe_models
from pi_classifier.modelfile.cascade_file import read_cascade_file
from pi_classifier.modelfile.locate import find_model, model_folders, shipped_models
from pi_classifier.modelfile.manifest import CHANNELS_WRITTEN
from pi_classifier.modelfile.model_file import ModelFile
from pi_classifier.modelfile.picture_input import picture_shape, takes_bytes
from pi_classifier.printable import json_text, printable
from pi_classifier.setting import setting

_LABELS_SHOWN = 12
_LONGEST = 2000


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    model: ModelFile
    accept: float | None = None
    accept_labels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelsOptions:
    """The command's own options."""

    labels: str | None = setting(None, "label file, one label a line", metavar="FILE")
    key_file: str | None = setting(
        None, "file with the key of models that are encrypted", metavar="FILE"
    )
    json: bool = setting(False, "print one JSON object per model")


def add_arguments(command: Parser) -> None:
    """Add the command's arguments."""
    add_options(command, ModelsOptions)
    command.add_argument(
        "models", nargs="*", metavar="MODEL", help="names or files; default: the shipped ones"
    )


def main(arguments: argparse.Namespace) -> int:
    """Print what is known of each model; raises ModelError for the first that is wrong."""
    options = read_options(arguments, ModelsOptions)
    names = arguments.models or list(shipped_models())
    if not names:
        folders = ", ".join(str(folder) for folder in model_folders())
        print(f"no models in {folders}; name a model file")
    for number, name in enumerate(names):
        path = find_model(name)
        stages = _stages(path, options)
        if options.json:
            print(json_text(_as_json(path, stages)))
        else:
            print("\n" * bool(number) + "\n".join(_as_text(path, stages)))
    return 0


def _stages(path: Path, options: ModelsOptions) -> list[_Stage]:
    """The models of a file with their accept thresholds; one, without, where it is no cascade."""
    describe = partial(describe_models, labels=options.labels, key_file=options.key_file)
    if path.suffix != ".toml":
        return [_Stage(model) for model in describe([path])]
    entries = read_cascade_file(path).stages
    *early, last = describe([entry.model for entry in entries])
    stages = []
    for entry, model in zip(entries, early, strict=False):
        accept = model.manifest.thresholds.accept if entry.accept is None else entry.accept
        stages.append(_Stage(model, accept, entry.accept_labels))
    return [*stages, _Stage(last)]  # the last stage's answer is always taken


def _as_json(path: Path, stages: list[_Stage]) -> dict[str, Any]:
    return {"path": str(path), "stages": [_facts(stage) for stage in stages]}


def _facts(stage: _Stage) -> dict[str, Any]:
    model = stage.model
    details = model.manifest.details
    metadata = model.metadata
    return {
        "model": model.name,
        "path": str(model.path),
        "size_bytes": model.size_bytes,
        "sha256": model.sha256,
        "accept": stage.accept,
        "accept_labels": dict(stage.accept_labels),
        "input": {
            "size": list(model.input_size),
            "resize": model.manifest.resize,
            "dtype": model.input.dtype,
            "channels": CHANNELS_WRITTEN[model.channels],
            "channels_first": picture_shape(model.input.shape).channels_first,
            "normalization": model.normalization and asdict(model.normalization),
        },
        "labels": list(model.labels),
        "labels_source": model.labels_source,
        "silent_labels": list(model.manifest.silent_labels),
        "version": metadata.version if metadata else "",
        "description": metadata.description if metadata else "",
        "author": metadata.author if metadata else "",
        "license": metadata.license if metadata else "",
        "network": details.get("network"),
        "training": details.get("training"),
        "evaluation": details.get("evaluation"),
        "unknown": details.get("unknown"),
        "self_test": len(model.manifest.golden),
    }


def _as_text(path: Path, stages: list[_Stage]) -> Iterator[str]:
    if path.suffix == ".toml":
        yield f"{printable(str(path))}: a cascade of {len(stages)}"
    for stage in stages:
        facts = _facts(stage)
        yield printable(
            f"{stage.model.name}: {facts['description'] or 'no description'}", _LONGEST
        )
        for heading, text in _rows(facts):
            yield f"  {heading:<9} {printable(text, _LONGEST)}"


def _rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    height, width = facts["input"]["size"]
    yield "file", f"{facts['path']}, {facts['size_bytes'] / 1000:.0f} kB"
    yield "sha256", facts["sha256"]
    if facts["accept"] is not None:
        yield (
            "accept",
            f"answers from a score of {facts['accept']:g}, else the next stage is asked",
        )
    for label, score in facts["accept_labels"].items():
        yield "", f"from {score:g} where it says {label}"
    dtype, normalization = facts["input"]["dtype"], facts["input"]["normalization"]
    first = ", channels first" if facts["input"]["channels_first"] else ""
    kind = f"{width} x {height} {facts['input']['channels']} {dtype}"
    yield "input", f"{kind}{first}, {facts['input']['resize']}"
    if normalization is None and not takes_bytes(dtype):
        yield "", "its normalization is not in the file: state model.mean and model.std to run it"
    if facts["network"]:
        yield "network", _pairs(facts["network"])
    yield "labels", _labels(facts["labels"], facts["silent_labels"], facts["labels_source"])
    if facts["training"]:
        yield "training", _training(facts["training"])
    if facts["evaluation"]:
        yield "accuracy", _accuracy(facts["evaluation"])
    if facts["unknown"]:
        yield "unknown", _unknown(facts["unknown"])
    rights = [f"{key} {facts[key]}" for key in ("version", "author", "license") if facts[key]]
    if rights:
        yield "origin", ", ".join(rights)
    vectors = facts["self_test"]
    yield "self-test", f"{vectors} pictures replayed at load" if vectors else "none in the file"


def _labels(labels: list[str], silent: list[str], source: str) -> str:
    named = [f"{label} (silent)" if label in silent else label for label in labels[:_LABELS_SHOWN]]
    more = ", …" if len(labels) > _LABELS_SHOWN else ""
    return f"{len(labels)}: {', '.join(named)}{more} (from {source})"


def _unknown(unknown: Mapping[str, Any]) -> str:
    """What unknown rejection does, with its cost where the file states it."""
    words = "says so of frames unlike every label"
    silenced = unknown.get("silenced")
    if _is_share(silenced):
        words += f"; silences {silenced:.1%} of the right answers"
    return words


def _training(training: object) -> str:
    """What a model learned from, in words; another writer's entries as they stand."""
    data = training.get("data") if isinstance(training, Mapping) else None
    if not isinstance(training, Mapping) or not isinstance(data, Mapping):
        return _pairs(training)
    words = f"{data.get('photos')} photos of {data.get('name')} ({data.get('split_rule')})"
    if isinstance(negatives := data.get("negatives"), Mapping):
        words += f", {negatives.get('photos')} of anything else ({negatives.get('name')})"
    options = training.get("options")
    if isinstance(options, Mapping):
        scratch = options.get("weights") == "none"
        words += ", from scratch" if scratch else f", from {options.get('weights')}"
        words += f", distilled from {options['teacher']}" if options.get("teacher") else ""
    return words


def _accuracy(evaluation: Mapping[str, Any]) -> str:
    """The figures of an evaluation in words; odd ones are shown as they stand."""
    top1, n, interval = (evaluation.get(key) for key in ("top1", "n", "top1_interval"))
    if not _is_share(top1):
        return _pairs(evaluation)
    words = f"{top1:.1%} top-1"
    if isinstance(interval, list) and len(interval) == 2 and all(map(_is_share, interval)):
        words += f" (95 % interval {interval[0]:.1%} to {interval[1]:.1%})"
    source = f" of {evaluation['data']}" if "data" in evaluation else ""
    words += f" on {n} photos{source}, {evaluation.get('split', 'unknown')} split"
    return words + _nonsense(evaluation.get("unknown"))


def _nonsense(unknown: object) -> str:
    """How often photos of anything else would be announced, where that was measured."""
    share = unknown.get("share") if isinstance(unknown, Mapping) else None
    if not isinstance(unknown, Mapping) or not _is_share(share):
        return ""
    return f"; {share:.1%} of {unknown.get('n')} photos of anything else announced"


def _is_share(value: object) -> TypeGuard[int | float]:
    # A file may state anything, also integers that are beyond every float.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _pairs(values: object) -> str:
    if not isinstance(values, Mapping):
        return str(values)
    return ", ".join(f"{key} {_brief(value)}" for key, value in values.items())


def _brief(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
