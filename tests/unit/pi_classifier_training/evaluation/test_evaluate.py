"""The evaluation record: figures, labels, confusions, mistakes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.evaluation.evaluate import (
    MATRIX_LABELS,
    calibration_curve,
    figures,
    label_evaluation,
    portable,
)
from pi_classifier_training.evaluation.held_out import chosen_split
from pi_classifier_training.evaluation.per_photo import mistakes
from pi_classifier_training.evaluation.report_text import confusion_list, evaluation_lines
from pi_classifier_training.evaluation.scoring import (
    Outcomes,
)

from tests.unit.pi_classifier_training.outcomes import outcomes_with, scores_of

# Six labels; the true one is best, second, third, fourth, fifth and last.
ROW = [0.3, 0.25, 0.2, 0.15, 0.07, 0.03]
SCORED = scores_of([ROW] * 6, range(6))


class TestFigures:
    def test_top_k_counts_those_among_the_k_best(self) -> None:
        merits = figures(SCORED)
        assert merits["n"] == 6
        assert [merits[f"top{k}"] for k in (1, 3, 5)] == pytest.approx([1 / 6, 3 / 6, 5 / 6])
        for k in (1, 3, 5):
            low, high = merits[f"top{k}_interval"]
            assert 0 < low < merits[f"top{k}"] < high < 1

    def test_cross_entropy_and_calibration(self) -> None:
        merits = figures(SCORED)
        assert merits["cross_entropy"] == pytest.approx(-sum(map(math.log, ROW)) / 6, rel=1e-5)
        # Six answers with a score of 0.3, one right.
        assert merits["calibration_error"] == pytest.approx(0.3 - 1 / 6, abs=1e-6)

    def test_of_a_single_model_nothing_is_deferred(self) -> None:
        assert "deferral_ratio" not in figures(SCORED)
        cascade = outcomes_with([0.9] * 4, [True] * 4, stages=[0, 1, 2, 0])
        assert figures(cascade)["deferral_ratio"] == 0.5
        assert figures(cascade)["latency_ms"] == 2.0


class TestLabelRecords:
    def test_a_matrix_row_is_a_true_label_and_a_column_a_given_one(self) -> None:
        outcomes = outcomes_with([0.9] * 4, [True, False, False, True], given=[0, 0, 1, 2])
        evaluation = label_evaluation(outcomes, ["a", "b", "c"])
        # Two photos of b and c were given a and b.
        assert evaluation["confusion"] == [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
        assert evaluation["per_label"]["a"] == {
            "n": 1,
            "precision": 0.5,
            "recall": 1.0,
            "f1": 2 / 3,
        }
        assert evaluation["per_label"]["b"] == {"n": 1, "precision": 0.0, "recall": 0.0, "f1": 0.0}

    def test_a_label_neither_shown_nor_given_is_left_out(self) -> None:
        outcomes = outcomes_with([0.9], [True], given=[1])
        assert list(label_evaluation(outcomes, ["a", "b", "c"])["per_label"]) == ["b"]

    @pytest.mark.parametrize("labels", [MATRIX_LABELS, MATRIX_LABELS + 1])
    def test_of_many_labels_only_what_happened_is_listed(self, labels: int) -> None:
        names = [f"label {i}" for i in range(labels)]
        outcomes = outcomes_with([0.9] * 3, [True, True, False], given=[4, 4, 7])
        confusion = label_evaluation(outcomes, names)["confusion"]
        if labels > MATRIX_LABELS:
            assert confusion == [["label 4", "label 4", 2], ["label 8", "label 7", 1]]
        else:
            assert (len(confusion), confusion[4][4], confusion[8][7]) == (labels, 2, 1)


class TestMistakes:
    def test_the_surest_come_first_and_equally_sure_ones_in_order(self) -> None:
        outcomes = outcomes_with([0.6, 0.9, 0.9, 0.8, 0.7], [False, False, False, True, False])
        worst = mistakes(outcomes, 3)
        assert [m.photo.name for m in worst] == ["1.jpg", "2.jpg", "4.jpg"]
        assert (worst[0].true, worst[0].given) == (1, 0)
        assert (worst[0].score, worst[0].true_score) == pytest.approx((0.9, 0.1))

    def test_there_may_be_fewer_than_asked_for(self) -> None:
        assert mistakes(outcomes_with([0.9], [True]), 5) == []


class TestCalibrationCurve:
    def test_every_tenth_of_the_score_has_its_share(self) -> None:
        outcomes = outcomes_with([0.91, 0.99, 0.55, 0.51, 0.53], [True, True, True, False, False])
        curve = calibration_curve(outcomes)
        assert [n for _, _, n in curve] == [3, 2]
        assert [score for score, _, _ in curve] == pytest.approx([0.53, 0.95])
        assert [right for _, right, _ in curve] == pytest.approx([1 / 3, 1.0])

    @given(
        st.lists(
            st.tuples(st.sampled_from([0.05, 0.1, 0.55, 0.95, 1.0]), st.booleans()),
            min_size=1,
            max_size=20,
        )
    )
    def test_its_gaps_add_up_to_the_calibration_error(
        self, photos: list[tuple[float, bool]]
    ) -> None:
        outcomes = outcomes_with([t for t, _ in photos], [r for _, r in photos])
        total = sum(n * abs(score - right) for score, right, n in calibration_curve(outcomes))
        assert figures(outcomes)["calibration_error"] == pytest.approx(
            total / len(photos), abs=1e-6
        )


def test_a_split_without_photos_is_said_with_their_number() -> None:
    photos = [Photo(Path(f"daisy/photo{i}.jpg"), "daisy") for i in range(40)]
    training, held = photos, Photo(Path("daisy/held.jpg"), "daisy", "test")
    assert chosen_split(training, "all") == training
    with pytest.raises(
        DatasetError, match=rf"none of the {len(training)} photos belongs to the t"
    ):
        chosen_split(training, "test")
    assert chosen_split([*photos, held], "test") == [held]


@pytest.mark.parametrize(("labels", "kept"), [(20, True), (21, False)])
def test_a_model_file_carries_no_times_and_no_long_lists(labels: int, kept: bool) -> None:
    names = [f"{i}" for i in range(labels)]
    record = {
        "model": "m", "split": "test", "n": 3, "top1": 0.9, "latency_ms": 4.0, "labels": names,
        "size_bytes": 9, "files": [], "per_label": {}, "confusion": [], "announced": {},
        "in_words": [],
    }  # fmt: skip
    carried = portable(record)
    assert {"split", "n", "top1"} <= set(carried)
    assert not {"model", "latency_ms", "labels", "size_bytes", "files"} & set(carried)
    assert not {"announced", "in_words"} & set(carried)
    assert ("per_label" in carried, "confusion" in carried) == (kept, kept)


def thousand(n: int = 300) -> tuple[Outcomes, list[str]]:
    """Answers among 1,000 labels: every third wrong, the surest mistakes first."""
    labels = [f"label {i}" for i in range(1000)]
    truth = np.arange(n, dtype=np.int64) * 3
    given_ = np.where(np.arange(n) % 3 == 0, truth + 1, truth)
    top = np.linspace(0.95, 0.05, n).astype(np.float32)
    zeros = np.zeros(n, np.int64)
    photos = tuple(Photo(Path(f"{i}.jpg"), labels[t]) for i, t in enumerate(truth))
    outcomes = Outcomes(photos, truth, given_, top, top, zeros, zeros, zeros + 1)
    return outcomes, labels


def test_a_thousand_labels_stay_readable() -> None:
    outcomes, labels = thousand()
    record = {
        "model": "m", "split": "all", "n": 300, "labels": labels, "size_bytes": 1, "unreadable": 0,
        "latency_ms": 1.0, "photos": {"words": "all 300 photos"},
        **label_evaluation(outcomes, labels),
    }  # fmt: skip
    for key in ("top1", "top3", "top5", "cross_entropy", "calibration_error"):
        record |= {key: 0.5, f"{key}_interval": [0.4, 0.6]}
    assert ["label 0", "label 1", 1] in record["confusion"]
    assert sum(count for _, _, count in confusion_list(record)) == 300
    lines = evaluation_lines(record)
    assert len(lines) < 40
    assert any("10 worst of 300 labels" in line for line in lines)


def test_the_worst_mistakes_come_first_and_the_curve_counts_all() -> None:
    outcomes, _ = thousand()
    worst = mistakes(outcomes, 4)
    assert [m.photo.name for m in worst] == ["0.jpg", "3.jpg", "6.jpg", "9.jpg"]
    assert (worst[1].true, worst[1].given) == (9, 10)
    curve = calibration_curve(outcomes)
    assert sum(count for _, _, count in curve) == 300
    assert curve == sorted(curve)
    assert all(share == pytest.approx(2 / 3, abs=0.05) for _, share, _ in curve)
