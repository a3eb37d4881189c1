"""Many labels: a drawn set of photos, and what training on it takes in memory and time."""

from __future__ import annotations

import colorsys
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure

SECTION = "Many labels"
ABOUT = (
    "'pi-classifier-train retrain', 'quantize' and 'report', each a process of its own with an",
    "empty cache of bottlenecks before the first, on drawn blossoms (label: petals, color, eye,",
    "rim); memory is the most that was resident, of the whole process; MB are 10⁶ bytes;",
    "top-1, 3 and 5: right in floats beside the quantized file, test photos, 95 % interval",
)
MOST_MEMORY, REPORT_S = Aim(1500, "ours"), Aim(120, "ours")

PETALS, COLORS, EYES, RIMS = range(3, 11), 8, 4, 4
MOST_LABELS = len(PETALS) * COLORS * EYES * RIMS
SIDE = 240
# Neighboring colors and sizes overlap a little: such labels are confused, as real ones are.
COLOR_JITTER, SIZE_JITTER = 0.3, 0.25


def draw_blossoms(folder: Path, labels: int, per_label: int, seed: int = 1) -> None:
    """Draw photos of `labels` kinds of blossoms, a sub-folder for each; the same every time."""
    if not 2 <= labels <= MOST_LABELS:
        raise BenchmarkError(f"--labels {labels}: expected 2 to {MOST_LABELS}")
    kinds = list(product(PETALS, range(COLORS), range(EYES), range(RIMS)))
    order = np.random.default_rng(seed).permutation(len(kinds))[:labels]
    for number in sorted(order.tolist()):
        petals, color, eye, rim = kinds[number]
        own = folder / f"petals{petals}-color{color}-eye{eye}-rim{rim}"
        own.mkdir(parents=True)
        for photo in range(per_label):
            rng = np.random.default_rng((seed, number, photo))
            picture = Image.fromarray(_blossom(rng, petals, color, eye, rim))
            picture.save(own / f"{photo:04}.jpg", quality=90)


def _blossom(
    rng: np.random.Generator, petals: int, color: int, eye: int, rim: int
) -> NDArray[np.uint8]:
    """One blossom, turned and somewhere in the picture, on a ground of blurred spots."""
    spots = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
    picture = np.asarray(spots.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    middle = SIDE * rng.uniform(0.38, 0.62, 2)
    reach = SIDE * rng.uniform(0.25, 0.42)
    dx, dy = x - middle[0], (y - middle[1]) / rng.uniform(0.75, 1)
    distance = np.hypot(dx, dy) / reach
    angle = np.arctan2(dy, dx) * petals + rng.uniform(0, 2 * np.pi)
    outline = 0.72 + 0.28 * np.cos(angle)
    hue = (color + rng.uniform(-COLOR_JITTER, COLOR_JITTER)) / COLORS
    bright = np.array(colorsys.hsv_to_rgb(hue % 1, rng.uniform(0.6, 0.95), rng.uniform(0.7, 1)))
    size = 0.1 + 0.09 * (eye + rng.uniform(-SIZE_JITTER, SIZE_JITTER))
    dark = 1 - (0.05 + 0.2 * (rim + rng.uniform(-SIZE_JITTER, SIZE_JITTER)))
    petal = distance < outline
    picture[petal] = 255 * bright
    picture[petal & (distance > 0.75 * outline)] *= dark
    picture[distance < size] = (90, 60, 20)
    picture *= rng.uniform(0.6, 1.1)
    picture += 8 * rng.standard_normal(picture.shape, np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is measured: a network, as options of ``retrain``; photos; kinds of files."""

    network: Sequence[str]
    name: str
    per_label: int
    kinds: Sequence[str]


def figures(labels: int, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """Memory and time of each command on a drawn set of `labels`."""
    photos, run = folder / "photos", folder / "run"
    draw_blossoms(photos, labels, sizes.per_label)
    cache = ["--cache-dir", str(folder / "cache")]
    images = ["--image-dir", str(photos)]
    done = [_ran(["retrain", *images, *cache, "--output-dir", str(run), *sizes.network])]
    weights = [w for w in sizes.network[1:2] if sizes.network[0] == "--weights" and w != "none"]
    kilobytes = (run / "float32.tflite").stat().st_size / 1000
    subject = f"{labels} labels × {sizes.per_label} photos, {sizes.name}, {kilobytes:.0f} kB"
    yield from done[0].figures(subject, "retrain")
    accuracies: list[Figure] = []
    for kind in sizes.kinds:
        ran = _ran(["quantize", str(run), *images, "--mode", kind, "--json"])
        yield from ran.figures(subject, f"quantize {kind}")
        accuracies += _accuracies(subject, kind, json.loads(ran.output)["splits"]["test"])
    page = folder / "report.html"
    known = ["--weights", weights[0]] if weights else []
    reported = _ran(["report", str(run), *images, *cache, *known, "-o", str(page)])
    yield from reported.figures(subject, "report", REPORT_S)
    yield Figure(SECTION, subject, "report, the page", "MB", page.stat().st_size / 1e6)
    yield from accuracies


def _accuracies(subject: str, kind: str, test: dict[str, Any]) -> Iterator[Figure]:
    before, after = test["before"], test["after"]
    for k in (1, 3, 5):
        low, high = (100 * end for end in after[f"top{k}_interval"])
        name = f"top-{k} {kind} ({low:.1f}–{high:.1f}, n = {test['n']})"
        own, floats = (100 * split[f"top{k}"] for split in (after, before))
        yield Figure(SECTION, subject, name, "%", own, "floats", floats)


@dataclass(frozen=True, slots=True)
class _Ran:
    """A command that ended well: its output, the most memory resident in it, its time."""

    output: str
    peak_mb: float
    wall_s: float
    processor_s: float

    def figures(self, subject: str, name: str, aim: Aim | None = None) -> Iterator[Figure]:
        """Its memory, its time and the processor's."""
        yield Figure(SECTION, subject, name, "MB", self.peak_mb, aim=MOST_MEMORY)
        yield Figure(SECTION, subject, f"{name}, time", "s", self.wall_s, aim=aim)
        yield Figure(SECTION, subject, f"{name}, processor", "s", self.processor_s)


def _ran(words: Sequence[str]) -> _Ran:
    """Run a training command in a process of its own."""
    start_s = time.perf_counter()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "pi_classifier_training.cli", *words],
            stdout=output,
            stderr=errors,
        )
        # Of this process, which begins as a copy of ours and is never smaller: ours is.
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (output, errors):
            file.seek(0)
        if process.returncode:
            raise BenchmarkError(f"{words[0]} failed: {errors.read().decode()[-500:]}")
        return _Ran(
            output.read().decode(),
            used.ru_maxrss * 1024 / 1e6,
            time.perf_counter() - start_s,
            used.ru_utime + used.ru_stime,
        )
