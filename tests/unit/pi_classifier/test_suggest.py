from __future__ import annotations

import pytest

from pi_classifier.suggest import suggestion

KNOWN = ("camera", "decision", "Speech")


@pytest.mark.parametrize(
    ("word", "meant"), [("camra", "camera"), ("CAMERA", "camera"), ("speach", "Speech")]
)
def test_a_close_name_is_proposed(word: str, meant: str) -> None:
    assert suggestion(word, KNOWN) == f" Did you mean '{meant}'?"


@pytest.mark.parametrize("word", ["", "x", "zebra"])
def test_a_far_name_is_not(word: str) -> None:
    assert suggestion(word, KNOWN) == ""


def test_nothing_known_proposes_nothing() -> None:
    assert suggestion("camera", ()) == ""
