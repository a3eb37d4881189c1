"""Decisions as lines of JSON."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.sinks.json_line import decision_fields, decision_line, json_line
from pi_classifier.types import Decision, Detection


def test_exact_bytes() -> None:
    decision = Decision("daisy", 0.93127, 12, 400_000_000, 1, "accurate", latency_ns=5)
    assert json_line(decision_fields(decision)) == (
        b'{"label": "daisy", "score": 0.9313, "sequence": 12, '
        b'"timestamp_ns": 400000000, "stage": 1, "model": "accurate"}\n'
    )


def test_a_line_says_when_how_long_and_of_which_picture() -> None:
    decision = Decision(
        "daisy", 0.93127, 12, 4, 1, "m", latency_ns=1_500_000, picture="a/\x9b.jpg"
    )
    line = json.loads(decision_line(decision, 1_714_555_800_250_000_999))
    assert line == decision_fields(decision) | {
        "time": "2024-05-01T09:30:00.250000Z",
        "latency_ms": 1.5,
        "picture": "a/\x9b.jpg",
    }
    assert "picture" not in json.loads(decision_line(Decision("x", 1, 1, 2, 0, "m"), 0))


def test_what_was_seen_where_comes_last() -> None:
    seen = (
        Detection("daisy", 0.93127, (0.1, 0.2, 0.25, 1 / 3)),
        Detection("roses", 0.8, (0,) * 4),
    )
    fields = decision_fields(Decision("daisy", 0.93127, 1, 2, 0, "m", detections=seen))
    assert list(fields)[-1] == "detections"
    assert fields["detections"] == [
        {"label": "daisy", "score": 0.9313, "box": [0.1, 0.2, 0.25, 0.3333]},
        {"label": "roses", "score": 0.8, "box": [0, 0, 0, 0]},
    ]


def test_nothing_is_null_and_names_stay_readable() -> None:
    nothing = decision_fields(Decision(None, 0.2, 1, 2, 0, "m"))
    assert nothing["label"] is None
    line = json_line(decision_fields(Decision("Gänseblümchen", 1.0, 1, 2, 0, "m")))
    assert "Gänseblümchen".encode() in line


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_json_does_not_know_become_null(score: float) -> None:
    assert decision_fields(Decision("x", score, 1, 2, 0, "m"))["score"] is None


@given(st.text(), st.floats(0, 1))
def test_any_label_gives_one_parsable_line(label: str, score: float) -> None:
    line = json_line(decision_fields(Decision(label, score, 0, 0, 0, "m")))
    assert line.count(b"\n") == 1
    assert json.loads(line)["label"] == label


def test_a_label_that_is_no_text_still_gives_a_line() -> None:
    assert json_line({"label": "\udc80"}) == b'{"label": "\\udc80"}\n'


def test_a_camera_with_a_name_is_told_first() -> None:
    decision = Decision("daisy", 0.93, 12, 4, 1, "m", camera="bird feeder")
    assert json_line(decision_fields(decision)).startswith(b'{"camera": "bird feeder", "label": ')
