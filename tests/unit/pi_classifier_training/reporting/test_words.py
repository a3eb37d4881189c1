"""Figures in words a teacher understands, at the borders of each sentence."""

from __future__ import annotations

import os
import tempfile
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.evaluation.announcing import of_100
from pi_classifier_training.evaluation.metrics import Accuracy, LabelFigures
from pi_classifier_training.reporting import words
from pi_classifier_training.reporting.words import (
    FEW_PHOTOS,
    calibration_sentence,
    confused_pairs,
    confusion_sentence,
    copy_sentence,
    head_sentence,
    kilobytes,
    label_words,
    more_photos_sentence,
)


@given(st.integers(0, 200))
def test_of_100_is_never_all_or_none_unless_it_is(right: int) -> None:
    said = of_100(right / 200)
    assert (said == "100") == (right == 200)
    assert (said == "0") == (right == 0)
    assert said in ("more than 99", "less than 1") or abs(int(said) - right / 2) <= 0.5


LABEL = st.integers(0, 3)


class TestConfusedPairs:
    LABELS = ("a", "b", "c", "d")

    def test_equally_frequent_pairs_come_in_the_order_of_their_labels(self) -> None:
        cells = [(3, 2, 2), (0, 1, 2), (0, 0, 9)]
        assert [(p.first, p.second) for p in confused_pairs(cells, self.LABELS, 9)] == [
            ("a", "b"), ("d", "c"),
        ]  # fmt: skip

    def test_the_photos_of_a_pair_are_all_that_show_either(self) -> None:
        cells = [(0, 0, 9), (0, 1, 1), (1, 1, 5), (1, 2, 3), (2, 2, 4)]
        pairs = {(p.first, p.second): p.photos for p in confused_pairs(cells, self.LABELS, 9)}
        assert pairs == {("b", "c"): (5 + 3) + 4, ("a", "b"): (9 + 1) + (5 + 3)}

    @given(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 5)), max_size=8)
    )
    def test_no_pair_is_told_twice_and_the_commoner_way_first(
        self, cells: list[tuple[int, int, int]]
    ) -> None:
        pairs = confused_pairs(cells, self.LABELS, 99)
        assert len({frozenset((p.first, p.second)) for p in pairs}) == len(pairs)
        assert all(p.forward >= p.backward for p in pairs)
        assert sum(p.total for p in pairs) == sum(n for t, g, n in cells if t != g)

    @pytest.mark.parametrize(
        ("cells", "said"),
        [
            ([(0, 0, 9)], "No two labels were confused on the photos kept aside."),
            ([(0, 1, 1)], "1 photo of “a” was named “b” (of 1 photo of the two)."),
            (
                [(0, 1, 2), (1, 0, 1)],
                "2 photos of “a” were named “b”, 1 the other way round (of 3 photos of the two).",
            ),
        ],
    )
    def test_in_a_sentence(self, cells: list[tuple[int, int, int]], said: str) -> None:
        whole = confusion_sentence(confused_pairs(cells, self.LABELS, 1))
        assert whole.removeprefix("“a” and “b” are confused most: ") == said


class TestMorePhotos:
    def test_half_of_the_mistakes_gone(self) -> None:
        assert more_photos_sentence(0.8, 0.5, (0.4, 0.7)) == (
            "Twice the photos would give about 90 of 100 (between 86 and 92) instead of 80."
        )

    @pytest.mark.parametrize(("ratio", "helps"), [(0.94, True), (0.96, False), (1.0, False)])
    def test_less_than_half_a_photo_in_a_hundred_is_hardly_a_help(
        self, ratio: float, helps: bool
    ) -> None:
        # Of ten mistakes in 100, five percent are half of one.
        said = more_photos_sentence(0.9, ratio, (ratio - 0.01, ratio))
        assert said.startswith("Twice the photos") == helps
        assert ("would hardly help" in said) == (not helps)

    def test_of_a_head_only_mistakes_are_told(self) -> None:
        said = head_sentence(0.2, 0.75, (0.5, 0.9))
        assert "about 15.0 mistakes in 100 (between 10.0 and 18.0) instead of 20.0" in said


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "1 kB"),
        (499, "1 kB"),
        (1500, "2 kB"),
        (319_660, "320 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_000_000, "1.0 MB"),
        (1_250_001, "1.3 MB"),
    ],
)
def test_sizes(size: int, said: str) -> None:
    assert kilobytes(size) == said
    assert copy_sentence("int8.tflite", size) == f"Copy int8.tflite ({said}) to the Raspberry Pi."


