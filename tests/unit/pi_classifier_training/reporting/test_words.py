"""Figures in words a teacher understands, at the borders of each sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.evaluation.metrics import LabelFigures
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
    of_100,
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
        found = confused_pairs(cells, self.LABELS, 99)
        assert len({frozenset((p.first, p.second)) for p in found}) == len(found)
        assert all(p.forward >= p.backward for p in found)
        assert sum(p.total for p in found) == sum(n for t, g, n in cells if t != g)

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
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
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
