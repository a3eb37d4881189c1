"""What stands in a report: tables, pictures, and the file to copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.reporting.contents import (
    MATRIX_LABELS,
    OPEN_LABELS,
    confusion_of,
    settings_of,
    trust_of,
)
from pi_classifier_training.reporting.pictures import WORST_MISTAKES, mistake_cards
from PIL import Image

from tests.unit.pi_classifier_training.outcomes import outcomes_with

NAMES = [f"label {i:02}" for i in range(60)]


class TestConfusion:
    def test_a_row_of_the_matrix_is_what_photos_of_a_label_were_given(self) -> None:
        outcomes = outcomes_with([0.9] * 4, [True, True, False, True], given=[0, 0, 0, 1])
        confused = confusion_of(outcomes, ["a", "b", "c"])
        assert [row.counts for row in confused.matrix] == [(2, 0, 0), (1, 1, 0), (0, 0, 0)]
        assert [row.shares for row in confused.matrix] == [(1, 0, 0), (0.5, 0.5, 0), (0, 0, 0)]
        assert [row.label for row in confused.rows] == ["a", "b"]
        assert confused.hardest.startswith("Of 100 photos of “b” 50 are recognized")

    @pytest.mark.parametrize("labels", [MATRIX_LABELS, MATRIX_LABELS + 1])
    def test_a_matrix_of_too_many_labels_is_left_out(self, labels: int) -> None:
        outcomes = outcomes_with([0.9], [True])
        assert bool(confusion_of(outcomes, NAMES[:labels]).matrix) == (labels == MATRIX_LABELS)

    @pytest.mark.parametrize("shown", [OPEN_LABELS, OPEN_LABELS + 1])
    def test_of_many_labels_those_that_fare_worst_stand_open(self, shown: int) -> None:
        right = [i != 7 for i in range(shown)]
        given_ = list(range(shown))
        confused = confusion_of(outcomes_with([0.9] * shown, right, given_), NAMES)
        assert confused.open_rows == OPEN_LABELS
        assert len(confused.rows) == shown
        first = confused.rows[0].label
        assert first == ("label 00" if shown == OPEN_LABELS else "label 07")

    def test_where_nothing_is_confused_no_label_is_the_hardest(self) -> None:
        confused = confusion_of(outcomes_with([0.9] * 2, [True] * 2), ["a", "b"])
        assert (confused.pairs, confused.hardest) == ((), "")


class TestMistakes:
    @pytest.fixture
    def outcomes(self, tmp_path: Path) -> Outcomes:
        """Three photos of b named a, each surer than the next, and three photos of a."""
        photos = []
        for i in range(6):
            path = tmp_path / f"{i}.png"
            Image.new("RGB", (40, 30), (40 * i, 0, 0)).save(path)
            photos.append(Photo(path, "b" if i < 3 else "a"))
        tops = np.array([0.9, 0.8, 0.7, 0.6, 0.99, 0.5], np.float32)
        zeros = np.zeros(6, np.int64)
        truth = np.array([1, 1, 1, 0, 0, 0], np.int64)
        return Outcomes(tuple(photos), truth, zeros, tops, 1 - tops, zeros, zeros, zeros)

    def test_the_surest_come_first_each_beside_another_right_one(self, outcomes: Outcomes) -> None:
        cards = mistake_cards(outcomes, ["a", "b"])
        assert [(c.true, c.given) for c in cards] == [("b", "a")] * 3
        assert [c.score for c in cards] == pytest.approx([0.9, 0.8, 0.7])
        assert [c.true_score for c in cards] == pytest.approx([0.1, 0.2, 0.3], abs=1e-6)
        pictures = [c.example for c in cards]
        assert None not in pictures
        # The surest right outcomes first: 4, 3, 5.
        assert len(set(map(repr, pictures))) == 3
        assert len(cards) <= WORST_MISTAKES

    def test_a_photo_that_is_gone_is_left_out(self, outcomes: Outcomes) -> None:
        outcomes.photos[0].path.unlink()
        assert len(mistake_cards(outcomes, ["a", "b"])) == 2

    def test_without_a_right_one_there_is_no_example(self, outcomes: Outcomes) -> None:
        wrong = Outcomes(
            outcomes.photos[:3], outcomes.truth[:3], outcomes.given[:3], outcomes.top[:3],
            outcomes.own[:3], outcomes.rank[:3], outcomes.stages[:3], outcomes.latencies_ns[:3],
        )  # fmt: skip
        assert [card.example for card in mistake_cards(wrong, ["a", "b"])] == [None] * 3


def test_trust_is_the_calibration_error_in_words() -> None:
    error, said = trust_of(outcomes_with([0.95] * 10, [True] * 5 + [False] * 5))
    assert error == pytest.approx(0.45, abs=1e-6)
    assert "promise too much, by 45 points" in said


def test_settings_name_what_is_known_and_skip_the_rest() -> None:
    record = {
        "network": {"name": "mobilenet_v1", "width": 0.25, "resolution": 96},
        "options": {"weights": "imagenet", "fine_tune": 0, "training": {"seed": 1}},
        "data": {"name": "flowers"}, "versions": {"numpy": "2.0"},
        "history": [{"epoch": 0, "learning_rate": 0.003}],
    }  # fmt: skip
    assert settings_of(record) == [
        ("network", "mobilenet_v1 0.25 96"), ("started from", "imagenet"),
        ("epochs of fine-tuning", "0"), ("photos", "flowers"), ("seed", "1"),
        ("learning rate", "0.003"), ("numpy", "2.0"),
    ]  # fmt: skip
    assert settings_of({}) == []


def test_learning_rates_are_those_of_the_phases_that_ran() -> None:
    head = {"phase": "head", "learning_rate": 0.004}
    tuned = [{"phase": "fine-tuning", "learning_rate": rate} for rate in (5e-6, 1e-4, 9e-5)]
    unused = {"options": {"training": {"rate": 0.003}}}
    assert settings_of(unused | {"history": [head, head]}) == [("learning rate", "0.004")]
    assert settings_of(unused | {"history": [head, *tuned]}) == [
        ("learning rate, head", "0.004"), ("learning rate, fine-tuning", "0.0001"),
    ]  # fmt: skip
