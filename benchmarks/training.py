"""The training bench: from photos to a model file, bottlenecks, memory."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import many_labels
from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure

RETRAIN = "From photos to a full-integer model"
BOTTLENECKS = "Bottlenecks of all photos"
MEMORY = "Most memory in training a head"
ABOUT = {
    RETRAIN: (
        "'pi-classifier-train retrain' from its start to the finished int8.tflite, evaluated;",
        "cold with an empty cache of bottlenecks, warm with a filled one;",
        "the processor's time counts all cores and does not depend on what else is running",
    ),
    BOTTLENECKS: (
        "reading from the cache with all checks, beside decoding the photos and computing;",
        "at least 50 times faster is a ratio of 0.02",
    ),
    MEMORY: ("many paths to the same 200 photos, by hard links; MB are 10⁶ bytes",),
    many_labels.SECTION: many_labels.ABOUT,
}
COLD, WARM = Aim(180, "ours"), Aim(30, "ours")
READ = Aim(0.02, "ratio")
FLAT = Aim(300, "ours")

PARTS = ("retrain", "bottlenecks", "memory", "labels")
FEW_PATHS = 2_000
MANY_LABELS = (43, 120)
MODES = ("int8", "dynamic", "float16", "qat")


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench training``."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench training", description="Measure the training side."
    )
    parser.add_argument(
        "--image-dir", type=Path, metavar="DIR", help="photos; --only labels draws its own"
    )
    parser.add_argument("--weights", default="imagenet", metavar="imagenet|FILE")
    parser.add_argument("--network", default="mobilenet_v1", help="of labels (mobilenet_v1)")
    parser.add_argument("--width", default="0.25")
    parser.add_argument("--resolution", default="224")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="warm runs (3)")
    parser.add_argument(
        "--paths", type=int, default=200_000, metavar="N", help="paths for memory (200000)"
    )
    parser.add_argument(
        "--labels", type=int, action="append", metavar="N", help="labels to draw (43, then 120)"
    )
    parser.add_argument(
        "--per-label", type=int, default=30, metavar="N", help="photos of each to draw (30)"
    )
    parser.add_argument(
        "--mode", action="append", choices=MODES, help="kinds of quantized files (all but qat)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Measure part after part; yield the figures of each."""
    wanted = arguments.only or PARTS
    if arguments.image_dir is None and wanted != ["labels"]:
        raise BenchmarkError("--image-dir: name a folder of photos, or measure --only labels")
    if arguments.image_dir is not None and not arguments.image_dir.is_dir():
        raise BenchmarkError(f"{arguments.image_dir}: no such folder of photos")
    parts: dict[str, Callable[[argparse.Namespace, Path], Iterator[Figure]]] = {
        "retrain": _retrain,
        "bottlenecks": _bottlenecks,
        "memory": _memory,
        "labels": _labels,
    }
    for part in wanted:
        with tempfile.TemporaryDirectory(prefix="bench-training-") as folder:
            yield list(parts[part](arguments, Path(folder)))


def _network(arguments: argparse.Namespace) -> list[str]:
    return [
        *("--weights", arguments.weights),
        *("--width", arguments.width, "--resolution", arguments.resolution),
    ]


def _subject(arguments: argparse.Namespace) -> str:
    return f"MobileNet v1 {arguments.width}/{arguments.resolution}, {arguments.image_dir.name}"


def _retrain(arguments: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    subject = _subject(arguments)

    def measured(name: str) -> tuple[float, float]:
        words = ["retrain", "--image-dir", str(arguments.image_dir), *_network(arguments)]
        places = ["--output-dir", str(folder / name), "--cache-dir", str(folder / "cache")]
        return _until_exported([*words, *places])

    cold = measured("cold")
    warm = [measured(f"warm{number}") for number in range(arguments.rounds)]
    rows = (("cold", cold, COLD), ("warm", _medians(warm), WARM))
    for name, (wall_s, processor_s), aim in rows:
        yield Figure(RETRAIN, subject, name, "s", wall_s, aim=aim)
        yield Figure(RETRAIN, subject, f"{name}, processor", "s", processor_s)


def _medians(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return median(a for a, _ in pairs), median(b for _, b in pairs)


def _until_exported(words: list[str]) -> tuple[float, float]:
    """Wall and processor seconds until the full-integer model is there."""
    start_s = time.perf_counter()
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [sys.executable, "-m", "pi_classifier_training.cli", *words],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 (asked for above)
        for line in process.stdout:
            if "int8.tflite" in line:
                elapsed = time.perf_counter() - start_s, _processor_s(process.pid)
                process.terminate()
                return elapsed
        process.wait()
        errors.seek(0)
        raise BenchmarkError(f"retrain failed: {errors.read().decode()[-500:]}")


def _processor_s(pid: int) -> float:
    """User and system time of a running process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _bottlenecks(arguments: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    found = _work("bottlenecks", arguments, str(folder))
    yield Figure(
        BOTTLENECKS,
        f"{_subject(arguments)}, n = {found['photos']}",
        "read",
        "s",
        found["read_s"],
        "computed",
        found["computed_s"],
        aim=READ,
    )


def _memory(arguments: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    few, many = (
        _work("memory", arguments, str(folder / str(count)), str(count))["peak_mb"]
        for count in (FEW_PATHS, arguments.paths)
    )
    subject = f"{_subject(arguments)}"
    yield Figure(MEMORY, subject, f"{FEW_PATHS} paths", "MB", few)
    yield Figure(MEMORY, subject, f"{arguments.paths} paths", "MB", many)
    yield Figure(MEMORY, subject, "more", "MB", many - few, aim=FLAT)


def _labels(arguments: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    name = f"{arguments.network} {arguments.width}/{arguments.resolution}"
    sizes = many_labels.Sizes(
        [*_network(arguments), "--network", arguments.network],
        name,
        arguments.per_label,
        arguments.mode or MODES[:-1],
    )
    for labels in arguments.labels or MANY_LABELS:
        yield from many_labels.figures(labels, sizes, folder / str(labels))


def _work(part: str, arguments: argparse.Namespace, *more: str) -> dict[str, Any]:
    """Run one part in a process of its own."""
    options = [str(arguments.image_dir), arguments.weights, arguments.width, arguments.resolution]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training_work", part, *options, *more],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BenchmarkError(f"{part} failed: {done.stderr[-500:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
