"""What counts as announced of photos of nothing, and how sure its share is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.evaluation.false_announcements import (
    Answers,
    area,
    ask,
    brief,
    false_announcements,
    share_interval,
)
from pi_classifier_training.evaluation.report_text import unknown_lines
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.evaluation.unknown_photos import Unknowns
from PIL import Image

from pi_classifier.types import Category, Frame, Prediction

SCORES = st.lists(st.integers(0, 8).map(lambda x: x / 8), min_size=1, max_size=12)


class Known:
    """A classifier of which only the name and the labels are asked."""

    name = "colors"
    labels = ("blue", "red")

    def classify(self, frame: Frame) -> Prediction:
        raise AssertionError

    def close(self) -> None:
        pass


class Unsure(Known):
    """Finds every frame unlike its labels."""

    def classify(self, frame: Frame) -> Prediction:
        return Prediction((Category(0, "blue", 0.9),), self.name, 0, 0, unknown=True)


def outcomes(given: list[int], tops: list[float]) -> Outcomes:
    """Photos that all show the first label."""
    zeros = np.zeros(len(given), np.int64)
    photos = tuple(Photo(Path(f"blue/{i}.jpg"), "blue") for i in range(len(given)))
    top = np.array(tops, np.float32)
    return Outcomes(photos, zeros, np.array(given), top, top, zeros, zeros, zeros)


@pytest.fixture
def record() -> dict[str, object]:
    photos = tuple(Photo(Path(f"other/{i // 2}/{i}.jpg"), "background") for i in range(6))
    unknowns = Unknowns(photos, np.array([0, 0, 1, 1, 2, 2]), ("other",), held_out=True)
    scores = np.array([0.9, 0.8, 0.75, 0.2, 0, 0], np.float64)
    answers = Answers(photos, np.array([1, 1, 0, 0, 0, 0]), scores)
    known = outcomes([0, 0, 0, 1], [0.95, 0.75, 0.3, 0.8])
    return false_announcements(Known(), unknowns, answers, known, 0.75)


def test_shares_are_those_at_the_threshold(record: dict[str, object]) -> None:
    assert (record["n"], record["count"], record["share"]) == (6, 3, 0.5)
    assert record["labels"] == {"red": 2, "blue": 1}
    assert record["sources"] == 3
    known = record["known"]
    assert isinstance(known, dict)
    assert (known["n"], known["announced"], known["mistaken"]) == (4, 0.5, 0.25)
    curve = record["curve"]
    assert isinstance(curve, list)
    (point,) = [point for point in curve if point["threshold"] == 0.75]
    assert (point["announced"], point["mistaken"], point["false"]) == (0.5, 0.25, 0.5)


def test_what_is_never_announced_is_not_from_a_score_of_0_on_either(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    photos = (Photo(tmp_path / "0.png", "background"),)
    (answers,) = ask([Unsure()], photos)
    unknowns = Unknowns(photos, np.zeros(1, np.int64), ("other",), held_out=True)
    known = replace(outcomes([0, 0, 0, 1], [0.9] * 4), unknown=np.array([True, *[False] * 3]))
    told = false_announcements(Unsure(), unknowns, answers, known, 0.0)
    assert (told["n"], told["count"], told["worst"]) == (1, 0, [])
    assert (told["known"]["announced"], told["known"]["mistaken"]) == (0.5, 0.25)


def test_the_worst_are_those_it_is_surest_of(record: dict[str, object]) -> None:
    worst = record["worst"]
    assert isinstance(worst, list)
    assert [(w["photo"], w["label"]) for w in worst] == [
        ("other/0/0.jpg", "red"),
        ("other/0/1.jpg", "red"),
        ("other/1/2.jpg", "blue"),
    ]


def test_what_goes_into_a_model_file_names_no_photo(record: dict[str, object]) -> None:
    assert "0.jpg" not in str(brief(record))
    assert brief(record)["share"] == 0.5


def test_the_lines_say_that_a_frame_is_not_yet_an_announcement(record: dict[str, object]) -> None:
    text = "\n".join(unknown_lines(record))
    assert "6 photos of nothing from 3 places in other, of places that it was not" in text
    assert "announced      50.0%" in text
    assert "0.90 red: other/0/0.jpg" in text
    assert "decision.patience" in text


def test_photos_of_one_place_say_less_than_as_many_of_several() -> None:
    told = np.repeat([True, False, False, False], 25)
    alike, apart = np.repeat(np.arange(4), 25), np.arange(100)
    low, high = share_interval(told, alike)
    assert low < share_interval(told, apart)[0]
    assert high > share_interval(told, apart)[1]


def test_none_of_a_few_is_no_proof_of_none() -> None:
    assert share_interval(np.zeros(20, bool), np.repeat(np.arange(4), 5))[1] > 0.1


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_pairs_in_order(known: list[float], unknown: list[float]) -> None:
    pairs = [(k > u) + 0.5 * (k == u) for k in known for u in unknown]
    assert area(np.array(known), np.array(unknown)) == pytest.approx(np.mean(pairs))
