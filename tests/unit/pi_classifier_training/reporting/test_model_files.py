"""Which of a run's files to copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.evaluation.metrics import Accuracy, wilson
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.reporting import model_files
from pi_classifier_training.reporting.model_files import PREFERRED, MeasuredFile, choose

from tests.unit.pi_classifier_training.outcomes import outcomes_with


def model(kind: str, right: int, n: int = 1000) -> MeasuredFile:
    """A file that is right on `right` of `n` validation photos, and always wrong in testing."""
    nothing = np.zeros(0, np.int64)
    none = np.zeros(0, np.float32)
    outcomes = Outcomes((), nothing, nothing, none, none, nothing, nothing, nothing)
    path = Path(f"{kind}.tflite")
    return MeasuredFile(
        path, kind, ("daisy",), 1, 1, wilson(right, n), wilson(0, n), 1.0, outcomes
    )


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


class TestChoosingAFile:
    def file(self, kind: str, right: int | None) -> MeasuredFile:
        validation = None if right is None else wilson(right, 100)
        return MeasuredFile(
            Path(f"{kind}.tflite"), kind, ("a",), 1, 1, validation, Accuracy(0.5, 0.4, 0.6), 1.0,
            outcomes_with([0.9], [True]),
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("right", "kind"),
        [
            ({"int8": 90, "float32": 90}, "int8"),
            ({"int8": 89, "float32": 90}, "int8"),  # a point is worth the speed
            ({"int8": 88, "float32": 90}, "float32"),
            ({"int8": 88, "dynamic": 89, "float32": 90}, "dynamic"),
            ({"int8": 90, "qat": 90, "float32": 90}, "qat"),
            ({"odd": 91, "float32": 91}, "float32"),  # kinds not known come last
            ({"odd": 95, "float32": 91}, "odd"),
            # Without validation photos nothing is known of any: the fastest.
            ({"int8": None, "float32": None}, "int8"),
        ],
    )
    def test_the_fastest_that_loses_at_most_a_point(
        self, right: dict[str, int | None], kind: str
    ) -> None:
        files = [self.file(k, n) for k, n in right.items()]
        assert choose(files).kind == kind
        assert choose(files[::-1]).kind == kind

    def test_every_kind_has_its_place(self) -> None:
        assert len(set(PREFERRED)) == len(PREFERRED)


@pytest.mark.parametrize("count", [2, 3, 4, 40])
def test_of_very_many_photos_some_are_drawn_from_all_over(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_files, "MOST_MEASURED", 3)
    photos = [Photo(Path(f"daisy/{i}.jpg"), "daisy", "test") for i in range(count)]
    drawn = model_files._of([*photos, Photo(Path("daisy/x.jpg"), "daisy", "validation")], "test")
    assert len(drawn) == min(3, count)
    places = [photos.index(photo) for photo in drawn]
    assert places == sorted(places)
    assert count <= 3 or places != [0, 1, 2]
    assert drawn == model_files._of(photos, "test")
