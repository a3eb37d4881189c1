"""From the chosen networks' run folders to one folder that is copied to the Pi.

Everything is done beside and takes its place at the end. What lies in the run folders
already is not made again, so that a delivery that was killed goes on.
"""

from __future__ import annotations

import contextlib
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.locate import CASCADE
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.system.files import read_json_object, write_atomic, write_json
from pi_classifier.types import Classifier
from pi_classifier_training.compression.rounding.delivery import RoundOptions, round_model
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.boards import BoardCost, board_cost
from pi_classifier_training.evaluation.cascades import make_cascade
from pi_classifier_training.evaluation.temperature import calibrate_model
from pi_classifier_training.modelfile.model_folder import (
    MODEL,
    SETTINGS_FILE,
    replacing_folder,
)
from pi_classifier_training.modelfile.writer import with_card, with_manifest_entries
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.progress import with_progress
from pi_classifier_training.reporting.copying import MODELS_DIR, copy_lines
from pi_classifier_training.retraining.run_folder import RunFolder
from pi_classifier_training.search.delivered_figures import (
    DeliveredFigures,
    announcing_threshold,
    measure_delivery,
    validation_outcomes,
)
from pi_classifier_training.search.file_kinds import ChosenKind, KindRules, choose_kind
from pi_classifier_training.search.order import Order, require_deliverable

COPY_FOLDER = "copy"
DELIVERY_FILE = "delivery.json"
_LARGEST_RECORD = 16 << 20
# Of the first model as rounded floats, which lies beside a cascade where asked for.
ROUNDED = "-rounded"
_ROUNDED_LOSS = 0.5


@dataclass(frozen=True, slots=True)
class _Stage:
    """A network on its way into the folder, as the model `name` in `file`."""

    run: Path
    name: str
    file: str
    network: NetworkSpec
    chosen: ChosenKind
    cost: BoardCost
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "network": self.network.as_dict(),
            "kind": self.chosen.kind,
            "why": self.chosen.why,
            "right_on_validation": self.chosen.right,
            "low_ms": self.cost.low_ms,
            "high_ms": self.cost.high_ms,
            "notes": list(self.notes),
        }


def deliver(order: Order, output_dir: Path) -> dict[str, Any]:
    """Write ``copy/`` in `output_dir`; return what it holds and how good it is.

    The same stands in ``delivery.json`` beside it. What was delivered before stays. The figures
    are from test photos, which nothing was chosen by. Raises TrainingError and DatasetError.
    """
    require_deliverable(order)
    recipe, target = order.recipe(), output_dir / COPY_FOLDER
    known = _delivered(output_dir)
    if known is not None and known["recipe"] == recipe:
        return known
    stages = [
        _stage(order, run, *names) for run, names in zip(order.runs, _names(order), strict=True)
    ]
    output_dir.mkdir(parents=True, exist_ok=True)
    with replacing_folder(target) as folder:
        stages, threshold = _fill(folder, order, stages)
        settings = copy_lines(target, order.name, threshold).settings
        write_atomic(folder / SETTINGS_FILE, _settings_text(settings).encode())
        with contextlib.closing(_opened(folder)) as classifier:
            figures = measure_delivery(classifier, order.image_dirs, order.negatives, threshold)
        record = _record(folder, order, stages, figures) | {"recipe": recipe}
    write_json(output_dir / DELIVERY_FILE, record)
    return record


def _names(order: Order) -> list[tuple[str, str]]:
    """What each model and its file are called."""
    if len(order.runs) == 1:
        return [(order.name, f"{order.name}{MODEL}")]
    return [(f"{order.name}-{stage}", f"{stage}{MODEL}") for stage in order.stages()]


def _settings_text(settings: str) -> str:
    """The file beside the models: what to do with them, and the configuration's lines."""
    name = tomllib.loads(settings)["model"]["path"]
    return f"""\
# To try it on the Pi, where the folder {name} lies:
#     pi-classifier run --config {name}/{SETTINGS_FILE}
# For good: {name} goes into {MODELS_DIR}, and these lines into
# /etc/pi-classifier/config.toml.
{settings}"""


def _delivered(output_dir: Path) -> dict[str, Any] | None:
    """The record of an earlier delivery whose folder is still there."""
    try:
        record = read_json_object(output_dir / DELIVERY_FILE, _LARGEST_RECORD)
        files = [*(stage["file"] for stage in record["models"]), SETTINGS_FILE]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    whole = all((output_dir / COPY_FOLDER / name).is_file() for name in files)
    return record if whole and "recipe" in record else None


