"""What the run loop has done so far, as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from pi_classifier.logs.handlers import dropped as log_dropped
from pi_classifier.types import Decision, Frame, Prediction, Sink, Skip

_MOST_TOLD = 5


class Losses:
    """What sinks and log have not delivered in a run, whichever sinks were in force.

    `log_dropped` returns how many messages are missing from the log.
    """

    def __init__(self, log_dropped: Callable[[], int] = log_dropped) -> None:
        self._log_dropped = log_dropped
        self._sinks: tuple[Sink, ...] = ()
        # Of sinks that are closed: a reload may replace them any number of times.
        self._dropped: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()

    def count(self, sinks: tuple[Sink, ...]) -> None:
        """Count these sinks from now on; what those before them have lost stays counted."""
        for sink in self._sinks:
            if sink not in sinks:
                self._dropped[sink.name] += sink.dropped
                self._failures[sink.name] += sink.failures
        self._sinks = sinks

    def __str__(self) -> str:
        """Such as ``speech: 3 dropped, 1 failed attempt``; empty when nothing was lost."""
        dropped, failures = self._dropped.copy(), self._failures.copy()
        for sink in self._sinks:
            dropped[sink.name] += sink.dropped
            failures[sink.name] += sink.failures
        # The log sink shares the log's queue, and so its count.
        dropped["log"] = max(dropped["log"], self._log_dropped())
        parts = []
        for name in sorted(+dropped | +failures):
            words = [f"{dropped[name]} dropped"] if dropped[name] else []
            if failures[name]:
                attempts = "attempt" if failures[name] == 1 else "attempts"
                words.append(f"{failures[name]} failed {attempts}")
            parts.append(f"{name}: {', '.join(words)}")
        return "; ".join(parts)


@dataclass(slots=True)
class Counters:
    """What the loop has done so far.

    `frames` counts the camera's frames, `admitted` those the gate let through,
    `answered[stage]` those a stage of the cascade had the last word on, `unknown` those
    unlike every label, `skipped[why]` those of which a costlier model was not asked.
    `visits[camera, label]` counts the visits that decisions told of.
    `decisions` counts the changes of mind, `labels` the labels that they announced.
    `dropped` counts the gaps in the frames' numbers: frames the camera lost.
    `latency_ns` is the time spent in the classifier, preprocessing included. `losses`
    are those of sinks and log.
    """

    frames: int = 0
    dropped: int = 0
    admitted: int = 0
    unknown: int = 0
    decisions: int = 0
    labels: int = 0
    latency_ns: int = 0
    answered: Counter[int] = field(default_factory=Counter)
    skipped: Counter[Skip] = field(default_factory=Counter)
    visits: dict[tuple[str, str], int] = field(default_factory=dict)
    losses: Losses = field(default_factory=Losses, compare=False)
    # The number of each camera's next frame, by the camera's name.
    _expected: dict[str, int] = field(default_factory=dict)

    def observe(self, frame: Frame, prediction: Prediction | None) -> None:
        """Count one frame."""
        self.frames += 1
        self.dropped += max(0, frame.sequence - self._expected.get(frame.camera, frame.sequence))
        self._expected[frame.camera] = frame.sequence + 1
        if prediction is not None:
            self.admitted += 1
            self.unknown += prediction.unknown
            self.latency_ns += prediction.latency_ns
            self.answered[prediction.stage] += 1
            if prediction.skipped is not None:
                self.skipped[prediction.skipped] += 1

    def decided(self, decision: Decision) -> None:
        """Count one decision."""
        self.decisions += 1
        self.labels += len(decision.announced)
        if decision.label is not None and decision.visit is not None:
            self._visited(decision.camera, decision.label, decision.visit)
        for seen in decision.detections:
            if seen.visit is not None:
                self._visited(decision.camera, seen.label, seen.visit)

    def _visited(self, camera: str, label: str, number: int) -> None:
        visit = camera, label
        self.visits[visit] = max(self.visits.get(visit, 0), number)

    @property
    def visits_words(self) -> str:
        """Such as ``3 visits (daisy 2, roses 1)``; empty for none."""
        by_label: Counter[str] = Counter()
        for (_, label), number in self.visits.items():
            by_label[label] += number
        total = by_label.total()
        told = ", ".join(f"{label} {number}" for label, number in by_label.most_common(_MOST_TOLD))
        more = ", ..." if len(by_label) > _MOST_TOLD else ""
        return f"{total} visit{'' if total == 1 else 's'} ({told}{more})" if total else ""

    @property
    def first_stage_share(self) -> float:
        """Share of the classified frames that the first stage answered, 0 to 1."""
        return self.answered[0] / self.admitted if self.admitted else 0.0

    @property
    def skipped_words(self) -> str:
        """Such as ``12 without a costlier model (budget 10, heat 2)``; empty for none."""
        if not self.skipped:
            return ""
        why = ", ".join(f"{reason} {count}" for reason, count in sorted(self.skipped.items()))
        return f"{self.skipped.total()} without a costlier model ({why})"

    @property
    def ms_per_frame(self) -> float:
        """Mean time in the classifier per classified frame, in milliseconds."""
        return self.latency_ns / self.admitted / 1e6 if self.admitted else 0.0

    def __str__(self) -> str:
        losses = str(self.losses)
        unknown = f", {self.unknown} of them unknown" if self.unknown else ""
        visits = f"{self.visits_words}, " if self.visits else ""
        skipped = f"{self.skipped_words}, " if self.skipped else ""
        return (
            f"{self.frames} frames ({self.admitted} classified{unknown}, {self.dropped} dropped), "
            f"{self.decisions} decisions, {visits}"
            f"{self.first_stage_share:.0%} answered by the first stage, {skipped}"
            f"{self.ms_per_frame:.1f} ms per frame" + (f"; {losses}" if losses else "")
        )
