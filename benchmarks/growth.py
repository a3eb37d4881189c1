"""How the cost of a frame grows: with labels, the network's side, threads, frames a second."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.figures import Aim, Figure
from benchmarks.scenes import Pixels, garden
from pi_classifier.decision import SmootherSettings, make_smoother
from pi_classifier.gate import GateSettings, open_gate
from pi_classifier.inference.classifier import ModelClassifier, open_model
from pi_classifier.inference.interpreter import Interpreter
from pi_classifier.inference.quantization import Tensor
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.locate import find_model
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.pipeline import decisions
from pi_classifier.preprocessing.preprocessor import Preprocessor
from pi_classifier.system.files import write_atomic
from pi_classifier.types import Frame

SECTIONS = {
    "Labels": "processor time around a network that does nothing, for a frame of its size",
    "Side of the network": "processor time to make 640×480 as small as the network takes it",
    "Threads": "flowers/accurate alone, by the clock; more than there are cores help nobody",
    "Frames a second": "processor time of the loop in ms a second, flowers/fast, in real time",
}
ABOUT = {
    name: (text, "the peer is what the first line would be if it grew in proportion")
    for name, text in SECTIONS.items()
}
LABELS = (5, 1000, 10_000)
SIDES = (96, 128, 160, 192, 224, 256, 320)
THREADS = (1, 2, 4)
SPEEDS = (1, 5, 10, 30, 60)
_TINY = Path(__file__).parents[1] / "tests/data/uint8.tflite"
# In proportion, and what is measured by chance.
_LINEAR = Aim(1.1, "ratio")
_SECONDS = 3.0


class _Idle:
    """A network that does nothing and is never sure."""

    name = "idle"

    def __init__(self, labels: int) -> None:
        outputs = np.random.default_rng(labels).integers(0, 256, (1, labels))
        self._outputs: Tensor = outputs.astype(np.uint8)

    def run(self, tensor: Tensor) -> Tensor:
        del tensor
        return self._outputs

    def close(self) -> None:
        """Do nothing."""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench growth",
        description="Measure how the cost of a frame grows with labels, side, threads and speed.",
    )
    parser.add_argument("--rounds", type=int, default=101, metavar="N", help="rounds (101)")
    parser.add_argument(
        "--seconds", type=float, default=_SECONDS, metavar="S", help="at each speed (3)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it, .svg; needs the bench")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Measure; one list of figures for each section."""
    pictures = garden(4)
    measured: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        settings = ModelSettings(cache_dir=folder)
        grown: dict[str, Callable[[], Sequence[tuple[int, float, float]]]] = {
            "Labels": partial(_labels, arguments.rounds),
            "Side of the network": partial(_sides, pictures[0], arguments.rounds),
            "Threads": partial(_threads, settings, arguments.rounds),
            "Frames a second": partial(_speeds, settings, pictures, arguments.seconds),
        }
        for name, measure in grown.items():
            measured[name] = list(_figures(name, measure()))
            yield measured[name]
    if arguments.plot is not None:
        write_atomic(arguments.plot, plot(measured))


def _figures(section: str, grown: Sequence[tuple[int, float, float]]) -> Iterator[Figure]:
    """Of sizes with their shares of work and what they cost; the first is the measure."""
    _, first_work, first = grown[0]
    for size, work, cost in grown:
        unit = "ms" if section == "Frames a second" else "µs"
        expected = first * work / first_work
        # More threads than cores only wait for one another.
        aim = None if section == "Threads" and size > (os.cpu_count() or 1) else _LINEAR
        yield Figure(section, "", f"{size:,}", unit, cost, "in proportion", expected, aim=aim)


