"""Cascades: thresholds chosen on validation photos, then measured on test photos and written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pi_classifier.inference.cascade import Cascade, Stage
from pi_classifier.inference.classifier import ModelClassifier, open_classifier, open_model
from pi_classifier.inference.settings import ModelSettings
from pi_classifier_training.data.dataset import PhotoProgress
from pi_classifier_training.data.splits import SplitOptions
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.cascade_plot import plot_cascade
from pi_classifier_training.evaluation.frontier import (
    Frontier,
    cheapest,
    count_frontier,
    guarded,
)
from pi_classifier_training.evaluation.held_out import held_out
from pi_classifier_training.evaluation.metrics import wilson
from pi_classifier_training.evaluation.report_text import cascade_lines
from pi_classifier_training.evaluation.scoring import Outcomes, classify_photos, concatenated
from pi_classifier_training.evaluation.significance import paired
from pi_classifier_training.evaluation.thresholds import (
    CascadeData,
    Costs,
    ThresholdPolicy,
    choose_thresholds,
    label_thresholds,
)
from pi_classifier_training.evaluation.timing import frame_ms, network_ms
from pi_classifier_training.modelfile.cascade_file import StageThresholds, toml_text
from pi_classifier_training.modelfile.model_folder import (
    TOML,
    require_model_folder,
    write_cascade,
)
from pi_classifier_training.plots import require_picture_name

OTHER_LOSSES = (0.0, 0.003, 0.01, 0.02)


def make_cascade(
    models: Sequence[Path],
    image_dirs: Sequence[Path],
    name: str,
    output: Path,
    policy: ThresholdPolicy,
    plot: Path | None = None,
    progress: PhotoProgress = iter,
    splits: SplitOptions | None = None,
) -> Iterator[str]:
    """Choose accept thresholds of models, cheapest first, and write the cascade.

    `output` is the file cascade.toml, or a folder, which then holds the models too. They are
    chosen on the validation photos of all folders together; the cascade, opened as by the daemon,
    is measured on the test photos; `plot` shows both. Yields lines to print. Raises TrainingError.
    """
    _require_usable(models, policy)
    if output.suffix != TOML:
        require_model_folder(output)
    if plot is not None:
        require_picture_name(plot)
    with contextlib.ExitStack() as opened:
        opening = (contextlib.closing(open_model(m, ModelSettings(top_k=0))) for m in models)
        classifiers = [opened.enter_context(model) for model in opening]
        Cascade([Stage(c) for c in classifiers], name)  # refuses models that do not fit together
        data = _measured_models(models, classifiers, image_dirs, progress, splits)
        frontier = count_frontier(data.validation, data.costs.frame_ms)
        thresholds = choose_thresholds(frontier, data, policy)
        if policy.per_label:
            own = label_thresholds(data.validation, thresholds.accept, classifiers[0].labels)
            thresholds = replace(thresholds, labels=own)
        measured, test = _verified(data, classifiers, name, output, thresholds, progress)
    written = write_cascade(models, name, output, thresholds, measured)
    yield from cascade_lines(written, measured, thresholds.note)
    yield from _other_choices(frontier, data)
    if plot is not None:
        plot_cascade(plot, name, data, frontier, measured, test)
        yield f"{plot}: cost against accuracy"


def _measured_models(
    models: Sequence[Path],
    classifiers: Sequence[ModelClassifier],
    image_dirs: Sequence[Path],
    progress: PhotoProgress,
    splits: SplitOptions | None,
) -> CascadeData:
    """What each model costs and what it says of the validation photos."""
    photos = held_out(image_dirs, classifiers, splits)
    return CascadeData(
        models,
        [c.name for c in classifiers],
        Costs(frame_ms(classifiers), network_ms(classifiers)),
        classify_photos(classifiers, [p for part in photos for p in part.validation], progress),
        photos,
    )


def _other_choices(frontier: Frontier, data: CascadeData) -> Iterator[str]:
    """What other losses would buy, on the validation photos."""
    accuracy, last = guarded(frontier.accuracy), data.validation[-1]
    networks = count_frontier(data.validation, data.costs.network_ms)
    yield f"on the {len(last.truth)} validation photos, so much time for so much loss:"
    for loss in OTHER_LOSSES:
        point = cheapest(frontier, accuracy, float(last.right.mean()) - loss)
        if point is None:
            yield f"  {loss:.1%}: no thresholds"
            continue
        share = frontier.cost_ms[point] / data.costs.frame_ms[-1]
        network_share = networks.cost_ms[point] / data.costs.network_ms[-1]
        accepts = ", ".join(f"{value:g}" for value in frontier.at(point))
        yield (
            f"  {loss:.1%}: {share:.0%} of {data.names[-1]}'s ({network_share:.0%} counting "
            f"networks alone), {frontier.deferral[point]:.1%} passed on; accept {accepts}"
        )


def _require_usable(models: Sequence[Path], policy: ThresholdPolicy) -> None:
    if len(models) < 2:
        raise TrainingError("a cascade joins two models or more, the cheapest first; got one")
    if policy.accept and len(policy.accept) != len(models) - 1:
        raise TrainingError(
            f"--accept gives {len(policy.accept)} thresholds for {len(models)} models; every "
            f"model but the last needs one: {len(models) - 1}"
        )


def _verified(
    data: CascadeData,
    classifiers: Sequence[ModelClassifier],
    name: str,
    output: Path,
    thresholds: StageThresholds,
    progress: PhotoProgress,
) -> tuple[dict[str, Any], list[Outcomes]]:
    """Measure the models and the cascade, opened from a file, on the test photos."""
    handle, trial = tempfile.mkstemp(dir=output.parent, prefix=".cascade-", suffix=".toml")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(toml_text(data.models, name, output, thresholds, {}))
        with contextlib.closing(open_classifier(ModelSettings(path=trial, top_k=0))) as cascade:
            all_of = [*classifiers, cascade]
            parts = [
                classify_photos(all_of, part.test, progress)
                for part in data.test_photos
                if part.test
            ]
    finally:
        Path(trial).unlink(missing_ok=True)
    test = [concatenated([part[i] for part in parts]) for i in range(len(all_of))]
    measured = measure(test, data.names, data.costs)
    measured["folders"] = {
        str(part.folder): measure(outcomes, data.names, data.costs)
        for part, outcomes in zip((p for p in data.test_photos if p.test), parts, strict=True)
    }
    measured["thresholds"] = list(thresholds.accept)
    measured["label_thresholds"] = [dict(own) for own in thresholds.labels]
    return measured, test


def measure(test: Sequence[Outcomes], names: Sequence[str], costs: Costs) -> dict[str, Any]:
    """Accuracy, deferral ratio and mean cost; the last of `test` are the cascade's answers."""
    *models, cascade = test
    n = len(cascade.truth)
    asked = [float(np.mean(cascade.stages >= k)) for k in range(len(models))]
    cost_ms = costs.of(asked, costs.frame_ms)
    return {
        "n": n,
        "models": [
            {"name": name, **_accuracy(outcomes), "frame_ms": frame, "network_ms": network}
            for name, outcomes, frame, network in zip(
                names, models, costs.frame_ms, costs.network_ms, strict=True
            )
        ],
        "cascade": _accuracy(cascade),
        "against_last": paired(models[-1], cascade),
        "asked": asked,
        "deferral_ratio": asked[1],
        "cost_ms": cost_ms,
        "cost_ratio": cost_ms / costs.frame_ms[-1],
        "network_cost_ratio": costs.of(asked, costs.network_ms) / costs.network_ms[-1],
    }


def _accuracy(outcomes: Outcomes) -> dict[str, Any]:
    n = len(outcomes.truth)
    accuracy = wilson(int(outcomes.right.sum()), n)
    return {
        "n": n,
        "top1": accuracy.value,
        "top1_interval": [accuracy.low, accuracy.high],
    }