def _stage(order: Order, run: Path, name: str, file: str) -> _Stage:
    summary = RunFolder(run).summary()
    network, labels = NetworkSpec(**summary["network"]), len(summary["labels"])
    floats = board_cost(network, order.board, "float32", labels)
    rules = KindRules(order.limits.allow_cost(floats.ms, floats.kb), order.training)
    chosen = choose_kind(run, order.image_dirs, rules)
    kind = "float32" if chosen.kind == "float32" else "int8"
    cost = board_cost(network, order.board, kind, labels)
    return _Stage(run, name, file, network, chosen, cost)


def _fill(folder: Path, order: Order, stages: Sequence[_Stage]) -> tuple[list[_Stage], float]:
    """Put the calibrated models into the folder, joined to a cascade where they are two.

    Returns them with the score from which labels should be announced, which they hold too.
    """
    stages = [_calibrated(folder, order, stage) for stage in stages]
    if len(stages) == 2:
        stages = _joined(folder, order, stages)
    with contextlib.closing(_opened(folder)) as classifier:
        threshold = announcing_threshold(validation_outcomes(classifier, order.image_dirs))
    for stage in stages:
        file = folder / stage.file
        known = read_model_file(file).manifest.details.get("thresholds", {})
        changes = {"thresholds": {**known, "high": threshold}}
        write_atomic(file, with_manifest_entries(file.read_bytes(), changes))
    if order.rounded and len(stages) == 2:
        stages[0] = _rounded_beside(folder, order, stages[0])
    return stages, threshold


def _joined(folder: Path, order: Order, stages: Sequence[_Stage]) -> list[_Stage]:
    """Two calibrated models as a cascade; the second alone where a cascade would cost time."""
    files = [folder / stage.file for stage in stages]
    for _ in make_cascade(
        files, order.image_dirs, order.name, folder / CASCADE, order.policy, progress=_progress
    ):
        pass
    with contextlib.closing(_opened(folder)) as cascade:
        deferral = float((validation_outcomes(cascade, order.image_dirs).stages > 0).mean())
    first, second = stages
    if first.cost.ms + deferral * second.cost.ms < second.cost.ms:
        return list(stages)
    # 8 bits have changed the scores: what was to save time would cost some.
    (folder / CASCADE).unlink()
    files[0].unlink()
    alone = replace(second, name=order.name, file=f"{order.name}{MODEL}")
    files[1].rename(folder / alone.file)
    _name(folder / alone.file, {"name": alone.name})
    why = f"alone: a cascade would pass {deferral:.0%} of the validation photos on"
    return [replace(alone, notes=(*second.notes, why))]


def _calibrated(folder: Path, order: Order, stage: _Stage) -> _Stage:
    """Write a stage's file with temperature and unknown rejection, as far as they can be had."""
    file, notes = folder / stage.file, list[str]()
    for negatives in dict.fromkeys((order.negatives, ())):
        try:
            for _ in calibrate_model(
                stage.chosen.path, order.image_dirs, file, _progress, negatives=negatives
            ):
                pass
            break
        except TrainingError as error:
            what = "unknown rejection" if negatives else "calibration"
            notes.append(f"without {what}: {error}")
    else:
        shutil.copyfile(stage.chosen.path, file)
    _name(file, {**order.card, "name": stage.name})
    return replace(stage, notes=tuple(notes))


def _name(file: Path, card: Mapping[str, str]) -> None:
    """Have a model file say of itself what `card` says."""
    write_atomic(file, with_card(file.read_bytes(), card))


def _rounded_beside(folder: Path, order: Order, stage: _Stage) -> _Stage:
    """Put the stage's network beside it as floats rounded so that the file compresses."""
    file = folder / f"{stage.file.removesuffix(MODEL)}{ROUNDED}{MODEL}"
    source = stage.run / f"float32{MODEL}"
    options = RoundOptions(target_loss=_ROUNDED_LOSS)
    line, *_ = round_model(source, file, order.image_dirs, options)
    _name(file, {**order.card, "name": stage.name})
    return replace(stage, notes=(*stage.notes, line.removeprefix(f"{folder}/")))


def _progress(items: Sequence[Any]) -> Any:
    return with_progress("calibrating", items)


def _opened(folder: Path) -> Classifier:
    """Open the folder as the daemon does, which replays the models' self-tests."""
    return open_classifier(ModelSettings(path=str(folder.resolve()), cache_dir="", top_k=0))


def _record(
    folder: Path, order: Order, stages: Sequence[_Stage], figures: DeliveredFigures
) -> dict[str, Any]:
    asked = [1.0, figures.deferral][: len(stages)]
    return {
        "name": order.name,
        "board": order.board,
        "models": [stage.as_dict() for stage in stages],
        "kb": round(sum((folder / s.file).stat().st_size for s in stages) / 1000, 1),
        "low_ms": sum(s.cost.low_ms * share for s, share in zip(stages, asked, strict=True)),
        "high_ms": sum(s.cost.high_ms * share for s, share in zip(stages, asked, strict=True)),
        **figures.as_dict(),
    }
