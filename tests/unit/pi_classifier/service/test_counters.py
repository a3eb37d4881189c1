from __future__ import annotations

import numpy as np

from pi_classifier.service.counters import Counters, Losses
from pi_classifier.service.status import status_line
from pi_classifier.types import Category, Decision, Frame, Prediction, Skip

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


def test_frames_without_a_costlier_model_are_told_with_the_reason() -> None:
    counters = Counters()
    reasons: tuple[Skip | None, ...] = ("budget", "heat", "budget", None)
    for skipped in reasons:
        admitted = Prediction((Category(0, "daisy", 0.9),), "model", 0, 0, skipped=skipped)
        counters.observe(Frame(PIXELS, 0, 0), admitted)
    words = "3 without a costlier model (budget 2, heat 1)"
    assert counters.skipped_words == words
    assert f"100% answered by the first stage, {words}, 0.0 ms" in str(counters)
    assert words in status_line("", None, counters, 10.0)


def test_gaps_in_the_numbers_are_dropped_frames() -> None:
    counters = Counters()
    for sequence in (3, 4, 7, 8, 0, 1):  # a camera opened again counts from 0
        counters.observe(Frame(PIXELS, sequence, 0), None)
    assert (counters.frames, counters.dropped) == (6, 2)


def test_counters_of_nothing() -> None:
    assert Counters().first_stage_share == 0
    assert Counters().ms_per_frame == 0


class LossySink:
    busy = False

    def __init__(self, name: str, dropped: int = 0, failures: int = 0) -> None:
        self.name, self.dropped, self.failures = name, dropped, failures

    def emit(self, decision: Decision) -> None: ...

    def close(self) -> None: ...


def test_losses_of_sinks_and_log_are_told_with_the_counters() -> None:
    counters = Counters(losses=Losses(lambda: 12))
    counters.losses.count(
        (LossySink("speech", 3, 1), LossySink("jsonl", 0, 2), LossySink("stdout"))
    )
    assert str(counters.losses) == (
        "jsonl: 2 failed attempts; log: 12 dropped; speech: 3 dropped, 1 failed attempt"
    )
    assert str(counters).endswith(f"0.0 ms per frame; {counters.losses}")


def test_the_log_sink_shares_the_count_of_the_log() -> None:
    losses = Losses(lambda: 5)
    losses.count((LossySink("log", 5),))
    assert str(losses) == "log: 5 dropped"


def test_losses_of_replaced_sinks_stay_counted_and_those_kept_count_once() -> None:
    losses = Losses(lambda: 0)
    kept, replaced, new = LossySink("jsonl", 1), LossySink("speech", 2), LossySink("speech", 4)
    losses.count((kept, replaced))
    losses.count((kept, new))
    losses.count((kept, new))
    assert str(losses) == "jsonl: 1 dropped; speech: 6 dropped"


def test_nothing_lost_says_nothing() -> None:
    losses = Losses(lambda: 0)
    losses.count((LossySink("stdout"),))
    assert str(losses) == ""
    assert str(Counters(losses=losses)).endswith("0.0 ms per frame")
