from __future__ import annotations

import numpy as np

from pi_classifier.service.counters import Counters
from pi_classifier.types import Category, Frame, Prediction

PIXELS = np.zeros((1, 1, 3), np.uint8)


def test_counters() -> None:
    counters = Counters()
    for sequence in range(15):
        category = Category(0, "daisy", 0.9)
        admitted = Prediction((category,), "model", sequence // 10, 2_000_000)
        counters.observe(Frame(PIXELS, sequence, 0), None if sequence % 2 else admitted)
    assert (counters.frames, counters.admitted, dict(counters.answered)) == (15, 8, {0: 5, 1: 3})
    assert counters.first_stage_share == 5 / 8
    assert counters.ms_per_frame == 2.0
    assert str(counters) == (
        "15 frames (8 classified, 0 dropped), 0 decisions, "
        "62% answered by the first stage, 2.0 ms per frame"
    )


def test_gaps_in_the_numbers_are_dropped_frames() -> None:
    counters = Counters()
    for sequence in (3, 4, 7, 8, 0, 1):  # a camera opened again counts from 0
        counters.observe(Frame(PIXELS, sequence, 0), None)
    assert (counters.frames, counters.dropped) == (6, 2)


def test_counters_of_nothing() -> None:
    assert Counters().first_stage_share == 0
    assert Counters().ms_per_frame == 0
