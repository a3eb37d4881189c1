"""The real program and the bare loop as processes that look at one photo."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.errors import BenchmarkError
from benchmarks.scenes import Pixels
from benchmarks.subject import Subject
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.preprocessing.photos import load_image
from pi_classifier.types import Frame

_ROOT = Path(__file__).resolve().parents[1]
_FPS = 10
_FASTEST_FPS = 240


@dataclass(frozen=True, slots=True)
class Program:
    """A command that prints a line for the first label it sees."""

    command: tuple[str, ...]
    environment: dict[str, str]
    log: Path

    @contextmanager
    def started(self) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
        """Start it; yield the process and the seconds to its first line, then end it.

        Raises BenchmarkError when it ends without a line.
        """
        with self.log.open("wb") as log:
            start_s = time.perf_counter()
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=_ROOT,
                env=self.environment,
            )
            try:
                line = process.stdout.readline() if process.stdout else b""
                elapsed_s = time.perf_counter() - start_s
                if not line:
                    raise BenchmarkError(self._failure(process.wait()))
                yield process, elapsed_s
            finally:
                process.kill()
                process.communicate()

    def _failure(self, code: int) -> str:
        said = self.log.read_text("utf-8", "replace").strip().splitlines()
        return (
            f"{' '.join(self.command)}: ended with exit code {code} and without a label"
            f"{': ' if said else ''}{said[-1] if said else ''}"
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """Ours and the peer, for one model and one photo; `cache_dir` holds packed weights."""

    daemon: Program
    fast_daemon: Program
    bare: Program
    cache_dir: Path


def pair(subject: Subject, pixels: Pixels, folder: Path) -> Pair:
    """Prepare both programs; all they need or write lies in `folder`, an empty one.

    The daemon runs with its defaults, but silent, without thresholds (a foreign
    model may be unsure of the photo), and on a photo shown for ever, at ten frames a
    second; `fast_daemon` at 240, so that it waits for the camera as little as may be.
    """
    folder = folder.resolve()
    photos = folder / "photos"
    photos.mkdir()
    photo = photos / "photo.png"
    Image.fromarray(pixels).save(photo)
    cache_dir = folder / "cache"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    assignments = (
        f"model.cache_dir={cache_dir}",
        "decision.threshold_high=0.0",
        "decision.threshold_low=0.0",
        "camera.loop=true",
    )
    daemon = (
        *(sys.executable, "-m", "pi_classifier", "run", "--json", "--no-speech"),
        *("--model", str(subject.path.resolve()), "--camera", f"replay:{photos}"),
        *(("--labels", str(subject.labels.resolve())) if subject.labels else ()),
        *(word for each in assignments for word in ("--set", each)),
    )
    return Pair(
        Program((*daemon, *_at(_FPS)), environment, folder / "daemon.log"),
        Program((*daemon, *_at(_FASTEST_FPS)), environment, folder / "daemon.log"),
        Program(_bare_command(subject, photo, folder), environment, folder / "bare.log"),
        cache_dir,
    )


def _at(fps: int) -> tuple[str, str]:
    return "--set", f"camera.fps={fps}.0"


def _bare_command(subject: Subject, photo: Path, folder: Path) -> tuple[str, ...]:
    first = subject.models[0]
    labels = folder / "labels.txt"
    labels.write_text("\n".join(first.labels) + "\n", "utf-8")
    norm = first.normalization
    mean, std = (norm.mean, norm.std) if norm else ((0.0,), (1.0,))
    return (
        *(sys.executable, str(_ROOT / "benchmarks/bare.py"), str(photo), str(labels)),
        *(",".join(map(str, each)) for each in (mean, std)),
        str(_FPS),
        *(str(each.path.resolve()) for each in subject.models),
    )


def telling_photo(
    subject: Subject, pictures: Sequence[Pixels], photo: Path | None, cache_dir: Path
) -> Pixels:
    """Return `photo`, or of `pictures` the one whose label the model is surest of.

    Raises BenchmarkError where none gets a label that the daemon would announce.
    """
    candidates = [load_image(photo)] if photo is not None else pictures
    classifier = open_classifier(subject.settings(cache_dir).model)
    best, best_score = None, -1.0
    for pixels in candidates:
        top = classifier.classify(Frame(pixels, 0, 0)).top
        if top.label not in subject.silent_labels and top.score > best_score:
            best, best_score = pixels, top.score
    classifier.close()
    if best is None:
        raise BenchmarkError(
            f"{subject.name}: sees nothing to announce in {photo or 'the emulated garden'}; "
            "name a photo of something it knows with --photo FILE"
        )
    return np.ascontiguousarray(best)
