"""What is told of a delivery: counted by hand on a few answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pi_classifier_training.search.delivered_figures import (
    DeliveredFigures,
    announcing_threshold,
)

from tests.unit.pi_classifier_training.outcomes import outcomes_with


def figures() -> DeliveredFigures:
    """Four photos of two labels and one of the silent one; the cascade's second answers two."""
    tops, stages = [0.9, 0.75, 0.74, 0.95, 0.8], [0, 0, 1, 1, 0]
    outcomes = outcomes_with(tops, [True] * 5, given=[0, 1, 0, 1, 2], stages=stages)
    given = np.array([0, 1, 0, 0, 2])
    outcomes = replace(
        outcomes, given=given, latencies_ns=np.array([1, 3, 10, 30, 2], np.int64) * 1_000_000
    )
    labels = ("daisy", "rose", "background")
    return DeliveredFigures(labels, ("background",), outcomes, 0.75, (0.85,), None)


def test_what_is_said_is_counted_apart_for_labels_and_for_silence() -> None:
    record = figures().as_dict()
    test = record["test"]
    assert test["n"] == 5
    assert test["top1"] == pytest.approx(4 / 5)
    low, high = test["top1_interval"]
    assert low < 4 / 5 < high
    # A score on the threshold speaks, one below it does not; the last rose was called a daisy.
    assert test["said"] == {"n": 4, "named": 3, "wrong": 1}
    # Of the silent label nothing is said, whatever its score.
    assert test["said_of_silent"] == {"n": 1, "named": 0, "wrong": 0}
    assert test["confusion"][1] == [1, 1, 0]
    assert record["deferral"] == pytest.approx(2 / 5)
    assert record["accept"] == [0.85]


def test_the_time_here_is_of_medians_of_each_stage() -> None:
    assert figures().here_ms == pytest.approx((3 * 2 + 2 * 20) / 5)


@pytest.mark.parametrize(
    ("wrong_at", "threshold"), [((), 0.7), ((0.55,), 0.7), ((0.75, 0.75, 0.75), 0.76)]
)
def test_it_speaks_from_the_usual_score_or_a_higher_one(
    wrong_at: tuple[float, ...], threshold: float
) -> None:
    tops = [0.95] * 9 + list(wrong_at)
    right = [True] * 9 + [False] * len(wrong_at)
    assert announcing_threshold(outcomes_with(tops, right)) == pytest.approx(threshold)
