from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.errors import ConfigError
from pi_classifier.inference.budget import Budget, CascadeSettings
from pi_classifier.inference.cascade import Cascade, Stage, budgeted
from pi_classifier.types import Category, Frame, Prediction

FRAME = Frame(np.zeros((1, 1, 3), np.uint8), 0, 0)
MS = 1_000_000
LIMIT_MS = 10.0


class Timed:
    """A classifier that is never sure and takes as long as it is told to."""

    labels = ("a", "b")

    def __init__(self, name: str, taken_ms: Iterator[float]) -> None:
        self.name = name
        self.taken_ms = taken_ms
        self.closed = False

    def classify(self, frame: Frame) -> Prediction:
        taken_ns = round(next(self.taken_ms) * MS)
        return Prediction((Category(0, "a", 0.5),), self.name, 0, taken_ns)

    def close(self) -> None:
        self.closed = True


def cascade(
    cheap_ms: Iterator[float], costly_ms: Iterator[float], hot: Callable[[], bool] = lambda: False
) -> Cascade:
    stages = [Stage(Timed("cheap", cheap_ms), 0.8), Stage(Timed("costly", costly_ms))]
    return Cascade(stages, budget=Budget(LIMIT_MS, hot))


def asked(predictions: list[Prediction]) -> int:
    return sum(prediction.stage for prediction in predictions)


def test_without_a_budget_the_costly_model_is_always_asked() -> None:
    stages = [Stage(Timed("cheap", repeat(2.0)), 0.8), Stage(Timed("costly", repeat(99.0)))]
    predictions = [Cascade(stages).classify(FRAME) for _ in range(20)]
    assert asked(predictions) == 20
    assert {prediction.skipped for prediction in predictions} == {None}


@pytest.mark.parametrize(("costly_ms", "share"), [(7.9, 1.0), (8.1, 0.0)])
def test_what_just_fits_is_asked_and_what_does_not_is_not(costly_ms: float, share: float) -> None:
    """The spread of a model that always takes the same is forgotten within some frames."""
    both = cascade(repeat(2.0), repeat(costly_ms))
    predictions = [both.classify(FRAME) for _ in range(3000)]
    assert asked(predictions[1000:]) == share * 2000


def test_the_cheap_answer_says_that_it_stands_for_want_of_time() -> None:
    both = cascade(repeat(2.0), repeat(30.0))
    first, second = both.classify(FRAME), both.classify(FRAME)
    assert (first.model, first.skipped, first.latency_ns) == ("costly", None, 32 * MS)
    assert (second.model, second.skipped, second.latency_ns) == ("cheap", "budget", 2 * MS)
    assert second.top.score == 0.5


def test_a_hot_board_is_spared_and_asked_again_when_it_has_cooled() -> None:
    hot = [True]
    both = cascade(repeat(2.0), repeat(5.0), lambda: hot[0])
    assert both.classify(FRAME).skipped == "heat"
    hot[0] = False
    assert both.classify(FRAME).model == "costly"


def test_a_model_that_became_slow_is_tried_again_and_comes_back() -> None:
    slow, quick = [60.0] * 3, repeat(4.0)
    both = cascade(repeat(2.0), iter([4.0, 4.0, *slow]))
    predictions = [both.classify(FRAME) for _ in range(400)]
    costly = both.stages[1].classifier
    assert isinstance(costly, Timed)
    costly.taken_ms = quick
    predictions = [both.classify(FRAME) for _ in range(2000)]
    assert asked(predictions[-500:]) == 500


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.002, 0.02, 0.2, 0.6]),
    st.sampled_from([3.0, 7.9, 8.0, 8.1, 60.0]),
)
def test_however_the_costly_model_behaves_one_frame_in_200_exceeds(
    seed: int, share: float, usual_ms: float
) -> None:
    rng = np.random.default_rng(seed)
    frames = 1500
    waits = np.where(rng.random(frames) < share, rng.uniform(0, 50, frames), 0.0)
    both = cascade(repeat(2.0), iter((usual_ms + waits).tolist()))
    taken = [both.classify(FRAME).latency_ns for _ in range(frames)]
    assert sum(ns > LIMIT_MS * MS for ns in taken) <= 1 + frames / 200


def test_a_cheap_model_that_exceeds_by_itself_leaves_nothing_to_the_costly_one() -> None:
    both = cascade(repeat(11.0), repeat(0.0))
    predictions = [both.classify(FRAME) for _ in range(300)]
    assert asked(predictions) == 0
    assert {prediction.skipped for prediction in predictions} == {"budget"}


def test_a_budget_for_one_model_is_refused() -> None:
    alone = Timed("alone", repeat(1.0))
    with pytest.raises(ConfigError, match=r"cascade.budget_ms = 5: alone is one model"):
        budgeted(alone, CascadeSettings(budget_ms=5.0))
    assert budgeted(alone, CascadeSettings()) is alone