def _labels(rounds: int) -> list[tuple[int, float, float]]:
    tiny = read_model_file(_TINY)
    frame = Frame(np.zeros((*tiny.input_size, 3), np.uint8), 0, 0)
    runs: list[Callable[[], object]] = []
    for count in LABELS:
        model = replace(
            tiny,
            labels=tuple(f"label {number}" for number in range(count)),
            output=replace(tiny.output, shape=(1, count)),
            manifest=replace(tiny.manifest, golden=()),
        )
        classifier = ModelClassifier(model, Interpreter(model, _Idle(count)), top_k=5)
        runs.append(partial(classifier.classify, frame))
    return [(n, n, us) for n, us in zip(LABELS, _in_turns(runs, rounds), strict=True)]


def _sides(pixels: Pixels, rounds: int) -> list[tuple[int, float, float]]:
    runs: list[Callable[[], object]] = []
    for side in SIDES:
        shrink, out = Preprocessor((side, side)), np.empty((side, side, 3), np.uint8)
        runs.append(partial(shrink, pixels, out))
    return [(n, n * n, us) for n, us in zip(SIDES, _in_turns(runs, rounds), strict=True)]


def _threads(settings: ModelSettings, rounds: int) -> list[tuple[int, float, float]]:
    opened = [
        open_model(find_model("flowers/accurate"), replace(settings, num_threads=count))
        for count in THREADS
    ]
    pixels = np.zeros((*opened[0].input_size, 3), np.uint8)
    runs = [partial(model.raw_scores, pixels) for model in opened]
    costs = _in_turns(runs, rounds, time.perf_counter_ns)
    for model in opened:
        model.close()
    return [(n, 1, us) for n, us in zip(THREADS, costs, strict=True)]


def _in_turns(
    runs: Sequence[Callable[[], object]],
    rounds: int,
    clock_ns: Callable[[], int] = time.thread_time_ns,
) -> list[float]:
    """The median µs of each, after one run that counts for nothing."""
    times: list[list[float]] = [[] for _ in runs]
    for number in range(rounds + 1):
        for run, own in zip(runs, times, strict=True):
            begin = clock_ns()
            run()
            if number:
                own.append((clock_ns() - begin) / 1000)
    return [median(own) for own in times]


def _speeds(
    settings: ModelSettings, pictures: Sequence[Pixels], seconds: float
) -> list[tuple[int, float, float]]:
    classifier = open_model(find_model("flowers/fast"), settings)
    costs = []
    for fps in SPEEDS:
        smoother = make_smoother(SmootherSettings(), frozenset())
        frames = _at(fps, pictures, max(2, round(fps * seconds)))
        begin, cpu = time.perf_counter(), time.process_time()
        for _ in decisions(frames, open_gate(GateSettings("always")), classifier, smoother):
            pass
        costs.append(1000 * (time.process_time() - cpu) / (time.perf_counter() - begin))
    classifier.close()
    return [(fps, fps, ms) for fps, ms in zip(SPEEDS, costs, strict=True)]


def _at(fps: int, pictures: Sequence[Pixels], count: int) -> Iterator[Frame]:
    begin = time.perf_counter()
    for number in range(count):
        yield Frame(pictures[number % len(pictures)], number, number * 1_000_000_000 // fps)
        time.sleep(max(0.0, begin + (number + 1) / fps - time.perf_counter()))


def plot(measured: dict[str, list[Figure]]) -> bytes:
    """The costs beside what they would be in proportion, as SVG."""
    from pi_classifier_training.plots import picture_of

    def draw(figure: Any) -> None:
        for axes, (name, figures) in zip(
            figure.subplots(2, 2).reshape(-1), measured.items(), strict=True
        ):
            sizes = [int(one.name.replace(",", "")) for one in figures]
            axes.plot(sizes, [one.ours for one in figures], "o-", label="measured")
            axes.plot(
                sizes, [one.peers for one in figures], ":", color="gray", label="in proportion"
            )
            axes.set_title(name, fontsize=9)
            axes.set_ylabel(figures[0].unit, fontsize=8)
            axes.tick_params(labelsize=7)
            if name == "Threads":
                axes.set_ylim(0, 1.1 * max(one.ours for one in figures))
            else:
                axes.loglog()
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
        axes.legend(fontsize=7)

    return picture_of(draw, (6.4, 4.8))
