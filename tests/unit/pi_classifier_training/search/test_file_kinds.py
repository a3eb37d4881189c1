"""8 bits, trained for it or not, or floats: the rule."""

from __future__ import annotations

import pytest
from pi_classifier_training.search.file_kinds import decided_kind

NO_TIME = "there was no time left to train it for them"


@pytest.mark.parametrize(
    ("int8", "qat", "floats", "kind", "why"),
    [
        (0.900, None, True, "int8", "8 bits lose nothing on the validation photos"),
        (0.910, None, True, "int8", "8 bits lose nothing on the validation photos"),
        (0.897, None, True, "int8", "8 bits lose 0.3 points on the validation photos"),
        (0.896, 0.899, True, "qat", "trained for it, they lose 0.1 points"),
        (0.896, 0.895, True, "int8", "trained for it, they lose 0.5 points"),
        (0.896, 0.896, True, "int8", "trained for it, they lose 0.4 points"),
        (0.896, None, True, "int8", NO_TIME),
        (0.890, None, True, "int8", NO_TIME),
        (0.889, None, True, "float32", f"{NO_TIME}. So it keeps floats"),
        (0.889, None, False, "int8", NO_TIME),
        (0.850, 0.889, True, "float32", "they lose 1.1 points on the validation photos. So it"),
        (0.850, 0.890, True, "qat", "they lose 1.0 points"),
        (0.850, 0.889, False, "qat", "they lose 1.1 points"),
    ],
)
def test_which_kind_is_delivered(
    int8: float, qat: float | None, floats: bool, kind: str, why: str
) -> None:
    right = {"float32": 0.9, "int8": int8} | ({} if qat is None else {"qat": qat})
    chosen, said = decided_kind(right, "" if qat is not None else NO_TIME, floats=floats)
    assert chosen == kind
    assert why in said
