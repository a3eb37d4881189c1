"""The values that flow through the daemon, and the protocols of what moves them.

Frames flow one way: camera -> gate -> classifier -> smoother -> sinks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a camera.

    `pixels` is RGB uint8 ``[height, width, 3]``, C-contiguous and read-only.
    `sequence` counts the camera's frames from 0; a gap is a dropped frame.
    `timestamp_ns` is the exposure time in nanoseconds on one monotonic clock,
    so decisions replay exactly. `truth` is the label the frame is known to show
    (emulated camera only), never read by the pipeline. `scores` float32 ``[labels]``
    are those of a sensor that classifies by itself, None from every other camera.
    `picture` names the file that a replay took it from, within its folder. `camera` is
    the name of the camera, "" for one that has none.
    """

    pixels: NDArray[np.uint8]
    sequence: int
    timestamp_ns: int
    truth: str | None = None
    scores: NDArray[np.float32] | None = None
    picture: str | None = None
    camera: str = ""


@dataclass(frozen=True, slots=True)
class Category:
    """One label with its score; `index` is the position in the model's output."""

    index: int
    label: str
    score: float


Box = tuple[float, float, float, float]
"""Left, top, width and height of a part of a frame, as fractions of it."""


def shared_part(one: Box, other: Box) -> float:
    """The area that two boxes share, as a fraction of the smaller one's."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    tall = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    smaller = min(one[2] * one[3], other[2] * other[3])
    return max(0.0, wide) * max(0.0, tall) / smaller if smaller > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Detection:
    """A label somewhere in the frame, and in which part of it.

    `visit` is the number of the label's visit that it belongs to, once it is one.
    """

    label: str
    score: float
    box: Box
    visit: int | None = None


Skip = Literal["budget", "heat"]
"""Why a costlier model was not asked: no time was left, or the board is to be spared."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier says of one frame: categories sorted best first.

    `model` is the name of the model that answered and `stage` its position in
    the cascade (0 for the first, or for a single model). `latency_ns` is the
    time spent on the frame by all stages together. `unknown`: the frame is unlike
    every label of the model, whatever the scores; then nothing is announced.
    `skipped` is why no costlier model was asked although this one was not sure.
    `detections`, best first, are what was seen where (`[tiles]`); empty where only whole
    frames are looked at.
    """

    categories: tuple[Category, ...]
    model: str
    stage: int
    latency_ns: int
    unknown: bool = False
    skipped: Skip | None = None
    detections: tuple[Detection, ...] = ()

    @property
    def top(self) -> Category:
        """The best category."""
        return self.categories[0]


@dataclass(frozen=True, slots=True)
class Several:
    """The labels in force together, best first, and those of them that are announced now."""

    in_force: tuple[Category, ...]
    announced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """A change of mind about what the camera sees; `label` is None for "nothing".

    Where several labels may be in force together (`decision.multiple`), `several` has them,
    and `label` is the best of those announced now, or of all in force where none is.
    `sequence` and `timestamp_ns` are those of the frame that tipped it, `score`,
    `stage` and `model` those of that frame's prediction. `latency_ns`, the time
    that prediction took, is for logs alone: it differs from run to run and so
    takes no part in comparing decisions (0: not known); nor does `picture`, the frame's.
    `unknown`: it is "nothing" because that frame was unlike every label. `camera` is the
    name of the camera that saw it, "" for one that has none.
    `detections` are that frame's, best first, where frames are looked at in parts.
    `visit` counts the visits of the label: one that stays, or is back soon, is the same.
    """

    label: str | None
    score: float
    sequence: int
    timestamp_ns: int
    stage: int
    model: str
    latency_ns: int = field(default=0, compare=False)
    picture: str | None = field(default=None, compare=False)
    several: Several | None = None
    unknown: bool = False
    camera: str = ""
    detections: tuple[Detection, ...] = ()
    visit: int | None = None

    @property
    def box(self) -> Box | None:
        """Where the label is seen best; None where only whole frames are looked at."""
        return next((seen.box for seen in self.detections if seen.label == self.label), None)

    @property
    def in_force(self) -> tuple[str, ...]:
        """The labels that hold from now on, best first; none for "nothing"."""
        if self.several is not None:
            return tuple(category.label for category in self.several.in_force)
        return () if self.label is None else (self.label,)

    @property
    def announced(self) -> tuple[str, ...]:
        """Those of them that are new."""
        return self.in_force if self.several is None else self.several.announced


class Camera(Protocol):
    """A source of frames.

    `frames` yields until the source ends or `stop` is called, and raises
    `CameraError` when the camera fails. `stop` may be called from any thread and
    makes `frames` return within half a second. `close` frees the device; a second
    call does nothing, and `frames` after it raises `CameraClosed`.
    """

    def frames(self) -> Iterator[Frame]: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


class Gate(Protocol):
    """Decides whether a frame is worth classifying."""

    def admits(self, frame: Frame) -> bool: ...


class Classifier(Protocol):
    """Turns a frame into a prediction; `labels` are in output order."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Sequence[str]: ...

    def classify(self, frame: Frame) -> Prediction: ...

    def close(self) -> None: ...


class Sink(Protocol):
    """Where decisions go. `emit` never blocks a frame; `close` flushes, within a second.

    `busy` tells whether a decision is being delivered: a phrase said, a line written.
    `dropped` counts the decisions that were not and will not be delivered, `failures` the
    attempts that failed, those that were made up for later included.
    """

    @property
    def name(self) -> str: ...

    @property
    def busy(self) -> bool: ...

    @property
    def dropped(self) -> int: ...

    @property
    def failures(self) -> int: ...

    def emit(self, decision: Decision) -> None: ...

    def close(self) -> None: ...
