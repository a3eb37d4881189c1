"""Small flowers in wide views: how many are announced, with windows and without."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.figures import Aim, Figure
from benchmarks.subject import subjects
from pi_classifier.cameras.emulated.scenes import BACKGROUND
from pi_classifier.config.settings import Settings
from pi_classifier.decision import make_smoother
from pi_classifier.inference.budget import CascadeSettings
from pi_classifier.inference.classifier import silent_labels_of
from pi_classifier.inference.tiles import TilesSettings
from pi_classifier.pipeline import decisions
from pi_classifier.service.build import open_camera, open_deciding_classifier
from pi_classifier.types import Frame, Prediction

SECTION = "Small flowers in a meadow"
ABOUT = {
    SECTION: (
        "flowers an eighth as high as the frame of 1280×960, one after the other, empty ground in",
        "between, through the daemon's loop; 'false alarms': announced, and not what is there",
    ),
}
_MOST_MISSED = Aim(10.0, "ours")
_FPS = 2.0  # so a flower is there for ten frames and the ground for five
_SIZES = (0.22,)
_BUDGET_SHARE = 0.5


class _AdmitsAll:
    """A gate that keeps nothing out."""

    def admits(self, frame: Frame) -> bool:
        del frame
        return True


@dataclass(slots=True)
class _Meadow:
    """What was shown and what was announced, flower by flower."""

    shown: list[str] = field(default_factory=list)
    right: set[int] = field(default_factory=set)
    wrong: int = 0
    times_ms: list[float] = field(default_factory=list)
    _last: str | None = None

    def watch(self, frame: Frame, prediction: Prediction | None) -> None:
        """Note what a frame shows, and how long it took."""
        if frame.truth != self._last and frame.truth not in (None, BACKGROUND):
            self.shown.append(frame.truth or "")
        self._last = frame.truth
        if prediction is not None:
            self.times_ms.append(prediction.latency_ns / 1e6)

    def announced(self, label: str) -> None:
        """Note an announcement; one that comes as the flower goes is still of that flower."""
        if self.shown and label == self.shown[-1]:
            self.right.add(len(self.shown))
        else:
            self.wrong += 1


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench tiles``."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench tiles", description="Small flowers in wide views, announced or not."
    )
    parser.add_argument("model", nargs="?", default="flowers", help="model or cascade (flowers)")
    parser.add_argument("--flowers", type=int, default=60, metavar="N", help="how many (60)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which meadow (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Yield the figures; raises PiClassifierError."""
    with tempfile.TemporaryDirectory(prefix="bench-") as cache:
        (subject,) = subjects([arguments.model], None)
        usual = subject.settings(Path(cache))
        camera = replace(
            usual.camera,
            source="emulated:meadow", width=1280, height=960, fps=_FPS, seed=arguments.seed,
        )  # fmt: skip
        whole = replace(usual, camera=camera)
        windows = replace(whole, tiles=TilesSettings(sizes=_SIZES))
        yield list(_figures("whole frame", _walk(whole, arguments.flowers)))
        seen = _walk(windows, arguments.flowers)
        yield list(_figures("windows", seen, _MOST_MISSED))
        limit_ms = round(_BUDGET_SHARE * float(np.median(seen.times_ms)), 1)
        within = replace(windows, cascade=CascadeSettings(budget_ms=limit_ms))
        name = f"windows, budget {limit_ms:g} ms"
        yield list(_figures(name, _walk(within, arguments.flowers), limit_ms=limit_ms))


def _walk(settings: Settings, flowers: int) -> _Meadow:
    meadow = _Meadow()
    with closing(open_deciding_classifier(settings)) as classifier:
        smoother = make_smoother(settings.decision, silent_labels_of(classifier))
        with closing(open_camera(settings.camera)) as camera:
            frames = _until(camera.frames(), flowers, meadow)
            for decision in decisions(frames, _AdmitsAll(), classifier, smoother, meadow.watch):
                for label in decision.announced:
                    meadow.announced(label)
    return meadow


def _until(frames: Iterator[Frame], flowers: int, meadow: _Meadow) -> Iterator[Frame]:
    """The frames up to the ground behind the last flower."""
    for frame in frames:
        if len(meadow.shown) == flowers and frame.truth == BACKGROUND:
            return
        yield frame


def _figures(
    subject: str, meadow: _Meadow, missed: Aim | None = None, limit_ms: float | None = None
) -> Iterator[Figure]:
    shown = len(meadow.shown)
    percent = 100 * (shown - len(meadow.right)) / shown
    yield Figure(SECTION, subject, f"missed of {shown}", "%", percent, aim=missed)
    yield Figure(SECTION, subject, "false alarms", "", float(meadow.wrong))
    middle, high = (float(value) for value in np.percentile(meadow.times_ms, (50, 99)))
    yield Figure(SECTION, subject, "median frame", "ms", middle)
    peer = (None, None, None) if limit_ms is None else ("budget", limit_ms, Aim(1.1, "ratio"))
    yield Figure(SECTION, subject, "99th percentile", "ms", high, peer[0], peer[1], aim=peer[2])
