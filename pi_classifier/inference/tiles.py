"""Small things in large frames: a cheap model looks at windows, a costly one at what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pi_classifier.errors import ConfigError
from pi_classifier.inference.budget import Budget, CascadeSettings, open_budget
from pi_classifier.inference.cascade import Cascade, Stage, budgeted
from pi_classifier.inference.windows import Grid, Pixels, Size, Window, lay_out
from pi_classifier.setting import setting
from pi_classifier.types import (
    Box,
    Classifier,
    Detection,
    Frame,
    Prediction,
    Skip,
    shared_part,
)

# Where a budget does not suffice for all windows, so much of it is for looking at them.
_LOOKING = 0.6
# What shares more of the smaller of two boxes than this is one thing, with one label.
_ONE_THING = 0.2


@dataclass(frozen=True, slots=True)
class TilesSettings:
    """Looking for small things: windows of the frame, each shown to the model by itself."""

    sizes: tuple[float, ...] = setting(
        (),
        "heights of the windows as fractions of the frame's shorter side, such as [0.25]; best "
        "twice as high as what is looked for; empty: the frame is looked at as a whole",
        minimum=0.02,
        maximum=1.0,
    )
    overlap: float = setting(
        0.5, "the part of a window that its neighbor has too", minimum=0.0, maximum=0.9
    )
    threshold: float = setting(
        0.5,
        "from this score on a window counts, and the costly model of a cascade is asked of it",
        minimum=0.0,
        maximum=1.0,
    )
    most_checked: int = setting(
        4, "the costly model is asked of so many windows of a frame at most", minimum=1
    )


@runtime_checkable
class WindowClassifier(Classifier, Protocol):
    """A classifier that looks at pictures of one size, (height, width)."""

    @property
    def input_size(self) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class _Find:
    """A detection, the answer that it comes from, and the stage that gave it."""

    detection: Detection
    answer: Prediction
    stage: int


@dataclass(slots=True)
class _Sweep:
    """The windows of one camera's frames, their last answers, and whose turn it is."""

    frame_size: tuple[int, int]
    grids: list[Grid]
    windows: list[Window]
    answers: list[Prediction] = field(default_factory=list)
    next: int = 0

    def note(self, answer: Prediction) -> None:
        """Take the answer of the window whose turn it is."""
        if self.next < len(self.answers):
            self.answers[self.next] = answer
        else:
            self.answers.append(answer)
        self.next = (self.next + 1) % len(self.windows)


