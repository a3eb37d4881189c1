"""Photos through classifiers: what is kept of their answers, and in what order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.data.dataset import Photo, scan
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.evaluation import scoring
from pi_classifier_training.evaluation.scoring import (
    Outcomes,
    classify_photos,
    concatenated,
    outcomes_of,
    score_photos,
    score_together,
)
from PIL import Image

from pi_classifier.types import Category, Frame, Prediction
from tests.unit.pi_classifier_training.outcomes import scores_of

LABELS = ("blue", "green", "red")


class ByColor:
    """A classifier that knows its colors: each label's score is its share of the light."""

    name = "by-color"

    def __init__(self, labels: tuple[str, ...] = LABELS, stage: int = 0) -> None:
        self.labels, self.stage = labels, stage
        self.shown: list[int] = []

    def classify(self, frame: Frame) -> Prediction:
        self.shown.append(frame.sequence)
        light = dict(zip(("red", "green", "blue"), frame.pixels[0, 0].tolist(), strict=True))
        total = sum(light.values())
        scores = [(light[label] / total, i, label) for i, label in enumerate(self.labels)]
        # As the daemon's classifiers do: sorted, best first.
        categories = tuple(Category(i, label, s) for s, i, label in sorted(scores, reverse=True))
        return Prediction(categories, self.name, self.stage, 1000 + frame.sequence)

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    colors = {"red": (200, 40, 16), "green": (64, 128, 64), "blue": (90, 0, 166)}
    for label, color in colors.items():
        (tmp_path / label).mkdir()
        for i in range(3):
            Image.new("RGB", (8, 8), color).save(tmp_path / label / f"{label}{i}.png")
    return scan([tmp_path])


def test_scores_stand_in_the_order_of_the_labels(photos: list[Photo]) -> None:
    scores = score_photos(ByColor(), photos)
    assert scores.scores.dtype == np.float32
    assert scores.truth.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert scores.scores[0] == pytest.approx(np.array([166, 0, 90]) / 256)
    assert scores.scores[8] == pytest.approx(np.array([16, 40, 200]) / 256)
    assert scores.latencies_ns.tolist() == list(range(1000, 1009))


def test_each_model_has_its_own_order_of_labels(photos: list[Photo]) -> None:
    one, other = ByColor(), ByColor(("red", "blue", "green"), stage=1)
    first, second = score_together([one, other], photos)
    assert second.truth.tolist() == [1, 1, 1, 2, 2, 2, 0, 0, 0]
    assert (second.scores[:, [1, 2, 0]] == first.scores).all()
    assert first.stages.tolist() == [0] * 9
    assert second.stages.tolist() == [1] * 9


def test_unreadable_photos_are_listed_and_leave_no_gap(photos: list[Photo]) -> None:
    photos[4].path.write_text("no photo")
    classifier = ByColor()
    scores = score_photos(classifier, photos)
    assert scores.photos == (*photos[:4], *photos[5:])
    assert len(scores.unreadable) == 1
    assert photos[4].name in scores.unreadable[0]
    assert classifier.shown == list(range(8))
    assert scores.truth.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]


def test_no_readable_photo_and_an_unknown_label_are_refused(photos: list[Photo]) -> None:
    with pytest.raises(DatasetError, match=r"the label 'blue', which by-color does not know"):
        score_photos(ByColor(("red", "green")), photos)
    photos[0].path.write_text("no photo")
    with pytest.raises(DatasetError, match="none of the photos could be read"):
        score_photos(ByColor(), photos[:1])
    with pytest.raises(DatasetError, match="none of the photos could be read"):
        classify_photos([ByColor()], photos[:1])


@pytest.mark.parametrize("block", [1, 2, 4, 9, 10])
def test_blocks_change_nothing(
    block: int, photos: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = outcomes_of(score_photos(ByColor(), photos))
    monkeypatch.setattr(scoring, "BLOCK", block)
    ended: list[bool] = []

    def progress(all_of: Sequence[Photo]) -> Iterable[Photo]:
        yield from all_of
        ended.append(True)

    one, other = classify_photos([ByColor(), ByColor()], photos, progress)
    assert ended == [True]
    for found in (one, other):
        assert found.photos == expected.photos
        for name in ("truth", "given", "top", "own", "rank", "stages"):
            assert getattr(found, name).tolist() == getattr(expected, name).tolist(), name


SCORE = st.sampled_from([0.0, 0.2, 0.5, 0.5, 1.0])


def _rows() -> st.SearchStrategy[list[tuple[list[float], int]]]:
    photo = st.tuples(st.lists(SCORE, min_size=3, max_size=3), st.integers(0, 2))
    return st.lists(photo, min_size=1, max_size=6)


class TestAnswers:
    @given(_rows())
    def test_keep_what_the_figures_need(self, photos: list[tuple[list[float], int]]) -> None:
        scored = scores_of([row for row, _ in photos], [truth for _, truth in photos])
        reduced = outcomes_of(scored)
        for i, (row, truth) in enumerate(photos):
            best = row.index(max(row))
            assert reduced.given[i] == best
            assert reduced.top[i] == np.float32(row[best])
            assert reduced.own[i] == np.float32(row[truth])
            assert reduced.right[i] == (best == truth) == (reduced.rank[i] == 0)
        assert outcomes_of(reduced) is reduced

    @given(_rows(), st.data())
    def test_of_parts_joined_are_those_of_the_whole(
        self, photos: list[tuple[list[float], int]], data: st.DataObject
    ) -> None:
        whole = outcomes_of(scores_of([r for r, _ in photos], [t for _, t in photos]))
        at = data.draw(st.integers(1, len(photos)))
        parts = [
            outcomes_of(scores_of([r for r, _ in part], [t for _, t in part]))
            for part in _cut(photos, at)
        ]
        again = concatenated(parts)
        for name in Outcomes.__slots__:
            if name not in ("photos", "unreadable", "unknown"):
                assert getattr(again, name).tolist() == getattr(whole, name).tolist(), name
        assert len(again.photos) == len(whole.photos)

    def test_unknown_photos_stay_unknown_when_parts_are_joined(self) -> None:
        known = outcomes_of(scores_of([[1.0, 0.0]] * 2, [0, 0]))
        unknown = replace(known, unknown=np.array([False, True]))
        joined = concatenated([known, unknown]).unknown
        assert joined is not None
        assert joined.tolist() == [False, False, False, True]
        assert concatenated([known, known]).unknown is None


def _cut(
    photos: list[tuple[list[float], int]], at: int
) -> Iterator[list[tuple[list[float], int]]]:
    for start in range(0, len(photos), at):
        yield photos[start : start + at]


def test_outcomes_of_two_parts_are_those_of_all() -> None:
    rows, truth = [[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]], [0, 0, 1]
    whole = outcomes_of(scores_of(rows, truth))
    parts = concatenated(
        [outcomes_of(scores_of(rows[:1], truth[:1])), outcomes_of(scores_of(rows[1:], truth[1:]))]
    )
    for name in ("truth", "given", "top", "own", "rank", "stages", "latencies_ns"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name
    assert len(parts.photos) == 3
