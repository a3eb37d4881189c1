"""Accept thresholds of a cascade, chosen on validation photos along what they really cost."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pi_classifier.inference.cascade import Cascade, Stage
from pi_classifier.inference.classifier import (
    ModelClassifier,
    ModelSettings,
    open_classifier,
    open_model,
)
from pi_classifier.setting import setting
from pi_classifier.system.atomic import write_atomic
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.frontier import (
    Frontier,
    cheapest,
    frontier,
    guarded,
    most_accurate,
)
from pi_classifier_training.evaluation.held_out import HeldOut, held_out
from pi_classifier_training.evaluation.metrics import wilson
from pi_classifier_training.evaluation.per_label import label_thresholds
from pi_classifier_training.evaluation.plot import plot_frontier, require_plot_name
from pi_classifier_training.evaluation.report_text import cascade_lines
from pi_classifier_training.evaluation.scoring import (
    Outcomes,
    PhotoProgress,
    classify_photos,
    concatenated,
)
from pi_classifier_training.evaluation.significance import paired
from pi_classifier_training.evaluation.timing import frame_ms, network_ms
from pi_classifier_training.modelfile.cascade_file import StageThresholds, toml_text

OTHER_LOSSES = (0.0, 0.003, 0.01, 0.02)


@dataclass(frozen=True, slots=True)
class ThresholdPolicy:
    """How thresholds are chosen: `accept` gives them; else `budget_ms`; else `max_loss`.

    `max_loss` is the share of photos the cascade may get right less than its last model,
    `budget_ms` the mean time of a frame on this machine. `per_label` lowers the thresholds
    of labels that lose nothing by it.
    """

    max_loss: float = setting(
        0.003,
        "accuracy the cascade may lose against its last model",
        minimum=0,
        maximum=1,
        metavar="FRACTION",
    )
    budget_ms: float | None = setting(
        None,
        "the most accurate cascade whose frames take this long here on average",
        above=0,
        metavar="MS",
    )
    accept: tuple[float, ...] = setting(
        (),
        "accept thresholds of all models but the last, instead of chosen ones",
        minimum=0,
        maximum=1,
        metavar="SCORE",
    )
    per_label: bool = setting(
        False, "lower the thresholds of labels that lose nothing by it on the validation photos"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """Medians of a model's time for one camera frame, and of its network alone."""

    frame_ms: Sequence[float]
    network_ms: Sequence[float]

    def of(self, asked: Sequence[float], times_ms: Sequence[float]) -> float:
        """Mean time of a frame when stage k is asked for a share `asked[k]` of frames."""
        return float(np.dot(asked, times_ms))


@dataclass(frozen=True, slots=True, eq=False)
class CascadeData:
    """Everything thresholds are chosen from and judged by."""

    models: Sequence[Path]
    names: Sequence[str]
    costs: Costs
    validation: Sequence[Outcomes]
    test_photos: Sequence[HeldOut] = field(default=())


def make_cascade(
    models: Sequence[Path],
    image_dirs: Sequence[Path],
    name: str,
    output: Path,
    policy: ThresholdPolicy,
    plot: Path | None = None,
    progress: PhotoProgress = iter,
) -> Iterator[str]:
    """Choose accept thresholds of models, cheapest first, and write cascade.toml.

    They are chosen on the validation photos of all folders together; then the cascade,
    opened from its file as the daemon would, is measured on the test photos. `plot`
    names a picture of the frontier. Yields lines to print. Raises TrainingError.
    """
    _require_usable(models, policy)
    if plot is not None:
        require_plot_name(plot)
    with contextlib.ExitStack() as opened:
        classifiers = [
            opened.enter_context(contextlib.closing(open_model(m, ModelSettings(top_k=0))))
            for m in models
        ]
        Cascade([Stage(c) for c in classifiers], name)  # refuses models that do not fit together
        photos = held_out(image_dirs, classifiers[0])
        costs = Costs(frame_ms(classifiers), network_ms(classifiers))
        validation = classify_photos(
            classifiers, [p for part in photos for p in part.validation], progress
        )
        data = CascadeData(models, [c.name for c in classifiers], costs, validation, photos)
        found = frontier(validation, costs.frame_ms)
        thresholds = choose(found, data, policy)
        if policy.per_label:
            own = label_thresholds(validation, thresholds.accept, classifiers[0].labels)
            thresholds = replace(thresholds, labels=own)
        record, test = _verified(data, classifiers, name, output, thresholds, progress)
    write_atomic(output, toml_text(models, name, output, thresholds, record).encode())
    yield from cascade_lines(output, record, thresholds.note)
    yield from _other_choices(found, data)
    if plot is not None:
        plot_frontier(plot, name, *_drawing(found, data, record, test))
        yield f"{plot}: cost against accuracy"


