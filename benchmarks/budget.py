"""A cascade that keeps to a budget: frames that all want the costly model, on a loaded core."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure
from benchmarks.scenes import Pixels, garden
from pi_classifier.inference.budget import Budget
from pi_classifier.inference.cascade import Cascade
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.types import Frame, Prediction

SECTION = "Latency budget"
ABOUT = {
    SECTION: (
        "a cascade alone in a loop, on one core with another process that is never idle; its",
        "first model is unsure of every frame (two scenes laid over one another); 'first model",
        "alone' and 'no budget' see a tenth of the frames; ratio: 99th percentile to budget",
    ),
}
_WITHIN = Aim(1.1, "ratio")
_BLENDS = 48
_FEWEST_UNSURE = 4
# Without --budget-ms: what holds the first model, and something between it and both.
_ROOM = (1.25, 2.5)


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench budget``."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench budget",
        description="Whether a cascade keeps to cascade.budget_ms when every frame is hard.",
    )
    parser.add_argument("model", nargs="?", default="flowers", help="a cascade (flowers)")
    parser.add_argument(
        "--budget-ms", type=float, action="append", metavar="MS", help="a budget; several are"
        " measured one after the other (default: 1.25 and 2.5 times what the first model takes)",
    )  # fmt: skip
    parser.add_argument(
        "--frames", type=int, default=10_000, metavar="N", help="frames for each (10000)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Yield the figures; raises BenchmarkError, PiClassifierError."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as cache,
        closing(open_classifier(ModelSettings(path=arguments.model, cache_dir=cache))) as cascade,
    ):
        if not isinstance(cascade, Cascade):
            raise BenchmarkError(f"{arguments.model}: is one model; name a cascade")
        with _loaded_core():
            yield list(_measured(cascade, arguments))


def _measured(cascade: Cascade, arguments: argparse.Namespace) -> Iterator[Figure]:
    frames: int = arguments.frames
    pictures = _unsure(cascade)
    few = max(frames // 10, len(pictures))
    alone = _times_ms(_run(Cascade(cascade.stages[:1]), pictures, few))
    yield from _figures("first model alone", alone)
    yield from _figures("no budget", _times_ms(_run(cascade, pictures, few)))
    usual_ms = float(np.percentile(alone, 99))
    for limit_ms in arguments.budget_ms or [round(usual_ms * room, 1) for room in _ROOM]:
        limited = Cascade(cascade.stages, cascade.name, Budget(limit_ms))
        predictions = _run(limited, pictures, frames)
        subject = f"budget {limit_ms:g} ms"
        yield from _figures(subject, _times_ms(predictions), limit_ms)
        asked = 100 * sum(prediction.stage > 0 for prediction in predictions) / frames
        yield Figure(SECTION, subject, "costlier model asked", "%", asked)


def _figures(
    subject: str, times_ms: Sequence[float], limit_ms: float | None = None
) -> list[Figure]:
    middle, high = (float(value) for value in np.percentile(times_ms, (50, 99)))
    budget = (None, None, None) if limit_ms is None else ("budget", limit_ms, _WITHIN)
    peer, peers, aim = budget
    return [
        Figure(SECTION, subject, "median frame", "ms", middle),
        Figure(SECTION, subject, "99th percentile", "ms", high, peer, peers, aim=aim),
    ]


def _times_ms(predictions: Sequence[Prediction]) -> list[float]:
    return [prediction.latency_ns / 1e6 for prediction in predictions]


def _run(cascade: Cascade, pictures: Sequence[Pixels], frames: int) -> list[Prediction]:
    shown = islice(cycle(pictures), frames)
    return [cascade.classify(Frame(pixels, number, 0)) for number, pixels in enumerate(shown)]


def _unsure(cascade: Cascade) -> list[Pixels]:
    """Blends of two scenes that the first model passes on."""
    scenes = garden(_BLENDS)
    blends = [
        (one // 2 + other // 2) for one, other in zip(scenes, scenes[1:] + scenes[:1], strict=True)
    ]
    unsure = [pixels for pixels in blends if cascade.classify(Frame(pixels, 0, 0)).stage > 0]
    if len(unsure) < _FEWEST_UNSURE:
        raise BenchmarkError(
            f"{cascade.name}: its first model is sure of {len(blends) - len(unsure)} of "
            f"{len(blends)} blended scenes; raise its accept threshold for this measurement"
        )
    return unsure


@contextmanager
def _loaded_core() -> Iterator[None]:
    """Stay on one core, with a process that is never idle."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()
        os.sched_setaffinity(0, cores)
