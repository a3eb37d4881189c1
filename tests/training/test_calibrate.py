"""The accept threshold follows the measured accuracies."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.calibrate import THRESHOLDS, choose_threshold, measure
from training.evaluation.evaluate import Scores


def scored(tops: list[float], right: list[bool]) -> Scores:
    """Two labels, the truth always 0; `tops` is the winner's score of each photo."""
    rows = [[t, 1 - t] if r else [1 - t, t] for t, r in zip(tops, right, strict=True)]
    n = len(tops)
    return Scores(
        photos=(),
        scores=np.array(rows, np.float32),
        truth=np.zeros(n, np.int64),
        stages=np.zeros(n, np.int64),
        latencies_ns=np.zeros(n, np.int64),
        unreadable=(),
    )


# The cheap model is wrong exactly where its score is below 0.705.
CHEAP = scored([0.6, 0.65, 0.70, 0.75, 0.8, 0.95], [False, False, False, True, True, True])
COSTLY = scored([0.9] * 6, [True] * 6)


def test_the_lowest_threshold_that_loses_nothing_is_chosen() -> None:
    # 0.71 defers all three mistakes and none of the right answers.
    assert choose_threshold(CHEAP, COSTLY, max_loss=0.0) == pytest.approx(0.71)


def test_allowing_one_mistake_lowers_the_threshold() -> None:
    assert choose_threshold(CHEAP, COSTLY, max_loss=1 / 6) == pytest.approx(0.66)


def test_a_cheap_model_that_is_surely_wrong_defers_all_it_can() -> None:
    wrong = scored([0.999] * 6, [False] * 6)
    assert choose_threshold(wrong, COSTLY, max_loss=0.0) == THRESHOLDS[-1]


def test_measure_counts_what_is_deferred_and_what_it_costs() -> None:
    record = measure(CHEAP, COSTLY, 0.71, cheap_ms=1.0, costly_ms=4.0)
    assert record["deferral_ratio"] == pytest.approx(0.5)
    assert record["cascade"]["top1"] == 1.0
    assert record["cheap"]["top1"] == pytest.approx(0.5)
    # Every photo costs 1 ms, half of them 4 ms more: 3 of 4 ms.
    assert record["cost_ratio"] == pytest.approx(0.75)