class TestLabels:
    @pytest.mark.parametrize(("n", "few"), [(FEW_PHOTOS - 1, True), (FEW_PHOTOS, False)])
    def test_few_photos_are_little_to_judge_by(self, n: int, few: bool) -> None:
        said = label_words("daisy", LabelFigures(n, 0.9, 0.8, 0.85))
        assert (f"Only {n} photos to judge by." in said) == few
        assert said.startswith(
            "Of 100 photos of “daisy” 80 are recognized; when the answer is “daisy”, it is right "
            "90 times in 100."
        )

    def test_one_never_given_and_one_never_shown(self) -> None:
        assert "“daisy” was never the answer." in label_words(
            "daisy", LabelFigures(30, None, 0.0, 0.0)
        )
        assert label_words("daisy", LabelFigures(0, 0.5, None, None)) == (
            "No photo of it was kept aside, so nothing is known."
        )


@pytest.mark.parametrize(
    ("error", "mean_score", "right", "says"),
    [
        (0.029, 0.9, 0.7, "can be taken at their word"),
        (0.03, 0.9, 0.87, "promise too much, by 3 points"),
        (0.12, 0.7, 0.82, "too modest, by 12 points"),
    ],
)
def test_how_far_scores_can_be_trusted(
    error: float, mean_score: float, right: float, says: str
) -> None:
    assert says in calibration_sentence(error, mean_score, right)


# Made once and kept: with a new cache folder matplotlib would look at every font again.
os.environ.setdefault("MPLCONFIGDIR", f"{tempfile.gettempdir()}/pi-classifier-tests-matplotlib")


