"""The first of the lying models of `scripts/fuzz models`, tried as the daemon does."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from pi_classifier.modelfile.tflite_graph import read_graph
from tests.fuzz.lying_models import lying_model
from tests.fuzz.small_networks import OUTPUTS, small_network
from tests.fuzz.try_models import DIED, FINDING, PASSED, REFUSED, TRIED, outcome
from tests.tflite_models import put_together

# A check that is gone lets one more through to the trial, which would hide it here.
REFUSED_BY_READING = 38


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    return tmp_path


def test_a_lie_ends_no_daemon_and_fails_at_no_frame(folder: Path) -> None:
    became: Counter[str] = Counter()
    for seed in range(60):
        content, told = lying_model(seed)
        result, words = outcome(content, folder, cached=seed % 2 == 0)
        assert result != FINDING, f"model {seed}: {told}: {words}"
        became[result] += 1
    assert became[REFUSED] >= REFUSED_BY_READING
    assert became[TRIED] > 0
    assert became[PASSED] > 0
    assert became[DIED] == 0


def test_sound_models_pass(folder: Path) -> None:
    for seed in range(8):
        content = put_together(small_network(random.Random(seed)))
        assert outcome(content, folder) == (PASSED, "")


def test_hundreds_of_sound_graphs_are_not_refused() -> None:
    for seed in range(250):
        graph = read_graph(memoryview(put_together(small_network(random.Random(seed)))))
        assert graph.outputs == OUTPUTS
