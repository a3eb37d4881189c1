"""Tries lying models as the daemon does, and counts what becomes of them.

Each is read in this process, and what is not refused there is opened and run in a child forked
from it, as in the model's trial. What passes runs on several frames in another child, which
stands for the daemon. An exception that the reader does not document, and a pass that fails at a
frame, is a finding. What ends the child of the trial with a signal is kept too: it may be worth
a check before the trial.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pi_classifier.errors import ModelError, PiClassifierError
from pi_classifier.inference.classifier import ModelSettings, open_classifier
from pi_classifier.inference.interpreter import installed_runtimes
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier.types import Frame
from tests.fuzz.lying_models import lying_model
from tests.fuzz.small_networks import OUTPUTS

_MEMORY_BYTES = 1 << 30
_SECONDS = 20
_REFUSED, _FAULT = 2, 3
_MEAN = _STD = (127.5, 127.5, 127.5)
REFUSED, TRIED, DIED, PASSED, FINDING = (
    "refused before the trial",
    "refused by the trial",
    "ended the child of the trial",
    "passed",
    "FINDING",
)


def main() -> int:
    """Try the models and print the counts; 1 where one is a finding."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1000, help="how many models")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first")
    parser.add_argument("--keep", type=Path, help="folder for the files that are findings")
    given = parser.parse_args()
    runtime = installed_runtimes()[0]  # imported before the first child is forked
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        (folder / "labels.txt").write_text("\n".join("abcd"[:OUTPUTS]))
        outcome(lying_model(0)[0], folder)
        start, memory = time.monotonic(), _peak_memory_mb()
        for seed in range(given.seed, given.seed + given.runs):
            content, told = lying_model(seed)
            result, detail = outcome(content, folder, cached=seed % 2 == 0)
            counts[result] += 1
            if result in (DIED, FINDING):
                print(f"{result}: model {seed}: {told}: {detail}", flush=True)
                if given.keep:
                    given.keep.mkdir(parents=True, exist_ok=True)
                    (given.keep / f"{seed}.tflite").write_bytes(content)
    print(f"{runtime}: {given.runs} models from {given.seed}, {time.monotonic() - start:.0f} s")
    for result, count in counts.most_common():
        print(f"{count:7}  {100 * count / given.runs:6.2f} %  {result}")
    print(f"peak memory of the reading process: +{_peak_memory_mb() - memory:.1f} MB")
    return min(1, counts[FINDING])


def outcome(content: bytes, folder: Path, *, cached: bool = True) -> tuple[str, str]:
    """Read and try a model; return what became of it, and why."""
    path = folder / "model.tflite"
    path.write_bytes(content)
    settings = ModelSettings(
        path=str(path),
        labels=str(folder / "labels.txt"),
        cache_dir=str(folder / "cache") if cached else "",
        mean=_MEAN,
        std=_STD,
    )
    try:
        read_model_file(path, settings.labels, Normalization(_MEAN, _STD))
    except ModelError as error:
        return REFUSED, str(error)
    except Exception:
        return FINDING, traceback.format_exc()
    status, words = _in_child(lambda: _trial(settings))
    if status == _REFUSED:
        return TRIED, words
    if status:
        return (DIED if status < 0 else FINDING), words
    status, words = _in_child(lambda: _frames(settings))
    return (FINDING if status else PASSED), words


def _trial(settings: ModelSettings) -> None:
    open_classifier(settings).close()


def _frames(settings: ModelSettings) -> None:
    """What the daemon does with a model that passed: frames of other sizes and contents."""
    noise = np.random.default_rng(1).integers(0, 256, (3, 48, 64, 3), np.uint8)
    frames = (*noise, np.zeros((9, 9, 3), np.uint8), np.full((480, 640, 3), 255, np.uint8))
    classifier = open_classifier(settings)
    for number, pixels in enumerate(frames):
        classifier.classify(Frame(pixels, number, number))
    classifier.close()


def _in_child(task: Callable[[], None]) -> tuple[int, str]:
    """Run `task` in a forked child; return its exit status, negative for a signal, and its words."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = _FAULT
        try:
            _confine()
            task()
            status = 0
        except PiClassifierError as error:
            os.write(writing, str(error).encode()[:4000])
            status = _REFUSED
        except BaseException:
            os.write(writing, traceback.format_exc().encode()[-4000:])
        os._exit(status)
    os.close(writing)
    with open(reading, "rb") as pipe:
        words = pipe.read().decode(errors="replace")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, words or (signal.Signals(-status).name if status < 0 else "")


def _confine() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    signal.alarm(_SECONDS)


def _peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
