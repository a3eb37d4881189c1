"""The report's sentences and choices, from the boundaries."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.evaluation.metrics import Accuracy, LabelFigures, wilson
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.reporting import words
from pi_classifier_training.reporting.figures import calibration, training_curves
from pi_classifier_training.reporting.model_files import PREFERRED, MeasuredFile, choose

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
    assert words.of_100(share) == said


def test_the_headline() -> None:
    said = words.accuracy_sentence(Accuracy(0.862, 0.82, 0.894), 334)
    assert said == (
        "Of 100 new photos about 86 are named rightly (between 82 and 89; measured on 334 photos "
        "kept aside)."
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


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [(1, "1 kB"), (319_660, "320 kB"), (999_499, "999 kB"), (1_000_000, "1.0 MB")],
)
def test_sizes(size_bytes: int, said: str) -> None:
    assert words.kilobytes(size_bytes) == said


def test_a_label_in_words() -> None:
    figures = LabelFigures(50, 0.89, 0.82, 0.85)
    assert words.label_words("roses", figures) == (
        "Of 100 photos of “roses” 82 are recognized; when the answer is “roses”, it is right 89 "
        "times in 100."
    )
    few = words.label_words("roses", LabelFigures(19, None, 0.0, None))
    assert few.endswith("“roses” was never the answer. Only 19 photos to judge by.")
    assert "nothing is known" in words.label_words("roses", LabelFigures(0, 0.0, None, None))


def test_scores_in_words() -> None:
    assert "taken at their word" in words.calibration_sentence(0.029, 0.9, 0.87)
    assert "promise too much, by 3 points" in words.calibration_sentence(0.03, 0.9, 0.87)
    assert "too modest, by 9 points" in words.calibration_sentence(0.09, 0.82, 0.91)


def model(kind: str, right: int, n: int = 1000) -> MeasuredFile:
    """A file that is right on `right` of `n` validation photos, and always wrong in testing."""
    nothing = np.zeros(0, np.int64)
    none = np.zeros(0, np.float32)
    outcomes = Outcomes((), nothing, nothing, none, none, nothing, nothing, nothing)
    path = Path(f"{kind}.tflite")
    return MeasuredFile(path, kind, LABELS, 1, 1, wilson(right, n), wilson(0, n), 1.0, outcomes)


@pytest.mark.parametrize(
    ("int8", "float32", "chosen"),
    [
        (900, 900, "int8"),
        (890, 900, "int8"),
        (889, 900, "float32"),
        (900, 100, "int8"),
        (0, 0, "int8"),
    ],
)
def test_the_fastest_file_is_copied_unless_it_loses_more_than_a_point(
    int8: int, float32: int, chosen: str
) -> None:
    assert choose([model("float32", float32), model("int8", int8)]).kind == chosen


def test_of_equal_files_the_order_of_kinds_decides() -> None:
    kinds = ["unheard-of", *reversed(PREFERRED)]
    assert choose([model(kind, 900) for kind in kinds]).kind == PREFERRED[0]
    assert choose([model("unheard-of", 900)]).kind == "unheard-of"


def test_equal_figures_give_equal_bytes() -> None:
    bins = [(0.35, 0.5, 4), (0.95, 0.9, 100)]
    assert calibration(bins) == calibration(bins)
    assert "var(--first)" in calibration(bins)


def test_training_curves_need_two_epochs_and_bear_missing_values() -> None:
    assert training_curves([]) is None
    assert training_curves([{"epoch": 0, "validation_accuracy": 0.5}]) is None
    rows: list[dict[str, Any]] = [
        {"epoch": 0, "validation_accuracy": 0.5},
        {"epoch": 1, "loss": float("nan"), "accuracy": 0.4},
        {"epoch": 2, "loss": 1.2, "accuracy": 0.6, "validation_accuracy": 0.7, "phase": "x"},
    ]
    drawing = training_curves(rows)
    assert drawing is not None
    assert "validation photos" in drawing
