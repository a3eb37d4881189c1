"""Millions of frames through the whole service: nothing may grow.

A camera that never waits shows a still ground to which three colors come in turn; what is
measured is all that is around the network, which is as small as networks get.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.figures import Aim, Figure
from benchmarks.subject import Subject, subjects
from pi_classifier.gate import GateSettings
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.service.build import make_parts
from pi_classifier.service.run_loop import run
from pi_classifier.service.service import Service
from pi_classifier.sinks.jsonl import JsonlSettings
from pi_classifier.system.resources import own_memory
from pi_classifier.types import Frame

SECTION = "Soak"
ABOUT = {
    SECTION: (
        "frames at 10 a second of simulated time through gate, classifier, smoother, sink and",
        "counters, as fast as they are taken: the last tenth beside the second",
    )
}
_TINY = Path(__file__).parents[1] / "tests/data/uint8.tflite"
_FRAME_NS = 100_000_000
_SAMPLES = 100
# A color is there for two seconds of every twenty.
_CYCLE, _SHOWN = 200, 20
_COLORS = ((0, 200, 200), (200, 0, 200), (200, 200, 0))


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process holds after so many frames, and their processor time in µs each."""

    frame_us: float
    anonymous_mb: float
    descriptors: int
    threads: int


class TirelessCamera:
    """Shows `count` frames without waiting, and takes a sample `_SAMPLES` times on the way."""

    def __init__(self, size: tuple[int, int], count: int) -> None:
        self._count = count
        ground = np.full((*size, 3), 90, np.uint8)
        self._ground = [ground + np.uint8(level) for level in (0, 1)]
        self._colors = [np.full((*size, 3), color, np.uint8) for color in _COLORS]
        self.samples: list[Sample] = []
        self._stopped = False

    def frames(self) -> Iterator[Frame]:
        """Yield the frames; the last sample is taken when all were asked for."""
        every = max(1, self._count // _SAMPLES)
        begin = time.process_time()
        for number in range(self._count):
            if number and number % every == 0:
                self._sample((time.process_time() - begin) / every)
                begin = time.process_time()
            if self._stopped:
                return
            yield Frame(self._pixels(number), number, number * _FRAME_NS)
        self._sample((time.process_time() - begin) / every)

    def _pixels(self, number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        cycle, place = divmod(number, _CYCLE)
        return self._colors[cycle % 3] if place < _SHOWN else self._ground[number % 2]

    def _sample(self, frame_s: float) -> None:
        descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
        memory = own_memory().anonymous
        self.samples.append(Sample(1e6 * frame_s, memory, descriptors, threading.active_count()))

    def stop(self) -> None:
        """End the frames."""
        self._stopped = True

    def close(self) -> None:
        """Do nothing: there is no device."""


def soak(subject: Subject, gate: str, frames: int, folder: Path) -> list[Sample]:
    """Run so many frames through the service; the samples in their order."""
    settings = replace(
        subject.settings(folder / "cache"),
        gate=GateSettings(kind=gate),
        jsonl=JsonlSettings(path=str(folder / "decisions.jsonl"), max_bytes=100_000),
    )
    camera = TirelessCamera(subject.models[0].input_size, frames)
    classifier = open_classifier(settings.model)
    parts = make_parts(settings, classifier, on_stdout_closed=camera.stop)
    with closing(Service(camera, parts)) as service:
        run(service)
    return camera.samples


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench soak",
        description="Run millions of frames through the service and see whether anything grows.",
    )
    parser.add_argument("--model", default=str(_TINY), metavar="FILE", help="default: a tiny one")
    parser.add_argument(
        "--frames", type=int, default=10_000_000, metavar="N", help="how many (10,000,000)"
    )
    parser.add_argument(
        "--gate",
        choices=("always", "motion"),
        default="always",
        help="which frames are classified",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Measure; one list of figures."""
    (subject,) = subjects([arguments.model], None)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        samples = soak(subject, arguments.gate, arguments.frames, Path(folder))
    yield list(_figures(samples, f"{arguments.frames:,} frames, gate {arguments.gate}"))


def _figures(samples: Sequence[Sample], about: str) -> Iterator[Figure]:
    tenth = max(1, len(samples) // 10)
    # The first tenth warms up: caches, the allocator's arenas, the first files of the sink.
    early, late = samples[tenth : 2 * tenth] or samples[:1], samples[-tenth:]
    for name, unit, aim in (
        ("frame_us", "µs", Aim(1.05, "ratio")),
        ("anonymous_mb", "MB", Aim(1.01, "ratio")),
        ("descriptors", "", Aim(1.0, "ratio")),
        ("threads", "", Aim(1.0, "ratio")),
    ):
        first, last = (median(getattr(one, name) for one in part) for part in (early, late))
        yield Figure(
            SECTION, about, name.split("_")[0], unit, last, "second tenth", first, aim=aim
        )
