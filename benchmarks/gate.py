"""Whether the motion gate misses flowers, how much it skips, and what it costs while it does.

A still camera looks at drawn gardens: noise, a corner in the wind, slow changes of the light,
clouds; flowers of many sizes come for half a second to three seconds and go again.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.figures import Aim, Figure
from benchmarks.scenes import Pixels
from pi_classifier.cameras.emulated.scenes import BACKGROUND, LABELS, Motion, Plant, Scene
from pi_classifier.decision import SmootherSettings, make_smoother
from pi_classifier.gate import GateSettings, open_gate
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.pipeline import decisions
from pi_classifier.types import Frame

SECTION = "Motion gate"
ABOUT = {
    SECTION: (
        "a still camera, 10 frames of 320×240 a second: gardens, noise, wind, changing light;",
        "flowers that stay 0.5 to 3 s are missed where fewer than 3 of their frames are admitted",
    )
}
# About what cameras deliver that scale for the model.
_HEIGHT, _WIDTH = 240, 320
_FPS = 10
_FRAME_NS = 1_000_000_000 // _FPS
_VIEW_S = 120.0
_SHORTEST_S = 0.5
# Radius in units of the shorter side: the smallest flower is an eighth of it across.
_RADII = (0.0625, 0.3)
_ENOUGH = SmootherSettings().patience
_IDLE_FRAMES = 1000


@dataclass(frozen=True, slots=True)
class Visit:
    """A flower that is seen in the frames from `start` to before `end`."""

    scene: Scene
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class View:
    """One place: empty, with its visits, and how its light changes."""

    empty: Scene
    visits: tuple[Visit, ...]
    swing: float
    swing_s: float
    cloud_s: float

    def frames(self, seed: int) -> Iterator[Frame]:
        """Draw every frame of the view; `truth` says what it shows."""
        for number in range(round(_VIEW_S * _FPS)):
            time_s = number / _FPS
            visit = next((one for one in self.visits if one.start <= number < one.end), None)
            scene = visit.scene if visit else self.empty
            noise = np.random.default_rng((seed, number))
            drawn = scene.render(_HEIGHT, _WIDTH, time_s, noise)
            _blow(drawn, time_s)
            table = np.clip(np.arange(256) * self._light(time_s), 0, 255).astype(np.uint8)
            yield Frame(table[drawn], number, number * _FRAME_NS, scene.label)

    def _light(self, time_s: float) -> float:
        swing = self.swing * math.sin(2 * math.pi * time_s / self.swing_s)
        # A cloud comes within some seconds and is gone as slowly.
        cloud = 0.3 * math.exp(-(((time_s - self.cloud_s) / 4) ** 2))
        return 1 + swing - cloud


def _blow(picture: Pixels, time_s: float) -> None:
    """Move a corner of the picture to and fro, as wind does leaves."""
    corner = picture[: _HEIGHT // 4, : _WIDTH // 6]
    corner[...] = np.roll(corner, round(3 * math.sin(2.2 * time_s)), axis=1)


def view(seed: int) -> View:
    """Draw a place and two visits to it by lot."""
    rng = np.random.default_rng((seed, 6))
    wind = Motion(float(rng.uniform(0.0, 0.02)), float(rng.uniform(1.2, 3.0)), 0.0, 3.0, 0.0)
    drawn = replace(Scene.draw(str(rng.choice(LABELS[1:])), rng), motion=wind)
    visits = []
    for middle_s in (40.0, 95.0):
        start = round((middle_s + float(rng.uniform(-20, 20))) * _FPS)
        # A third stays no longer than has to be noticed.
        long_s = max(_SHORTEST_S, float(rng.uniform(-0.75, 3.0)))
        radius = float(rng.uniform(*_RADII))
        x, y = float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.35, 0.35))
        plant = Plant(x, y, radius, 0.9, 0.0, x, int(rng.integers(2**62)))
        scene = replace(drawn, plants=(plant,), _painted={})
        visits.append(Visit(scene, start, start + round(long_s * _FPS)))
    empty = replace(drawn, label=BACKGROUND, plants=(), _painted={})
    light = (
        float(rng.uniform(0.0, 0.25)),
        float(rng.uniform(40, 200)),
        float(rng.uniform(0, _VIEW_S)),
    )
    return View(empty, tuple(visits), *light)


@dataclass(frozen=True, slots=True)
class Watched:
    """What the gate made of one view, in frames; `late_s` from each flower to its first frame."""

    missed: int
    visits: int
    empty: int
    skipped: int
    late_s: tuple[float, ...]


def watch(shown: View, seed: int, settings: GateSettings) -> Watched:
    """Let the gate look at a view."""
    gate = open_gate(settings)
    admitted = {frame.sequence for frame in shown.frames(seed) if gate.admits(frame)}
    looks = [
        [number for number in range(visit.start, visit.end) if number in admitted]
        for visit in shown.visits
    ]
    flowers = {n for visit in shown.visits for n in range(visit.start, visit.end)}
    empty = set(range(round(_VIEW_S * _FPS))) - flowers
    late = [
        (look[0] - visit.start) / _FPS
        for visit, look in zip(shown.visits, looks, strict=True)
        if look
    ]
    missed = sum(len(look) < _ENOUGH for look in looks)
    return Watched(missed, len(looks), len(empty), len(empty - admitted), tuple(late))


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench gate",
        description="Measure what the motion gate misses, skips and costs.",
    )
    parser.add_argument("--views", type=int, default=25, metavar="N", help="places (25)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first one (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Measure; one list of figures."""
    settings = GateSettings(kind="motion")
    seeds = range(arguments.first, arguments.first + arguments.views)
    watched = [watch(view(seed), seed, settings) for seed in seeds]
    yield [*_figures(watched), _idle_cost(settings, arguments.first)]


def _figures(watched: Sequence[Watched]) -> Iterator[Figure]:
    visits, missed = sum(one.visits for one in watched), sum(one.missed for one in watched)
    empty, skipped = sum(one.empty for one in watched), sum(one.skipped for one in watched)
    late_ms = [1000 * late for one in watched for late in one.late_s]
    flowers = f"{visits} flowers in {len(watched)} places"
    yield Figure(SECTION, flowers, "missed", "", missed, aim=Aim(0, "ours"))
    yield Figure(SECTION, flowers, "to the first frame, most", "ms", max(late_ms, default=0.0))
    classified = 100 * (empty - skipped) / empty
    about = f"{empty} frames without any"
    yield Figure(SECTION, about, "classified", "%", classified, aim=Aim(10, "ours"))


def _idle_cost(settings: GateSettings, seed: int) -> Figure:
    """The processor's share that the whole loop takes while nothing happens."""
    shown = replace(view(seed), visits=(), swing=0.0, cloud_s=-100.0)
    kept = [frame for frame, _ in zip(shown.frames(seed), range(20), strict=False)]
    still = [
        Frame(kept[number % len(kept)].pixels, number, number * _FRAME_NS)
        for number in range(_IDLE_FRAMES)
    ]
    classifier = open_classifier(ModelSettings())
    shares = []
    for _ in range(5):
        smoother = make_smoother(SmootherSettings(), frozenset({BACKGROUND}))
        begin = time.process_time()
        for _ in decisions(still, open_gate(settings), classifier, smoother):
            pass
        shares.append((time.process_time() - begin) / (_IDLE_FRAMES / _FPS))
    classifier.close()
    about = f"an empty place, {_IDLE_FRAMES} frames, 5 times"
    return Figure(
        SECTION, about, "of a core at 10 frames/s", "%", 100 * median(shares), aim=Aim(1, "ours")
    )
