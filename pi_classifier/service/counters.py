"""What the run loop has done so far, as numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pi_classifier.types import Decision, Frame, Prediction


@dataclass(slots=True)
class Counters:
    """What the loop has done so far.

    `frames` counts the camera's frames, `admitted` those the gate let through,
    `answered[stage]` those a stage of the cascade had the last word on.
    `decisions` counts the changes of mind, `labels` those for a label (not "nothing").
    `dropped` counts the gaps in the frames' numbers: frames the camera lost.
    `latency_ns` is the time spent in the classifier, preprocessing included.
    """

    frames: int = 0
    dropped: int = 0
    admitted: int = 0
    decisions: int = 0
    labels: int = 0
    latency_ns: int = 0
    answered: Counter[int] = field(default_factory=Counter)
    _expected: int | None = None

    def observe(self, frame: Frame, prediction: Prediction | None) -> None:
        """Count one frame."""
        self.frames += 1
        if self._expected is not None and frame.sequence > self._expected:
            self.dropped += frame.sequence - self._expected
        self._expected = frame.sequence + 1
        if prediction is not None:
            self.admitted += 1
            self.latency_ns += prediction.latency_ns
            self.answered[prediction.stage] += 1

    def decided(self, decision: Decision) -> None:
        """Count one decision."""
        self.decisions += 1
        self.labels += decision.label is not None

    @property
    def first_stage_share(self) -> float:
        """Share of the classified frames that the first stage answered, 0 to 1."""
        return self.answered[0] / self.admitted if self.admitted else 0.0

    @property
    def ms_per_frame(self) -> float:
        """Mean time in the classifier per classified frame, in milliseconds."""
        return self.latency_ns / self.admitted / 1e6 if self.admitted else 0.0

    def __str__(self) -> str:
        return (
            f"{self.frames} frames ({self.admitted} classified, {self.dropped} dropped), "
            f"{self.decisions} decisions, "
            f"{self.first_stage_share:.0%} answered by the first stage, "
            f"{self.ms_per_frame:.1f} ms per frame"
        )