class Tiles:
    """Looks for labels in windows of a frame; itself a `Classifier`, whose answers have boxes.

    A frame is shrunk once for each size of windows, which are views of that; `cheap` is asked of
    every one. Those whose label is not silent and scores `settings.threshold` are candidates.
    `costly`, if there is one, is asked of the best of them, cut from the frame itself, and
    what it says counts. The prediction is that of the best find, else of the quietest window.

    With a budget, as many windows are looked at as fit; the next frame goes on with the others,
    and until its turn comes a window's last answer stands. `silent` labels are not looked for.
    Closing it closes its models and the budget.
    """

    def __init__(
        self,
        cheap: WindowClassifier,
        costly: Classifier | None,
        settings: TilesSettings,
        silent: Collection[str] = (),
        budget: Budget | None = None,
        name: str = "tiles",
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.name = name
        self.cheap = cheap
        self.costly = costly
        self._settings = settings
        self._silent = frozenset(silent)
        self._budget = budget
        self._clock_ns = clock_ns
        self._sweeps: dict[str, _Sweep] = {}  # by the camera's name

    @property
    def labels(self) -> Sequence[str]:
        """The labels in output order."""
        return self.cheap.labels

    @property
    def classifiers(self) -> tuple[Classifier, ...]:
        """The models, in the order they are asked."""
        return (self.cheap,) if self.costly is None else (self.cheap, self.costly)

    def classify(self, frame: Frame) -> Prediction:
        """Return the best find's answer, and all finds with their boxes.

        Raises `InferenceError`, and ConfigError for frames too small for the windows.
        """
        start_ns = self._clock_ns()
        sweep = self._sweep(frame)
        self._look(sweep, frame, start_ns)
        found, skipped = self._found(sweep, frame, start_ns)
        answer, stage = min(sweep.answers, key=self._quietness), 0
        if found:
            answer, stage = found[0].answer, found[0].stage
        taken_ns = self._clock_ns() - start_ns
        if self._budget is not None:
            self._budget.frame_ended(taken_ns)
        return Prediction(
            answer.categories,
            answer.model,
            stage,
            taken_ns,
            answer.unknown,
            skipped,
            tuple(find.detection for find in found),
        )

    def check(self, frame_size: Size) -> None:
        """Raise ConfigError where frames of this (height, width) do not do for the windows."""
        lay_out(frame_size, self.cheap.input_size, self._settings.sizes, self._settings.overlap)

    def close(self) -> None:
        """Close the models and the budget."""
        for classifier in self.classifiers:
            classifier.close()
        if self._budget is not None:
            self._budget.close()

    def _sweep(self, frame: Frame) -> _Sweep:
        """What is kept for the camera of this frame, made anew when its frames' size changes."""
        size = frame.pixels.shape[0], frame.pixels.shape[1]
        sweep = self._sweeps.get(frame.camera)
        if sweep is None or sweep.frame_size != size:
            settings = self._settings
            grids, windows = lay_out(size, self.cheap.input_size, settings.sizes, settings.overlap)
            sweep = self._sweeps[frame.camera] = _Sweep(size, grids, windows)
        return sweep

    def _look(self, sweep: _Sweep, frame: Frame, start_ns: int) -> None:
        """Ask the cheap model of the windows, as many as there is time for."""
        shrunk: dict[int, Pixels] = {}
        for looked_at in range(len(sweep.windows)):
            if looked_at and not self._has_time(start_ns):
                break
            window = sweep.windows[sweep.next]
            if window.grid not in shrunk:
                shrunk[window.grid] = sweep.grids[window.grid].shrunk(frame.pixels)
            view = window.seen_in(shrunk[window.grid], self.cheap.input_size)
            sweep.note(self._asked(0, self.cheap, view, frame))

    def _has_time(self, start_ns: int) -> bool:
        budget = self._budget
        return budget is None or budget.fits(0, self._clock_ns() - start_ns, _LOOKING)

    def _asked(self, stage: int, model: Classifier, pixels: Pixels, frame: Frame) -> Prediction:
        answer = model.classify(Frame(pixels, frame.sequence, frame.timestamp_ns))
        if self._budget is not None:
            self._budget.measured(stage, answer.latency_ns)
        return answer

    def _found(
        self, sweep: _Sweep, frame: Frame, start_ns: int
    ) -> tuple[list[_Find], Skip | None]:
        """What was seen where, best first; and why the costly model was not asked of some."""
        threshold = self._settings.threshold
        candidates = [
            (window, answer)
            for window, answer in zip(sweep.windows, sweep.answers, strict=False)
            if self._loudness(answer) >= threshold
        ]
        candidates.sort(key=lambda candidate: -candidate[1].top.score)
        found: list[_Find] = []
        skipped: Skip | None = None
        checked = 0
        for window, cheap_answer in candidates:
            if _is_known(window.box, found):
                continue
            answer, stage = cheap_answer, 0
            if self.costly is not None and skipped is None:
                if checked == self._settings.most_checked:
                    break
                skipped = self._skip(start_ns)
                if skipped is None:
                    checked += 1
                    answer = self._asked(1, self.costly, window.cut_from(frame.pixels), frame)
                    stage = answer.stage + 1
            if self._loudness(answer) >= threshold:
                seen = Detection(answer.top.label, answer.top.score, window.box)
                found.append(_Find(seen, answer, stage))
        found.sort(key=lambda find: -find.detection.score)
        return found, skipped

    def _skip(self, start_ns: int) -> Skip | None:
        budget = self._budget
        return None if budget is None else budget.skip(1, self._clock_ns() - start_ns)

    def _loudness(self, answer: Prediction) -> float:
        """The score of its label, 0 for one that is not announced."""
        silent = answer.unknown or answer.top.label in self._silent
        return 0.0 if silent else answer.top.score

    def _quietness(self, answer: Prediction) -> tuple[float, bool]:
        return self._loudness(answer), answer.unknown


def _is_known(box: Box, found: Sequence[_Find]) -> bool:
    return any(shared_part(box, find.detection.box) > _ONE_THING for find in found)


def tiled(
    classifier: Classifier, tiles: TilesSettings, cascade: CascadeSettings, silent: Collection[str]
) -> Classifier:
    """The classifier, on windows of the frame if the settings have them, within their budget.

    Raises ConfigError for one that does not look at pictures.
    """
    if not tiles.sizes:
        return budgeted(classifier, cascade)
    stages = classifier.stages if isinstance(classifier, Cascade) else (Stage(classifier),)
    cheap = stages[0].classifier
    if not isinstance(cheap, WindowClassifier):
        raise ConfigError(
            f"tiles.sizes: {cheap.name} sees what its sensor sees, and no windows of it; name a "
            "model file, or remove the setting"
        )
    costly = Cascade(stages[1:], classifier.name) if len(stages) > 1 else None
    return Tiles(cheap, costly, tiles, silent, open_budget(cascade), name=classifier.name)
