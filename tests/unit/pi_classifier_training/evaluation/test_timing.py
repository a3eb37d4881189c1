"""Time of a frame: medians over turns, on a clock that tests turn themselves."""

from __future__ import annotations

import numpy as np
import pytest
from pi_classifier_training.evaluation import timing
from pi_classifier_training.evaluation.timing import FRAME_SIZE, ROUNDS, WARM_UP, frame_ms

from pi_classifier.types import Category, Frame, Prediction


class Clock:
    def __init__(self) -> None:
        self.now_ns = 0

    def process_time_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


class Steady:
    """Takes `ms` for a frame that its first stage answers, `more_ms` for one it passes on."""

    labels = ("a",)

    def __init__(
        self, clock: Clock, name: str, turns: list[str], ms: float, more_ms: float = 0.0
    ) -> None:
        self.clock, self.name, self.turns = clock, name, turns
        self.ms, self.more_ms = ms, more_ms

    def classify(self, frame: Frame) -> Prediction:
        self.turns.append(self.name)
        assert frame.pixels.shape == (*FRAME_SIZE, 3)
        # The first calls of a model are slow, and bright pictures are passed on.
        slow = 50.0 if self.turns.count(self.name) <= WARM_UP else 0.0
        stage = int(self.more_ms > 0 and frame.pixels.mean() > 127)
        self.clock.now_ns += round(1e6 * (self.ms + slow + stage * self.more_ms))
        return Prediction((Category(0, "a", 1.0),), self.name, stage, 0)

    def close(self) -> None:
        """Nothing to close."""


def picture(brightness: int) -> np.ndarray:
    return np.full((60, 80, 3), brightness, np.uint8)


def test_models_take_turns_there_and_back_and_the_first_rounds_do_not_count(clock: Clock) -> None:
    turns: list[str] = []
    models = [Steady(clock, name, turns, ms) for name, ms in (("a", 1.0), ("b", 2.5), ("c", 4.0))]
    assert frame_ms(models) == pytest.approx([1.0, 2.5, 4.0])
    assert turns[:6] == ["a", "b", "c", "c", "b", "a"]
    assert len(turns) == 3 * (WARM_UP + ROUNDS)


def test_a_cascade_costs_its_stages_by_how_often_they_answer(clock: Clock) -> None:
    cascade = Steady(clock, "cascade", [], 1.0, more_ms=8.0)
    # One picture in four is passed on.
    pictures = [picture(b) for b in (10, 20, 30, 200)]
    assert frame_ms([cascade], pictures) == pytest.approx([1.0 + 8.0 / 4], rel=0.03)


def test_a_single_disturbance_does_not_count(clock: Clock) -> None:
    model = Steady(clock, "a", [], 3.0)
    shown = model.classify

    def disturbed(frame: Frame) -> Prediction:
        if len(model.turns) == WARM_UP + 10:
            clock.now_ns += 10**9
        return shown(frame)

    model.classify = disturbed  # type: ignore[method-assign]
    assert frame_ms([model]) == pytest.approx([3.0])