def _other_choices(found: Frontier, data: CascadeData) -> Iterator[str]:
    """What other losses would buy, on the validation photos."""
    accuracy, last = guarded(found.accuracy), data.validation[-1]
    networks = frontier(data.validation, data.costs.network_ms)
    yield f"on the {len(last.truth)} validation photos, so much time for so much loss:"
    for loss in OTHER_LOSSES:
        point = cheapest(found, accuracy, float(last.right.mean()) - loss)
        if point is None:
            yield f"  {loss:.1%}: no thresholds"
            continue
        share = found.cost_ms[point] / data.costs.frame_ms[-1]
        network_share = networks.cost_ms[point] / data.costs.network_ms[-1]
        accepts = ", ".join(f"{value:g}" for value in found.at(point))
        yield (
            f"  {loss:.1%}: {share:.0%} of {data.names[-1]}'s ({network_share:.0%} counting "
            f"networks alone), {found.deferral[point]:.1%} passed on; accept {accepts}"
        )


def _require_usable(models: Sequence[Path], policy: ThresholdPolicy) -> None:
    if len(models) < 2:
        raise TrainingError("a cascade joins two models or more, the cheapest first; got one")
    if policy.accept and len(policy.accept) != len(models) - 1:
        raise TrainingError(
            f"--accept gives {len(policy.accept)} thresholds for {len(models)} models; every "
            f"model but the last needs one: {len(models) - 1}"
        )


def choose(found: Frontier, data: CascadeData, policy: ThresholdPolicy) -> StageThresholds:
    """The thresholds that `policy` asks for, by the frontier on the validation photos.

    Raises TrainingError where no cascade is within the budget.
    """
    if policy.accept:
        return StageThresholds(policy.accept, note="as given")
    accuracy = guarded(found.accuracy)
    n = len(data.validation[0].truth)
    if policy.budget_ms is not None:
        point = most_accurate(found, accuracy, policy.budget_ms)
        if point is None:
            raise TrainingError(
                f"no thresholds keep a frame within {policy.budget_ms:g} ms: "
                f"{data.names[0]} alone takes {data.costs.frame_ms[0]:.2f} ms here and "
                f"the cheapest cascade {found.cost_ms.min():.2f} ms; raise --budget-ms or take "
                "a cheaper first model"
            )
        note = f"the most accurate within {policy.budget_ms:g} ms on {n} validation photos"
        return StageThresholds(found.at(point), note=note)
    least = float(data.validation[-1].right.mean()) - policy.max_loss
    point = cheapest(found, accuracy, least)
    if point is None:
        point = (len(found.grid) - 1,) * found.accuracy.ndim
        note = (
            f"the highest there are: at none the loss stays within {policy.max_loss:.1%} on the "
            f"{n} validation photos"
        )
    else:
        note = f"the cheapest within {policy.max_loss:.1%} on {n} validation photos"
    return StageThresholds(found.at(point), note=note)


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
    record = measure(test, data.names, data.costs)
    record["folders"] = {
        str(part.folder): measure(outcomes, data.names, data.costs)
        for part, outcomes in zip((p for p in data.test_photos if p.test), parts, strict=True)
    }
    record["thresholds"] = list(thresholds.accept)
    record["label_thresholds"] = [dict(own) for own in thresholds.labels]
    return record, test


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


def _drawing(
    found: Frontier, data: CascadeData, record: Mapping[str, Any], test: Sequence[Outcomes]
) -> tuple[dict[str, list[tuple[float, float]]], dict[str, tuple[float, float]]]:
    """Curves and marks of the plot: the frontier on both splits, models, the policy."""
    curves = {
        f"every threshold, {len(data.validation[0].truth)} validation photos": outline(found),
        f"every threshold, {record['n']} test photos": outline(
            frontier(test[:-1], data.costs.frame_ms)
        ),
    }
    marks = {"the cascade, test": (record["cost_ms"], record["cascade"]["top1"])}
    for model in record["models"]:
        marks[f"{model['name']} alone, test"] = (model["frame_ms"], model["top1"])
    return curves, marks


def outline(found: Frontier) -> list[tuple[float, float]]:
    """(ms, accuracy) along the grid of two stages; of more, the best at each cost."""
    points = sorted(
        zip(found.cost_ms.ravel().tolist(), found.accuracy.ravel().tolist(), strict=True)
    )
    if found.accuracy.ndim == 1:
        return points
    best: list[tuple[float, float]] = []
    for cost_ms, accuracy in points:
        if not best or accuracy > best[-1][1]:
            best.append((cost_ms, accuracy))
    return best
