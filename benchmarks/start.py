"""From the start of the process to the first label."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.figures import Aim, Figure
from benchmarks.programs import Pair, Program

SECTION = "Start to first label"
AIM = Aim(0.5, "ours")
# Another process of Python, with the runtime: it tries the model and packs its weights.
FIRST_AIM = Aim(1.0, "ours")


def measure(subject: str, programs: Pair, starts: int) -> Iterator[Figure]:
    """Yield the figures of one model; ours and the bare loop start in turn."""
    first_s = _start_s(programs.fast_daemon)
    _start_s(programs.bare)
    ours_s, bare_s, python_s = [], [], []
    for _ in range(starts):
        ours_s.append(_start_s(programs.fast_daemon))
        bare_s.append(_start_s(programs.bare))
        python_s.append(_python_s())
    warm, bare, python = median(ours_s), median(bare_s), median(python_s)
    yield Figure(SECTION, subject, "start", "s", warm, "bare loop", bare, aim=AIM)
    yield Figure(SECTION, subject, "start", "s", warm, "Python alone", python)
    yield Figure(
        SECTION, subject, "very first start", "s", first_s, "bare loop", bare, aim=FIRST_AIM
    )


def _start_s(program: Program) -> float:
    with program.started() as (_, elapsed_s):
        return elapsed_s


def _python_s() -> float:
    """The time Python needs to start, do nothing and end: nobody can be faster."""
    start_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True, env={"PATH": os.environ["PATH"]})
    return time.perf_counter() - start_s
