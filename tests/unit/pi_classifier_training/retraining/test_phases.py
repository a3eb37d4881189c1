"""Which phase's weights a run ends with, and how that is said."""

from __future__ import annotations

import pytest
from pi_classifier_training.retraining.epochs import Row
from pi_classifier_training.retraining.phases import is_better, outcome


def row(phase: str, epoch: int, right: float, *, kept: bool = False) -> Row:
    made: Row = {"phase": phase, "epoch": epoch, "validation_accuracy": right}
    return made | ({"kept": True} if kept else {})


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([row("head", 1, 0.8, kept=True)], "80.0% of the validation photos right: the head"),
        (
            [row("head", 1, 0.8), row("fine-tuning", 1, 0.9, kept=True), row("x", 2, 0.7)],
            (
                "90.0% of the validation photos right: the network after epoch 1 of 2; "
                "the head alone 80.0%"
            ),
        ),
        (
            [row("head", 1, 0.8, kept=True), row("fine-tuning", 1, 0.7)],
            (
                "80.0% of the validation photos right: the head; fine-tuning ended with 70.0%, "
                "it is not kept"
            ),
        ),
        (
            [row("scratch", 1, 0.3), row("scratch", 2, 0.4, kept=True)],
            "40.0% of the validation photos right: the network after epoch 2 of 2",
        ),
        (
            [row("earlier run", 0, 0.8), row("fine-tuning", 1, 0.9, kept=True)],
            (
                "90.0% of the validation photos right: the network after epoch 1 of 1; "
                "the earlier run alone 80.0%"
            ),
        ),
    ],
)
def test_what_is_kept_is_said(history: list[Row], said: str) -> None:
    assert outcome(history) == said


@pytest.mark.parametrize(
    ("now", "before", "better"),
    [
        ((0.9, 0.5), (0.8, 0.4), True),
        ((0.8, 0.3), (0.8, 0.4), True),
        ((0.8, 0.4), (0.8, 0.4), False),
        ((0.7, 0.1), (0.8, 0.4), False),
    ],
)
def test_more_right_answers_are_better_and_surer_ones_where_as_many(
    now: tuple[float, float], before: tuple[float, float], better: bool
) -> None:
    a, b = (
        {"validation_accuracy": right, "validation_cross_entropy": entropy}
        for right, entropy in (now, before)
    )
    assert is_better(a, b) is better
