"""Tries lying models as the daemon does, and counts what becomes of them.

Each is read in this process first. What is not refused here is opened by a forked child that
stands for the daemon: it verifies the model, in a further child as always, then opens it and runs
it on several frames. A finding is an exception that the reader does not document, the end of the
daemon, and a model that passes and fails at a frame. What ends the child of the trial with a
signal is kept too: it may be worth a check before the trial.

Only how children start differs from the daemon: they are forked from this warm process, since
a Python of their own would take half a second for each model.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pi_classifier.errors import InferenceError, ModelError, PiClassifierError
from pi_classifier.inference import trial, verifier
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.interpreter import installed_runtimes
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier.system.python_child import Ended
from pi_classifier.types import Frame
from tests.fuzz.lying_models import lying_model
from tests.fuzz.small_networks import OUTPUTS, small_network
from tests.tflite_models import put_together

_SECONDS = 90
_MOST_GROWTH_MB = 50
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
    parser.add_argument("--sound", action="store_true", help="sound models: each must pass")
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
            content, told = sound_model(seed) if given.sound else lying_model(seed)
            result, detail = outcome(content, folder, cached=seed % 2 == 0)
            if given.sound and result != PASSED:
                result, detail = FINDING, f"{result}: {detail}"
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


def sound_model(seed: int) -> tuple[bytes, str]:
    """Return the file of a number, in which nothing lies."""
    return put_together(small_network(random.Random(seed))), "sound"


def outcome(content: bytes, folder: Path, *, cached: bool = True) -> tuple[str, str]:
    """Read, verify and run a model; return what became of it, and why."""
    path = folder / "model.tflite"
    path.write_bytes(content)
    shutil.rmtree(folder / "cache", ignore_errors=True)
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
    except Exception:  # noqa: BLE001  whatever it is: it was not documented
        return FINDING, traceback.format_exc()
    daemon = _forked(lambda: _run(settings), b"", _SECONDS)
    words = daemon.output.decode(errors="replace")
    if daemon.code == 0:
        return PASSED, words
    if daemon.code == _REFUSED:
        return (DIED if "ended the runtime with" in words else TRIED), words
    return FINDING, f"{daemon.code} {words} {' '.join(daemon.last_lines)}"


def _run(settings: ModelSettings) -> int:
    """The daemon: it opens the model, and looks at frames of other sizes and contents."""

    def forked(_: Sequence[str], given: bytes, limit_s: float, *__: object) -> Ended:
        return _forked(trial.main, given, limit_s)

    setattr(verifier, "run_to_end", forked)  # noqa: B010  mypy: it is that module's import
    memory = _peak_memory_mb()
    try:
        classifier = open_classifier(settings)
    except PiClassifierError as error:
        print(error)
        grown = _peak_memory_mb() - memory
        if grown > _MOST_GROWTH_MB:
            print(f"grew by {grown:.0f} MB")
            return _FAULT
        return _FAULT if isinstance(error, InferenceError) else _REFUSED
    noise = np.random.default_rng(1).integers(0, 256, (3, 48, 64, 3), np.uint8)
    frames = (*noise, np.zeros((9, 9, 3), np.uint8), np.full((480, 640, 3), 255, np.uint8))
    for number, pixels in enumerate(frames):
        classifier.classify(Frame(pixels, number, number))
    classifier.close()
    return 0


def _forked(task: Callable[[], int], given: bytes, limit_s: float) -> Ended:
    """As `run_to_end`, in a fork of this process."""
    files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    os.write(files[0], given)
    os.lseek(files[0], 0, os.SEEK_SET)
    child = os.fork()
    if child == 0:
        status = _FAULT
        try:
            for place, file in enumerate(files):
                os.dup2(file, place)
            sys.stdin = os.fdopen(0, closefd=False)
            sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
            signal.alarm(int(limit_s))
            status = task()
        except BaseException:  # noqa: BLE001  the child ends here
            traceback.print_exc()
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
    code: int | None = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    written = []
    for file in files[1:]:
        os.lseek(file, 0, os.SEEK_SET)
        written.append(os.read(file, 1 << 20))
    for file in files:
        os.close(file)
    lines = written[1][-4096:].decode("utf-8", "replace").splitlines()
    return Ended(None if code == -signal.SIGALRM else code, written[0], tuple(lines))


def _peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
