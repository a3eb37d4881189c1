"""Temperatures: where the lowest cross-entropy lies, and from which score on to believe."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pi_classifier_training.evaluation.metrics import cross_entropy
from pi_classifier_training.evaluation.scoring import (
    Outcomes,
    Scores,
)
from pi_classifier_training.evaluation.temperature import (
    HIGHEST,
    LOWEST,
    SPREAD,
    announce_from,
    fit_temperature,
    sharpened,
)

from tests.unit.pi_classifier_training.outcomes import outcomes_with, scores_of


class TestSharpened:
    @pytest.mark.parametrize("temperature", [0.2, 0.5, 2.0, 5.0])
    def test_softmax_scores_are_those_of_logits_over_the_temperature(
        self, temperature: float
    ) -> None:
        logits = np.array([[2.0, 0.5, -1.0], [0.0, 0.0, 3.0]])

        def softmax(z: np.ndarray) -> np.ndarray:
            return np.asarray(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))

        sharper = sharpened(softmax(logits).astype(np.float32), temperature, sigmoid=False)
        assert sharper == pytest.approx(softmax(logits / temperature), abs=1e-6)

    def test_sigmoid_scores_are_independent_of_each_other(self) -> None:
        logits = np.array([[2.0, 0.5, -1.0]])
        scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
        sharper = sharpened(scores, 2.0, sigmoid=True)
        assert sharper == pytest.approx(1 / (1 + np.exp(-logits / 2)), abs=1e-6)

    @given(st.sampled_from([0.5, 1.5]), st.sampled_from([0.7, 2.0]))
    def test_temperatures_multiply(self, first: float, second: float) -> None:
        rows = np.array([[0.7, 0.2, 0.1], [0.98, 0.01, 0.01]], np.float32)
        twice = sharpened(np.asarray(sharpened(rows, first, False)), second, False)
        assert twice == pytest.approx(sharpened(rows, first * second, False), abs=1e-5)


def penalized(scored: Scores, temperature: float) -> float:
    """What is to be least: mean cross-entropy plus (ln T / spread)² / 2n."""
    rows = sharpened(scored.scores, temperature, sigmoid=False)
    n = len(scored.truth)
    own = rows[np.arange(n), scored.truth]
    return cross_entropy(own) + (math.log(temperature) / SPREAD) ** 2 / (2 * n)


class TestFit:
    @settings(max_examples=15)
    @given(
        st.lists(st.tuples(st.sampled_from([0.4, 0.6, 0.9, 0.99]), st.booleans()),
                 min_size=3, max_size=30)
    )  # fmt: skip
    def test_no_temperature_on_a_grid_is_better(self, photos: list[tuple[float, bool]]) -> None:
        scored = scores_of(
            [[t, (1 - t) * 0.7, (1 - t) * 0.3] for t, _ in photos],
            [0 if right else 1 for _, right in photos],
        )
        fitted = fit_temperature(scored)
        grid = np.exp(np.linspace(math.log(LOWEST), math.log(HIGHEST), 120))
        assert penalized(scored, fitted) <= min(penalized(scored, t) for t in grid) + 1e-6

    def test_a_boastful_model_is_cooled_down_and_a_modest_one_warmed_up(self) -> None:
        half = [0, 1] * 100
        boastful = scores_of([[0.95, 0.05]] * 200, half)
        modest = scores_of([[0.6, 0.4]] * 200, [0] * 199 + [1])
        assert fit_temperature(boastful) > 2
        assert fit_temperature(modest) < 0.5

    def test_honest_scores_stay(self) -> None:
        # Of photos scored 0.8, four of five are right.
        honest = scores_of([[0.8, 0.2]] * 500, [0, 0, 0, 0, 1] * 100)
        assert fit_temperature(honest) == pytest.approx(1.0, abs=0.01)

    def test_few_photos_move_it_less_than_many(self) -> None:
        temperatures = [
            fit_temperature(scores_of([[0.95, 0.05]] * n, [0, 1] * (n // 2)))
            for n in (2, 10, 50, 1000)
        ]
        assert temperatures == sorted(temperatures)
        assert 1 < temperatures[0] < 0.7 * temperatures[-1]

    def test_what_a_full_integer_output_rounds_to_nothing_weighs_the_same_at_any_temperature(
        self,
    ) -> None:
        photos = [[0.8, 0.2, 0.0]] * 50
        truth = [0, 0, 0, 0, 1] * 10
        without = fit_temperature(scores_of(photos, truth))
        lost = fit_temperature(scores_of(photos + photos[:1], [*truth, 2]))
        assert lost == pytest.approx(without, rel=0.01)

    def test_a_sigmoid_network_is_fitted_by_its_own_formula(self) -> None:
        # All scores small, as among a thousand labels; sigmoid(logit / 2) is what happened.
        logit = 2.0
        score = 1 / (1 + math.exp(-logit))
        scored = scores_of([[score, 0.01]] * 300, [0] * 300)
        # Every photo is right: only the doubt holds the temperature up.
        assert fit_temperature(scored, sigmoid=True) < 1


class TestAnnouncing:
    def test_where_all_are_right_it_is_the_devices_own(self) -> None:
        assert announce_from(outcomes_with([0.3, 0.6, 0.99], [True] * 3)) == 0.7

    def test_where_none_is_sure_enough_only_the_highest(self) -> None:
        assert announce_from(outcomes_with([0.97] * 9, [True] * 8 + [False])) == 0.95

    @pytest.mark.parametrize(
        ("wrong", "expected"),
        [
            (1, 0.7),  # nine of ten are right: enough
            (2, 0.71),  # two of eleven are wrong from 0.70 down
        ],
    )
    def test_nine_of_ten_are_enough(self, wrong: int, expected: float) -> None:
        tops, right = [0.9] * 9 + [0.705] * wrong, [True] * 9 + [False] * wrong
        assert announce_from(outcomes_with(tops, right)) == expected

    def test_a_score_on_the_step_counts_there(self) -> None:
        below = float(np.nextafter(np.float32(0.7), np.float32(0)))
        right = [True] * 3 + [False]
        # A mistake at exactly 0.75 spoils 0.75; one just below 0.7 spoils only 0.69.
        assert announce_from(outcomes_with([0.9] * 3 + [0.75], right)) == 0.76
        assert announce_from(outcomes_with([0.9] * 3 + [below], right)) == 0.7

    def test_no_score_below_one_that_fails_is_taken(self) -> None:
        """At 0.6 many right answers would make good for the mistakes at 0.8."""
        tops = [0.9] * 5 + [0.8] * 5 + [0.6] * 90
        right = [True] * 5 + [False] * 5 + [True] * 90
        assert announce_from(outcomes_with(tops, right)) == 0.81


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0])
def test_the_temperature_that_was_lost_is_found(true: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (1500, 4))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(4, p=p) for p in chances], np.int64)
    off = np.asarray(sharpened(chances.astype(np.float32), 1 / true, sigmoid=False))
    zeros = np.zeros(1500, np.int64)
    scored = Scores((), off, truth, zeros, zeros, ())
    assert fit_temperature(scored) == pytest.approx(true, rel=0.08)


def test_few_photos_without_a_mistake_do_not_make_scores_extreme() -> None:
    zeros = np.zeros(10, np.int64)
    scored = Scores(
        (), np.tile(np.array([[0.8, 0.2]], np.float32), (10, 1)), zeros, zeros, zeros, ()
    )
    assert 0.3 < fit_temperature(scored) < 0.8


def test_announcing_starts_where_nine_of_ten_are_right() -> None:
    n = 100
    top = np.linspace(0.51, 0.99, n).astype(np.float32)
    right = top > 0.8
    zeros = np.zeros(n, np.int64)
    outcomes = Outcomes((), zeros, (~right).astype(np.int64), top, top, zeros, zeros, zeros)
    score = announce_from(outcomes)
    sure = top >= score
    assert right[sure].mean() >= 0.9
    assert right[top >= score - 0.02].mean() < 0.9
