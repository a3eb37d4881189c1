"""A cascade: cheap classifiers first, costlier ones only for the frames that need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pi_classifier.errors import ModelMismatch
from pi_classifier.suggest import suggestion
from pi_classifier.types import Classifier, Frame, Prediction


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
