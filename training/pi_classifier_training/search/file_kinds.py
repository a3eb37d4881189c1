"""Which kind of file a chosen network is delivered as: 8 bits, unless that costs too much."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.inference.classifier import open_model
from pi_classifier_training.compression.quantization import QuantizeOptions, quantize
from pi_classifier_training.conversion.conversion import Kind
from pi_classifier_training.errors import ExportError, ParityError
from pi_classifier_training.evaluation.scoring import classify_photos
from pi_classifier_training.export.export import TRIAL
from pi_classifier_training.export.run_export import FinishedRun, export_source, open_run
from pi_classifier_training.progress import with_progress

log = logging.getLogger(__name__)

# Of the validation photos, so many may be lost to 8 bits before anything is done about it.
LOSS = 0.003
# Floats take about twice the time: only for a loss that anybody would notice.
LOSS_WORTH_FLOATS = 0.01


@dataclass(frozen=True, slots=True)
class ChosenKind:
    """The file to deliver of a run, and why it is this one.

    `right` are the shares of validation photos that the files made of the run get right.
    """

    kind: Kind
    path: Path
    right: dict[str, float]
    why: str


@dataclass(frozen=True, slots=True)
class KindRules:
    """What may be made of a run: `floats` within the limits, `training` in the time left."""

    floats: bool = True
    training: bool = True


def choose_kind(run_dir: Path, image_dirs: Sequence[Path], rules: KindRules) -> ChosenKind:
    """Make the files of a run that come into question; say which to deliver.

    Full-integer, as long as it gets at most `LOSS` of the validation photos less right than
    the float network; else the same trained for it. Files made before stay. Raises
    TrainingError and DatasetError.
    """
    run = open_run(run_dir, image_dirs)
    made = run.summary.get("evaluation", {})
    missing: list[Kind] = [
        kind for kind in ("float32", "int8") if kind not in made or not run.file_of(kind).is_file()
    ]
    unlike = _exported(run, missing, rules)
    if unlike:
        right = _right(run, ("float32",))
        return ChosenKind("float32", run.file_of("float32"), right, unlike)
    right = _right(run, ("float32", "int8"))
    why_not = ""
    if _lost(right, "int8") > LOSS:
        why_not = _quantization_aware(run, image_dirs, rules)
        if not why_not:
            right |= _right(run, ("qat",))
    kind, why = decided_kind(right, why_not, floats=rules.floats)
    return ChosenKind(kind, run.file_of(kind), right, why)


def _exported(run: FinishedRun, kinds: Sequence[Kind], rules: KindRules) -> str:
    """Make files; why there is none with 8 bits, in words, where floats are left in its place."""
    for kind in kinds:
        try:
            for _ in export_source(run, [kind]):
                pass
        except ParityError as error:
            if kind == "float32" or not rules.floats:
                raise
            log.debug("%s", error)
            return "with 8 bits it would not do what it was trained for, so it keeps floats"
    return ""


def decided_kind(right: Mapping[str, float], why_not: str, *, floats: bool) -> tuple[Kind, str]:
    """Which kind to deliver, and why, by the share that each gets right of the same photos.

    `right` has ``float32``, ``int8`` and, where it was trained, ``qat``; `why_not` says why it
    was not. Floats only where `floats` may be and even the better of the two loses more than
    `LOSS_WORTH_FLOATS`.
    """
    why = f"8 bits {_cost(right, 'int8')}"
    if _lost(right, "int8") <= LOSS:
        return "int8", why
    kind: Kind = "qat" if right.get("qat", 0.0) > right["int8"] else "int8"
    why += (
        f"; {why_not}" if "qat" not in right else f"; trained for it, they {_cost(right, 'qat')}"
    )
    if floats and _lost(right, kind) > LOSS_WORTH_FLOATS:
        return "float32", f"{why}. So it keeps floats"
    return kind, why


def _lost(right: Mapping[str, float], kind: str) -> float:
    return round(right["float32"] - right[kind], 9)


def _cost(right: Mapping[str, float], kind: str) -> str:
    lost = 100 * _lost(right, kind)
    if lost <= 0:
        return "lose nothing on the validation photos"
    return f"lose {lost:.1f} points on the validation photos"


def _right(run: FinishedRun, kinds: Sequence[Kind]) -> dict[str, float]:
    """The share of validation photos that each file gets right, as the daemon runs it."""
    photos = [photo for photo in run.photos() if photo.split == "validation"]
    with contextlib.ExitStack() as opened:
        classifiers = [
            opened.enter_context(contextlib.closing(open_model(run.file_of(kind), TRIAL)))
            for kind in kinds
        ]
        outcomes = classify_photos(
            classifiers, photos, lambda items: with_progress("comparing files", items)
        )
    return {kind: float(one.right.mean()) for kind, one in zip(kinds, outcomes, strict=True)}


def _quantization_aware(run: FinishedRun, image_dirs: Sequence[Path], rules: KindRules) -> str:
    """Train the network for 8 bits; what keeps it from that, in words, else nothing."""
    known = run.file_of("qat").is_file() and "qat" in run.summary.get("evaluation", {})
    if known:
        return ""
    if not rules.training:
        return "there was no time left to train it for them"
    try:
        quantize(run.path, list(image_dirs), QuantizeOptions("qat"))
    except ExportError:
        name = run.network.spec.name
        return f"{name} has operations that cannot be trained for them"
    return ""
