"""The loop the program is about: frames in, decisions out, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from pi_classifier.types import Classifier, Decision, Frame, Gate, Prediction

Observer = Callable[[Frame, Prediction | None], None]
"""Called once per frame, after it was classified (None: the gate kept it out)."""


class Smooths(Protocol):
    """Turns predictions into decisions; see `decision.Smoother`."""

    def update(self, frame: Frame, prediction: Prediction) -> Decision | None: ...

    def resume_from(self, other: object) -> None: ...


def _ignore(frame: Frame, prediction: Prediction | None) -> None:
    del frame, prediction


def decisions(
    frames: Iterable[Frame],
    gate: Gate,
    classifier: Classifier,
    smoother: Smooths,
    observe: Observer = _ignore,
) -> Iterator[Decision]:
    """Yield a decision whenever the smoother changes its mind, until the frames end.

    Raises what camera and classifier raise: `CameraError`, `InferenceError`.
    """
    for frame in frames:
        prediction = classifier.classify(frame) if gate.admits(frame) else None
        observe(frame, prediction)
        if prediction is not None:
            decision = smoother.update(frame, prediction)
            if decision is not None:
                yield decision
