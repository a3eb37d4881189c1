"""The loop the program is about: frames in, decisions out, on one thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile

from pi_classifier.decision import Smoother
from pi_classifier.settings import setting
from pi_classifier.types import Camera, Classifier, Decision, Frame, Gate, Prediction

Observer = Callable[[Frame, Prediction | None], None]
"""Called once per frame, after it was classified (None: the gate kept it out)."""


def _ignore(frame: Frame, prediction: Prediction | None) -> None:
    del frame, prediction


def decisions(
    frames: Iterable[Frame],
    gate: Gate,
    classifier: Classifier,
    smoother: Smoother,
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


@dataclass(slots=True)
class Counters:
    """What the loop has done so far; pass `observe` to `decisions`.

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


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How long it runs (without limits until it is stopped), and how much it logs."""

    frames: int | None = setting(None, "end after so many frames", minimum=1)
    duration_s: float | None = setting(None, "end after so many seconds of frames", minimum=0.0)
    log_level: str = setting(
        "info",
        "how much is logged: info on change, debug every frame",
        choices=("debug", "info", "warning", "error"),
    )
    state_dir: str = setting(
        "",
        "the folder that only one copy of the program may use at a time; as a service the one "
        "that systemd gives it (STATE_DIRECTORY), otherwise none",
    )


class LimitedCamera:
    """A camera that ends by itself after `frames` frames or `duration_s` of frame time."""

    def __init__(self, camera: Camera, limits: RunSettings) -> None:
        self._camera = camera
        self._frames = limits.frames
        self._duration_ns = None if limits.duration_s is None else round(limits.duration_s * 1e9)

    def frames(self) -> Iterator[Frame]:
        """Yield the camera's frames, as many as the limits allow."""
        source = self._camera.frames()
        if self._duration_ns is not None:
            source = _first_ns(source, self._duration_ns)
        return islice(source, self._frames)

    def stop(self) -> None:
        """Stop the camera."""
        self._camera.stop()

    def close(self) -> None:
        """Close the camera."""
        self._camera.close()


def _first_ns(source: Iterator[Frame], duration_ns: int) -> Iterator[Frame]:
    first = next(source, None)
    if first is None:
        return
    end_ns = first.timestamp_ns + duration_ns
    yield first
    yield from takewhile(lambda frame: frame.timestamp_ns < end_ns, source)
