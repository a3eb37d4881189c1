"""What stands in a report: tables, pictures, and the file to copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.data_check.findings import CheckResult, Finding, Severity
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.reporting.contents import (
    MATRIX_LABELS,
    OPEN_LABELS,
    confusion_of,
    settings_of,
    trust_of,
)
from pi_classifier_training.reporting.pictures import (
    GROUPS,
    GROUPS_OF_NOTES,
    LISTED_MISTAKES,
    PICTURED_MISTAKES,
    WORST_MISTAKES,
    mistake_cards,
    mistake_rows,
    photo_groups,
)
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

    def test_the_further_ones_follow_surest_first_with_pictures_up_to_a_number(
        self, tmp_path: Path
    ) -> None:
        """Every photo is the same file, so that a thousand of them cost nothing."""
        path = tmp_path / "one.png"
        Image.new("RGB", (40, 30)).save(path)
        n = LISTED_MISTAKES + 5
        zeros, tops = np.zeros(n, np.int64), np.linspace(1, 0, n).astype(np.float32)
        photos = (Photo(path, "b"),) * n
        wrong = Outcomes(photos, zeros + 1, zeros, tops, 1 - tops, zeros, zeros, zeros)
        rows = mistake_rows(wrong, ["a", "b"])
        assert len(rows) == LISTED_MISTAKES - WORST_MISTAKES
        assert [row.score for row in rows] == tops[WORST_MISTAKES:LISTED_MISTAKES].tolist()
        pictured = [row.picture is not None for row in rows]
        assert pictured.index(False) == PICTURED_MISTAKES - WORST_MISTAKES
        assert not any(pictured[PICTURED_MISTAKES - WORST_MISTAKES :])

    def test_a_dozen_leaves_nothing_to_be_folded_away(self, outcomes: Outcomes) -> None:
        assert mistake_rows(outcomes, ["a", "b"]) == []


class TestPhotosThatBelongTogether:
    def checked(self, folder: Path) -> CheckResult:
        for number in range(5):
            Image.new("RGB", (400, 30)).save(folder / f"{number}.png")
        splits = {"0.png": "training", "1.png": "test"}
        return CheckResult((str(folder),), (), {}, splits)  # type: ignore[arg-type]

    def test_they_stand_side_by_side_with_their_names_and_splits(self, tmp_path: Path) -> None:
        finding = Finding("copy", "warning", "", "", (("0.png", "1.png", "2.png", "gone.png"),))
        (group,) = photo_groups(finding, self.checked(tmp_path))
        assert group.names == ("0.png (training)", "1.png (test)", "2.png")
        assert len(group.pictures) == 3
        assert group.pictures[0].width <= 110
        assert group.more == 0

    def test_of_many_the_first_are_shown_and_the_others_counted(self, tmp_path: Path) -> None:
        names = tuple(f"{number}.png" for number in range(5))
        finding = Finding("copy", "warning", "", "", (names,))
        (group,) = photo_groups(finding, self.checked(tmp_path))
        assert (len(group.pictures), group.more) == (4, 1)

    @pytest.mark.parametrize(
        ("severity", "most"), [("warning", GROUPS), ("note", GROUPS_OF_NOTES)]
    )
    def test_the_number_of_groups_is_bounded(
        self, severity: Severity, most: int, tmp_path: Path
    ) -> None:
        finding = Finding("copy", severity, "", "", (("0.png", "1.png"),) * 9)
        assert len(photo_groups(finding, self.checked(tmp_path))) == most

    def test_those_that_are_all_gone_are_left_out(self, tmp_path: Path) -> None:
        finding = Finding("copy", "warning", "", "", (("gone.png",), ("0.png",)))
        assert len(photo_groups(finding, self.checked(tmp_path))) == 1


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
