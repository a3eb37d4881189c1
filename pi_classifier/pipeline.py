"""The loop the program is about: frames in, decisions out, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pi_classifier.decision import AnySmoother
from pi_classifier.types import Classifier, Decision, Frame, Gate, Prediction

Observer = Callable[[Frame, Prediction | None], None]
"""Called once per frame, after it was classified (None: the gate kept it out)."""


def _ignore(frame: Frame, prediction: Prediction | None) -> None:
    del frame, prediction


def decisions(
    frames: Iterable[Frame],
    gate: Gate,
    classifier: Classifier,
    smoother: AnySmoother,
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
