"""Ours beside other programs that classify pictures: same frames, same models, in one run.

Each runs in a process of its own, and they take turns, so that whatever disturbs one disturbs
all. They are as somebody writes them who follows the documentation of each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import IO, Any, cast

import numpy as np

from benchmarks import report
from benchmarks.errors import BenchmarkError
from benchmarks.memory import resident_mb
from benchmarks.scenes import HEIGHT, WIDTH, garden
from pi_classifier.modelfile.locate import find_model
from pi_classifier.modelfile.model_file import ModelFile, read_model_file
from pi_classifier.system.files import write_json

_ROOT = Path(__file__).resolve().parents[1]
# OpenCV reads float files alone, hence the rounded one.
_SHIPPED = ("flowers/fast", "flowers/accurate", "flowers/fast-rounded")


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to run a model: its loop in `peer_loops`, the Python that has its library."""

    name: str
    loop: str
    python: Path


PEERS = (
    Peer("ours", "ours", Path(sys.executable)),
    Peer("LiteRT, plain loop", "bare", _ROOT / ".venv/bin/python"),
    Peer("tflite-runtime, plain loop", "bare", _ROOT / ".venv-tflite/bin/python"),
    Peer("MediaPipe ImageClassifier", "mediapipe", _ROOT / ".venv-mediapipe/bin/python"),
    Peer("OpenCV DNN", "opencv", _ROOT / ".venv-mediapipe/bin/python"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One peer with one model; `problem` says why there are no figures.

    `ms` is the median over the rounds for each frame, their mean over the frames; `times_ours`
    the median of the rounds' ratios to ours. `start_s` is from the start of the process to the
    first label. The memory is without the pictures. `agree` is the share of frames that get
    the label which ours gives.
    """

    model: str
    peer: str
    ms: float = 0.0
    fps: float = 0.0
    times_ours: float = 0.0
    start_s: float = 0.0
    resident_mb: float = 0.0
    anonymous_mb: float = 0.0
    agree: float = 0.0
    problem: str = ""


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench peers``."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench peers",
        description="Measure ours beside MediaPipe, OpenCV and plain loops around both runtimes.",
    )
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="default: each file of the shipped flowers",
    )
    for option, default, text in (
        ("--frames", 24, "different frames in a round"),
        ("--rounds", 15, "rounds, in which all take turns"),
        ("--starts", 5, "starts of each"),
    ):
        parser.add_argument(option, type=int, default=default, metavar="N", help=text)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Measure and print model after model."""
    facts = report.machine()
    print(report.heading(facts).rpartition("\n")[0])
    print(f"frames of {WIDTH}×{HEIGHT} pixels, every one classified; MB are 10⁶ bytes\n")
    print(
        f"{'':28} {'ms':>8} {'frames/s':>8} {'to ours':>8} {'start, s':>8} {'MB':>6} "
        f"{'own MB':>6} {'agree':>6}"
    )
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        pictures = Path(folder) / "pictures.npy"
        np.save(pictures, np.stack(garden(arguments.frames)))
        for name in arguments.models or _SHIPPED:
            model = read_model_file(find_model(name))
            print(name)
            for row in _measured(name, model, pictures, Path(folder), arguments):
                rows.append(row)
                print(_line(row), flush=True)
    if arguments.json is not None:
        write_json(arguments.json, {"machine": facts, "rows": [asdict(row) for row in rows]})


def _line(row: Row) -> str:
    if row.problem:
        return f"  {row.peer:26} {row.problem}"
    return (
        f"  {row.peer:26} {row.ms:8.3f} {row.fps:8.0f} {row.times_ours:8.2f} {row.start_s:8.2f} "
        f"{row.resident_mb:6.1f} {row.anonymous_mb:6.1f} {row.agree:6.0%}"
    )


class _Loop:
    """A peer's process, once its first label is there."""

    def __init__(self, pid: int, asked: IO[str], answered: IO[str], start_s: float) -> None:
        self._pid, self._asked, self._answered = pid, asked, answered
        self.start_s = start_s
        self.times_ns: list[list[int]] = []
        self.labels: list[str] = []

    def once(self) -> None:
        """Have it go through all pictures."""
        self._asked.write("\n")
        self._asked.flush()
        answer = json.loads(self._answered.readline() or "null")
        if answer is None:
            raise BenchmarkError("one of the loops ended before its last round")
        self.times_ns.append(answer["times_ns"])
        self.labels = answer["labels"]

    def memory_mb(self) -> tuple[float, float]:
        """Resident megabytes, and those of them that are its own."""
        found = resident_mb(self._pid)
        return found.get("Rss", 0.0), found.get("Anonymous", 0.0)


def _measured(
    name: str, model: ModelFile, pictures: Path, folder: Path, arguments: argparse.Namespace
) -> Iterator[Row]:
    given = _given(model, pictures, folder)
    size_mb = pictures.stat().st_size / 1e6  # which all hold in memory
    loops: dict[str, _Loop] = {}
    starts: dict[str, list[float]] = {}
    problems: dict[str, str] = {}
    with ExitStack() as running:
        for peer in PEERS:
            try:
                # The very first start fills caches; the last one stays.
                with started(peer, given):
                    pass
                starts[peer.name] = list(_starts(peer, given, arguments.starts - 1))
                loops[peer.name] = running.enter_context(started(peer, given))
                starts[peer.name].append(loops[peer.name].start_s)
            except BenchmarkError as error:
                problems[peer.name] = str(error)
        for number in range(arguments.rounds + 1):
            turns = list(loops.values())
            for loop in turns if number % 2 == 0 else reversed(turns):
                loop.once()
        for peer in PEERS:
            if peer.name in problems:
                yield Row(name, peer.name, problem=problems[peer.name])
            else:
                yield _row(name, peer.name, loops, median(starts[peer.name]), size_mb)


def _row(
    model: str, name: str, loops: dict[str, _Loop], start_s: float, pictures_mb: float
) -> Row:
    # The first round warms up.
    times = np.array(loops[name].times_ns[1:])
    ours = np.array(loops["ours"].times_ns[1:])
    ms = float(np.median(times, axis=0).mean()) / 1e6
    ratio = float(np.median(times.sum(axis=1) / ours.sum(axis=1)))
    agree = np.mean(np.array(loops[name].labels) == np.array(loops["ours"].labels))
    resident, own = (most - pictures_mb for most in loops[name].memory_mb())
    return Row(model, name, ms, 1000 / ms, ratio, start_s, resident, own, float(agree))


def _given(model: ModelFile, pictures: Path, folder: Path) -> dict[str, Any]:
    plain = ((0.0,) * 3, (1.0,) * 3)
    norm = model.normalization
    mean, std = plain if norm is None else (norm.mean, norm.std)
    return {
        "model": str(model.path.resolve()),
        "pictures": str(pictures),
        "labels": list(model.labels),
        "size": list(model.input_size),
        "mean": list(mean),
        "std": list(std),
        "cache": str(folder / "cache"),
    }


def _starts(peer: Peer, given: dict[str, Any], starts: int) -> Iterator[float]:
    """Seconds to the first label."""
    for _ in range(starts):
        with started(peer, given) as loop:
            yield loop.start_s


@contextmanager
def started(peer: Peer, given: dict[str, Any]) -> Iterator[_Loop]:
    """Start a peer; raises BenchmarkError where it is not installed, or refuses the model."""
    if not peer.python.exists():
        raise BenchmarkError(f"not installed: there is no {peer.python.relative_to(_ROOT)}")
    command = (str(peer.python), "-m", "benchmarks.peer_loops", peer.loop, json.dumps(given))
    with tempfile.TemporaryFile("w+") as said:
        begin_s = time.perf_counter()
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            cwd=_ROOT,
            env=_environment(),
        ) as process:
            asked, answered = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
            line = answered.readline()
            elapsed_s = time.perf_counter() - begin_s
            try:
                if not line:
                    process.wait()
                    raise BenchmarkError(f"cannot run it: {_last_words(said)}")
                yield _Loop(process.pid, asked, answered, elapsed_s)
            finally:
                process.kill()


def _environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "PYTHONPATH")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _last_words(said: Any) -> str:
    said.seek(0)
    lines = [line.strip() for line in said.read().splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"
