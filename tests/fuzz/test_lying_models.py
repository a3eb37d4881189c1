"""The first of the lying models of `scripts/fuzz models`, tried as the daemon does."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

from pi_classifier.modelfile.tflite_graph import read_graph
from tests.fuzz.small_networks import OUTPUTS, small_network
from tests.tflite_models import put_together

ROOT = Path(__file__).resolve().parents[2]
# A check that is gone lets one more through to the trial, which would hide it here.
REFUSED_BY_READING = 38


def tried(*arguments: str) -> tuple[int, dict[str, int], str]:
    """Run the tool in a process of its own, which may fork; return its code, counts and words."""
    command = [sys.executable, "-m", "tests.fuzz.try_models", *arguments]
    paths = os.pathsep.join((str(ROOT), str(ROOT / "training"), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    counts = re.findall(r"^ *(\d+) +[\d.]+ %  (.+)$", done.stdout, re.MULTILINE)
    return done.returncode, {name: int(count) for count, name in counts}, done.stdout + done.stderr


def test_a_lie_ends_no_daemon_and_fails_at_no_frame() -> None:
    code, became, words = tried("--runs", "60")
    assert code == 0, words
    assert became.keys() == {"refused before the trial", "refused by the trial", "passed"}, words
    assert became["refused before the trial"] >= REFUSED_BY_READING


def test_sound_models_pass() -> None:
    code, became, words = tried("--sound", "--runs", "8")
    assert (code, became) == (0, {"passed": 8}), words


def test_hundreds_of_sound_graphs_are_not_refused() -> None:
    for seed in range(250):
        graph = read_graph(memoryview(put_together(small_network(random.Random(seed)))))
        assert graph.outputs == OUTPUTS
