"""A cascade: cheap classifiers first, costlier ones only for the frames that need them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pi_classifier.errors import ConfigError, ModelFileError, ModelMismatch
from pi_classifier.inference.budget import Budget, CascadeSettings, open_budget
from pi_classifier.modelfile.cascade_file import StageEntry, read_cascade_file
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.suggest import suggestion
from pi_classifier.types import Classifier, Frame, Prediction, Skip

if TYPE_CHECKING:
    from pi_classifier.inference.classifier import ModelClassifier


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A classifier and the top score from which its answer is taken, but for unknown frames.

    `accept_labels` holds other thresholds for some labels' answers. The last stage's
    answer is always taken; its thresholds are not looked at.
    """

    classifier: Classifier
    accept: float = 0.0
    accept_labels: Mapping[str, float] = field(default_factory=dict)


class Cascade:
    """Asks its stages in turn and stops at the first that is sure; itself a `Classifier`.

    All stages must have the same labels in the same order; raises `ModelMismatch`.
    With a `budget`, stages behind the first are asked only where it allows.
    Closing it closes its stages and the budget.
    """

    def __init__(
        self, stages: Sequence[Stage], name: str = "cascade", budget: Budget | None = None
    ) -> None:
        if not stages:
            raise ModelMismatch(f"{name}: has no stages; expected at least one")
        for number, stage in enumerate(stages[1:], start=2):
            _check_same_labels(name, stages[0].classifier, stage.classifier, number)
        self.stages = tuple(stages)
        self.name = name
        self._budget = budget
        # By output index: a frame costs one look-up, however many labels have their own.
        self._accept = tuple(_accept_by_index(name, i, s) for i, s in enumerate(stages, start=1))

    @property
    def labels(self) -> Sequence[str]:
        """The labels that all stages share, in output order."""
        return self.stages[0].classifier.labels

    @property
    def classifiers(self) -> tuple[Classifier, ...]:
        """Those of its stages, in the order they are asked."""
        return tuple(stage.classifier for stage in self.stages)

    def classify(self, frame: Frame) -> Prediction:
        """Return the answer of the first stage that is sure; its latency counts all asked."""
        latency_ns = 0
        last = len(self.stages) - 1
        budget = self._budget
        skipped: Skip | None = None
        for number, stage in enumerate(self.stages):
            prediction = stage.classifier.classify(frame)
            latency_ns += prediction.latency_ns
            if budget is not None:
                budget.measured(number, prediction.latency_ns)
            top = prediction.top
            sure = not prediction.unknown and top.score >= self._accept[number][top.index]
            if sure or number == last:
                break
            if budget is not None and (skipped := budget.skip(number + 1, latency_ns)) is not None:
                break
        if budget is not None:
            budget.frame_ended(latency_ns)
        return Prediction(
            prediction.categories,
            prediction.model,
            number,
            latency_ns,
            prediction.unknown,
            skipped,
        )

    def close(self) -> None:
        """Close all stages."""
        for stage in self.stages:
            stage.classifier.close()
        if self._budget is not None:
            self._budget.close()


def budgeted(classifier: Classifier, settings: CascadeSettings) -> Classifier:
    """The classifier, a cascade that keeps to the budget if the settings have one.

    Raises ConfigError where there is no costlier model that could be left out.
    """
    if settings.budget_ms is None:
        return classifier
    if not isinstance(classifier, Cascade) or len(classifier.stages) == 1:
        raise ConfigError(
            f"cascade.budget_ms = {settings.budget_ms:g}: {classifier.name} is one model, and no "
            "costlier one can be left out; name a cascade, or remove the setting"
        )
    return Cascade(classifier.stages, classifier.name, open_budget(settings))


def open_cascade(
    path: Path, open_models: Callable[[Sequence[Path]], Iterable[ModelClassifier]]
) -> Cascade:
    """Open the models that a ``cascade.toml`` names, with `open_models`, and put them together.

    Raises `ModelFileError`, `ModelMismatch`, and what `open_models` raises; nothing stays open.
    """
    cascade = read_cascade_file(path)
    stages: list[Stage] = []
    with contextlib.ExitStack() as opened:
        classifiers = open_models([entry.model for entry in cascade.stages])
        for number, (entry, classifier) in enumerate(
            zip(cascade.stages, classifiers, strict=True), start=1
        ):
            opened.callback(classifier.close)
            accept = entry.accept
            if accept is None:
                accept = classifier.model.manifest.thresholds.accept
            stages.append(Stage(classifier, accept or 0.0, _accept_labels(entry, classifier)))
            if accept is None and number < len(cascade.stages):
                raise ModelFileError(
                    f"{path}: stage {number} has no accept threshold, and its model recommends "
                    "none; add accept = 0.8 or the like"
                )
        complete = Cascade(stages, cascade.name)
        opened.pop_all()
    return complete


def _accept_labels(entry: StageEntry, classifier: ModelClassifier) -> dict[str, float]:
    """A stage's label thresholds under the names in use: its file's, or those of --labels."""
    own: Sequence[str] = classifier.labels
    if entry.accept_labels and not set(entry.accept_labels) <= set(own):
        own = read_model_file(classifier.model.file or entry.model).labels
    names = dict(zip(own, classifier.labels, strict=True))
    return {names.get(label, label): score for label, score in entry.accept_labels.items()}


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