LABELS = ("daisy", "roses", "tulips")


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "0"),
        (0.001, "less than 1"),
        (0.0051, "1"),
        (0.5, "50"),
        (0.994, "99"),
        (0.995, "more than 99"),
        (0.9999, "more than 99"),
        (1.0, "100"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_none(share: float, said: str) -> None:
    assert of_100(share) == said


def test_the_headline() -> None:
    said = words.accuracy_sentence(Accuracy(0.862, 0.82, 0.894), 334)
    assert said == (
        "Of 100 new photos about 86 are named rightly (between 82 and 89; measured on 334 photos "
        "kept aside)."
    )
    assert "about 90 are named rightly" in words.accuracy_sentence(Accuracy(0.9, 0.6, 0.98), 10)
    assert words.accuracy_sentence(Accuracy(1.0, 0.342, 1.0), 2) == (
        "How good it is nobody can tell from 2 photos kept aside (100 of 100 right, perhaps 34, "
        "perhaps 100): take more photos."
    )


def test_pairs_are_counted_both_ways_and_the_commoner_way_comes_first() -> None:
    cells = [(0, 0, 9), (1, 1, 8), (2, 1, 5), (1, 2, 2), (0, 1, 3)]
    pairs = words.confused_pairs(cells, LABELS, 5)
    assert pairs == [
        words.Pair("tulips", "roses", 5, 2, 15),
        words.Pair("daisy", "roses", 3, 0, 22),
    ]
    assert words.confused_pairs(cells, LABELS, 1) == pairs[:1]
    assert words.confusion_sentence(pairs) == (
        "“tulips” and “roses” are confused most: 5 photos of “tulips” were named “roses”, 2 the "
        "other way round (of 15 photos of the two)."
    )
    assert "1 photo of “a” was named “b” (" in words.confusion_sentence(
        [words.Pair("a", "b", 1, 0, 9)]
    )
    assert words.confusion_sentence([]).startswith("No two labels were confused")


cell = st.tuples(st.integers(0, 2), st.integers(0, 2))


@given(st.dictionaries(cell, st.integers(1, 30)))
def test_every_mistake_is_in_exactly_one_pair(counts: dict[tuple[int, int], int]) -> None:
    cells = [(true, given_, n) for (true, given_), n in counts.items()]
    pairs = words.confused_pairs(cells, LABELS, 99)
    assert sum(p.total for p in pairs) == sum(n for t, g, n in cells if t != g)
    assert all(p.forward >= p.backward and p.first != p.second for p in pairs)
    assert [p.total for p in pairs] == sorted((p.total for p in pairs), reverse=True)


def test_twice_the_photos() -> None:
    assert words.more_photos_sentence(0.86, 0.8, (0.7, 0.9)) == (
        "Twice the photos would give about 89 of 100 (between 87 and 90) instead of 86."
    )
    assert words.more_photos_sentence(0.86, 0.99, (0.95, 1.0)) == (
        "More photos like these would hardly help: twice as many give 86.1 of 100 (between 86.0 "
        "and 86.7) instead of 86.0."
    )
    assert "about 8.0 mistakes in 100 (between 7.0 and 9.0) instead of 10.0" in (
        words.head_sentence(0.1, 0.8, (0.7, 0.9))
    )


def test_a_label_in_words() -> None:
    figures = LabelFigures(50, 0.89, 0.82, 0.85)
    assert words.label_words("roses", figures) == (
        "Of 100 photos of “roses” 82 are recognized; when the answer is “roses”, it is right 89 "
        "times in 100."
    )
    few = words.label_words("roses", LabelFigures(19, None, 0.0, None))
    assert few.endswith("“roses” was never the answer. Only 19 photos to judge by.")
    assert "nothing is known" in words.label_words("roses", LabelFigures(0, 0.0, None, None))


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        ({}, "They are as the network gives them: 'pi-classifier-train calibrate'"),
        ({"temperature": 1.0}, "They are as the network gives them"),
        ({"temperature": 0.9}, "They were calibrated; before, they were too modest"),
        (
            {"temperature": 0.7, "n": 334},
            "334 photos for validation; before, they were too",
        ),
        ({"temperature": 1.3, "n": 1}, "1 photo for validation; before, they were surer than"),
        ({"temperature": 1.001, "n": 60}, "60 photos for validation, and needed no change."),
    ],
)
def test_what_was_done_for_the_scores(calibration: dict[str, float], said: str) -> None:
    sentence = words.calibrated_sentence(calibration)
    assert sentence.removeprefix("They were calibrated on ").startswith(said)


class TestHowTrainingWent:
    HEAD: ClassVar[dict[str, Any]] = {"phase": "head", "validation_accuracy": 0.855, "kept": True}
    TUNED: ClassVar[list[dict[str, Any]]] = [
        {"phase": "fine-tuning", "validation_accuracy": accuracy}
        for accuracy in (0.84, 0.88, 0.87)
    ]

    def test_a_head_alone(self) -> None:
        assert list(words.course_sentences([self.HEAD])) == [
            "A new last layer behind the published network: 85.5 of 100 validation photos right."
        ]
        assert list(words.course_sentences([])) == []

    def test_fine_tuning_that_was_worth_it(self) -> None:
        tuned = [self.TUNED[0], self.TUNED[1] | {"kept": True}, self.TUNED[2]]
        head = {key: value for key, value in self.HEAD.items() if key != "kept"}
        said = list(words.course_sentences([head, *tuned]))
        assert said[1:] == [
            "Then the whole network, fine-tuned for 3 epochs: 88.0 of 100 validation photos right."
        ]

    def test_fine_tuning_that_was_taken_back(self) -> None:
        said = list(words.course_sentences([self.HEAD, self.TUNED[0]]))
        assert said[1].startswith("Then the whole network, fine-tuned for 1 epoch: 84.0 of 100")
        assert said[2].startswith("That was no better, so the network was kept as it was before.")
        assert len(said) == 3

    def test_a_run_of_an_earlier_version_tells_what_it_can(self) -> None:
        assert list(words.course_sentences([{"epoch": 1}, {"validation_accuracy": 0.5}])) == [
            "Training for 2 epochs: 50.0 of 100 validation photos right."
        ]
