"""What all trainings share, worked out by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.retraining.epochs import (
    EarlyStopping,
    Row,
    batches,
    best_of,
    epoch_plan,
    epoch_rng,
    figures_of,
    label_weights,
)


@given(st.sampled_from([1, 15, 16, 17, 32, 33]), st.sampled_from([1, 15, 16, 17, 40]))
def test_every_photo_comes_once_an_epoch(photos: int, batch: int) -> None:
    rows = list(batches(epoch_rng(1, 2), photos, batch))
    assert sorted(np.concatenate(rows).tolist()) == list(range(photos))
    assert [len(part) for part in rows[:-1]] == [batch] * (math.ceil(photos / batch) - 1)


class TestFigures:
    def test_cross_entropy_of_equal_logits_is_that_of_a_guess(self) -> None:
        row = figures_of(np.zeros((6, 5), np.float32), np.arange(6) % 5)
        assert row["validation_cross_entropy"] == pytest.approx(math.log(5))

    @given(st.sampled_from([-1e4, 0.0, 80.0, 1e4]), st.sampled_from([1e-3, 1.0, 50.0]))
    def test_what_is_added_to_all_logits_changes_nothing(self, shift: float, gap: float) -> None:
        logits = np.array([[0.0, gap], [gap, 0.0]], np.float32) + np.float32(shift)
        row = figures_of(logits, np.array([1, 1]))
        # ln(1 + e^−gap) for the right one, gap more for the wrong one.
        exact_gap = float(logits[0, 1]) - float(logits[0, 0])
        expected = math.log1p(math.exp(-exact_gap)) + exact_gap / 2
        assert row["validation_cross_entropy"] == pytest.approx(expected, rel=1e-6)
        assert math.isfinite(row["validation_cross_entropy"])

    def test_accuracy_is_a_share_of_the_photos(self) -> None:
        logits = np.eye(4, dtype=np.float32)
        assert figures_of(logits, np.array([0, 1, 2, 0]))["validation_accuracy"] == 0.75


class TestLabelWeights:
    @pytest.mark.parametrize(
        ("counts", "weights"),
        [
            ((10, 10), (1.0, 1.0)),
            ((15, 10), (1.0, 1.0)),  # one and a half times: still even
            ((16, 9), (25 / 28, 25 / 21)),
            ((81, 9), (90 / 108, 90 / 36)),
            ((100, 25, 4), (129 / 170, 129 / 85, 129 / 34)),
        ],
    )
    def test_by_hand(self, counts: tuple[int, ...], weights: tuple[float, ...]) -> None:
        indices = np.repeat(np.arange(len(counts)), counts)
        assert label_weights(indices, len(counts), "auto") == pytest.approx(np.array(weights))

    @given(st.lists(st.sampled_from([1, 3, 10, 100]), min_size=2, max_size=5))
    def test_half_way_between_photos_and_labels(self, counts: list[int]) -> None:
        weights = label_weights(np.repeat(np.arange(len(counts)), counts), len(counts), "auto")
        if max(counts) > 1.5 * min(counts):
            # What a label weighs in all grows as the square root of its photos.
            total = np.array(counts) * weights / np.sqrt(counts)
            assert total == pytest.approx(np.full(len(counts), total[0]), rel=1e-5)

    def test_photos_of_nothing_weigh_as_much_as_one_label_however_many_they_are(self) -> None:
        counts = np.array([30, 1800, 30])
        indices = np.repeat(np.arange(3), counts)
        totals = counts * label_weights(indices, 3, "auto", silent=(1,))
        assert totals == pytest.approx(np.full(3, counts.sum() / 3))
        few = np.repeat(np.arange(2), (100, 25))
        alike = label_weights(few, 2, "auto")
        assert label_weights(few, 2, "auto", silent=(1,)) == pytest.approx(alike)

    def test_a_label_without_photos_gives_no_infinity(self) -> None:
        weights = label_weights(np.array([0, 0, 2]), 3, "auto")
        assert np.isfinite(weights).all()


class TestRandomNumbers:
    def test_seed_and_epoch_are_not_interchangeable_nor_added(self) -> None:
        drawn = {
            pair: tuple(epoch_rng(*pair).integers(0, 2**62, 3))
            for pair in ((1, 2), (2, 1), (3, 0), (0, 3), (1, 3))
        }
        assert len(set(drawn.values())) == len(drawn)

    def test_an_epoch_is_the_same_again(self) -> None:
        assert (epoch_rng(7, 3).random(5) == epoch_rng(7, 3).random(5)).all()


@given(
    st.sampled_from([1, 2, 7]),
    st.sampled_from([None, 1, 9, 10, 11, 100]),
    st.sampled_from([1, 10]),
)
def test_planned_epochs_hold_the_steps_and_not_one_epoch_more(
    epochs: int, steps: int | None, steps_an_epoch: int
) -> None:
    run, total = epoch_plan(epochs, steps, steps_an_epoch)
    assert total == (epochs * steps_an_epoch if steps is None else steps)
    assert (run - 1) * steps_an_epoch < total <= run * steps_an_epoch


class TestEarlyStopping:
    def run(self, stopping: EarlyStopping, entropies: list[float]) -> list[bool]:
        """Whether it is time to stop after each epoch."""
        ended = []
        for i, entropy in enumerate(entropies):
            stopping.update({"validation_cross_entropy": entropy}, [np.array(i)].copy)
            ended.append(stopping.ended)
        return ended

    def test_patience_counts_from_the_last_improvement(self) -> None:
        stopping = EarlyStopping(2)
        assert self.run(stopping, [1.0, 1.1, 0.9, 0.95, 0.92]) == [False] * 4 + [True]
        assert stopping.best is not None
        assert int(stopping.best[0]) == 2
        assert stopping.best_entropy == 0.9

    def test_as_good_as_before_is_not_better(self) -> None:
        stopping = EarlyStopping(2)
        assert self.run(stopping, [1.0, 1.0, 1.0]) == [False, False, True]
        assert stopping.best is not None
        assert int(stopping.best[0]) == 0

    def test_without_patience_it_never_ends_and_keeps_nothing(self) -> None:
        stopping = EarlyStopping(0)
        assert not any(self.run(stopping, [1.0, 2.0, 3.0, 4.0]))
        assert stopping.best is None

    def test_what_is_not_a_number_is_never_better(self) -> None:
        stopping = EarlyStopping(3)
        assert self.run(stopping, [math.nan, 0.5, math.nan, math.nan, math.nan])[-1]
        assert stopping.best_entropy == 0.5

    @given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=2, max_size=9), st.data())
    def test_saved_and_restored_at_any_time_it_ends_at_the_same_epoch(
        self, entropies: list[float], data: st.DataObject
    ) -> None:
        at = data.draw(st.integers(0, len(entropies)))
        whole, first, second = EarlyStopping(2), EarlyStopping(2), EarlyStopping(2)
        expected = self.run(whole, entropies)
        before = self.run(first, entropies[:at])
        saved: dict[str, Any] = json.loads(json.dumps(first.as_dict(), allow_nan=False))
        second.restore(saved, first.best)
        assert before + self.run(second, entropies[at:]) == expected
        assert second.best_entropy == whole.best_entropy


COUNTS = st.lists(st.sampled_from([1, 2, 3, 10, 14, 15, 16, 100]), min_size=2, max_size=5)


@given(COUNTS)
def test_rare_labels_weigh_more_and_the_mean_over_photos_is_one(counts: list[int]) -> None:
    indices = np.repeat(np.arange(len(counts)), counts)
    weights = label_weights(indices, len(counts), "auto")
    assert weights[indices].mean() == pytest.approx(1, rel=1e-5)
    if max(counts) <= 1.5 * min(counts):
        assert weights.tolist() == [1] * len(counts)
    else:
        shares = weights * np.sqrt(counts)
        assert shares == pytest.approx(shares.mean(), rel=1e-5)
    assert label_weights(indices, len(counts), "none").tolist() == [1] * len(counts)


@pytest.mark.parametrize(
    ("epochs", "steps", "an_epoch", "expected"),
    [(3, None, 10, (3, 30)), (3, 10, 10, (1, 10)), (3, 11, 10, (2, 11)), (9, 1, 10, (1, 1))],
)
def test_steps_count_instead_of_epochs(
    epochs: int, steps: int | None, an_epoch: int, expected: tuple[int, int]
) -> None:
    assert epoch_plan(epochs, steps, an_epoch) == expected


def test_every_epoch_has_random_numbers_of_its_own() -> None:
    assert epoch_rng(1, 2).permutation(9).tolist() == epoch_rng(1, 2).permutation(9).tolist()
    assert epoch_rng(1, 2).permutation(9).tolist() != epoch_rng(2, 1).permutation(9).tolist()


def test_figures_are_accuracy_and_cross_entropy() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], np.float32))
    row = figures_of(logits + 40, np.array([1, 1]))
    assert row["validation_accuracy"] == 0.5
    assert row["validation_cross_entropy"] == pytest.approx(-(math.log(0.25) + math.log(0.8)) / 2)


def ends(entropies: list[float], patience: int) -> tuple[int, int | None]:
    """After which epoch training ends, and the epoch whose weights are kept."""
    stopping = EarlyStopping(patience)
    epoch = 0
    while epoch < len(entropies) and not stopping.ended:
        row: Row = {"validation_cross_entropy": entropies[epoch]}
        epoch += 1
        now = [np.array(epoch)]
        stopping.update(row, now.copy)
    return epoch, None if stopping.best is None else int(stopping.best[0])


@pytest.mark.parametrize(
    ("patience", "expected"), [(0, (6, None)), (1, (3, 2)), (2, (6, 4)), (3, (6, 4))]
)
def test_training_ends_when_validation_gets_no_better(
    patience: int, expected: tuple[int, int | None]
) -> None:
    # The fifth epoch is as good as the fourth, not better.
    assert ends([0.9, 0.5, 0.6, 0.4, 0.4, 0.7], patience) == expected


def test_early_stopping_resumes_where_it_was() -> None:
    stopping, again = EarlyStopping(2), EarlyStopping(2)
    for entropy in (0.5, 0.6):
        stopping.update({"validation_cross_entropy": entropy}, lambda: [np.ones(1)])
    again.restore(stopping.as_dict(), stopping.best)
    again.update({"validation_cross_entropy": 0.55}, lambda: [np.zeros(1)])
    assert again.ended
    fresh = EarlyStopping(2)
    fresh.restore(EarlyStopping(2).as_dict(), None)
    assert fresh.best_entropy == math.inf


def test_the_best_epoch_is_the_first_of_the_lowest_and_never_no_number() -> None:
    entropies = [0.9, math.nan, 0.4, 0.4, 0.7]
    rows: list[Row] = [
        {"epoch": i, "validation_cross_entropy": e} for i, e in enumerate(entropies, start=1)
    ]
    assert best_of(rows)["epoch"] == 3
