"""Decisions in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import pytest

from pi_classifier.errors import SinkError
from pi_classifier.logs.events import Event
from pi_classifier.sinks import log
from pi_classifier.sinks.log import LogSettings, LogSink, fields, message
from pi_classifier.types import Box, Decision, Detection

LONG_S = 10.0
DAISY = Decision("daisy", 0.93127, 12, 400, 1, "accurate", latency_ns=2_345_678)
NOTHING = Decision(None, 0.2, 13, 500, 0, "fast")


def test_a_person_reads_a_sentence() -> None:
    assert message(DAISY) == "I see a daisy (0.93)"
    assert message(Decision("roses", 1.0, 0, 0, 0, "m")) == "I see roses (1.00)"
    assert message(NOTHING) == "I see nothing I know"


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((0.0, 0.0, 0.2, 0.2), "at the upper left"),
        ((0.8, 0.8, 0.2, 0.2), "at the lower right"),
        ((0.4, 0.0, 0.2, 0.2), "in the upper part"),
        ((0.0, 0.4, 0.2, 0.2), "at the left"),
        ((0.4, 0.4, 0.2, 0.2), "in the middle"),
    ],
)
def test_it_says_where_in_the_frame(box: Box, words: str) -> None:
    elsewhere = Detection("roses", 1.0, (0.9, 0.9, 0.1, 0.1))
    seen = replace(DAISY, detections=(elsewhere, Detection("daisy", 0.93, box)))
    assert message(seen) == f"I see a daisy (0.93) {words}"
    assert fields(seen, {})["BOX"] == " ".join(f"{side:.4f}" for side in box)
    assert "BOX" not in fields(replace(seen, label=None), {})


def test_all_fields() -> None:
    assert fields(DAISY, {"accurate": "ab12"}) == {
        "LABEL": "daisy",
        "SCORE": "0.9313",
        "STAGE": "1",
        "MODEL": "accurate",
        "MODEL_SHA256": "ab12",
        "LATENCY_MS": "2.346",
        "FRAME": "12",
    }


def test_what_is_not_known_is_left_out() -> None:
    found = fields(NOTHING, {"accurate": "ab12"})
    assert found["LABEL"] == ""
    assert "MODEL_SHA256" not in found
    assert "LATENCY_MS" not in found


@pytest.mark.parametrize(
    ("destination", "expected"),
    [("auto", fields(DAISY, {"accurate": "ab12"})), ("stderr", {})],
)
def test_with_the_rest_of_the_log(
    caplog: pytest.LogCaptureFixture, destination: str, expected: Mapping[str, str]
) -> None:
    caplog.set_level(logging.INFO)
    sink = LogSink(LogSettings(destination=destination), model_sha256={"accurate": "ab12"})
    sink.emit(DAISY)
    sink.close(LONG_S)
    [record] = caplog.records
    assert record.getMessage() == "I see a daisy (0.93)"
    assert vars(record)["event"] is Event.DECISION
    assert vars(record)["fields"] == expected


@pytest.mark.parametrize("under", [False, True])
def test_the_journal_by_name(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, under: bool
) -> None:
    """From a terminal straight to the journal; in a service with the rest of the log."""
    caplog.set_level(logging.INFO)
    sent: list[tuple[str, Mapping[str, str]]] = []
    monkeypatch.setattr(log, "under_journal", lambda: under)
    monkeypatch.setattr(log, "journal_sender", lambda: lambda *each: sent.append(each))
    sink = LogSink(LogSettings(destination="journal"))
    sink.emit(DAISY)
    sink.close(LONG_S)
    kind = {"MESSAGE_ID": Event.DECISION.value}
    direct = [("I see a daisy (0.93)", kind | fields(DAISY, {}))]
    assert sent == ([] if under else direct)
    assert len(caplog.records) == under


def test_a_journal_asked_for_by_name_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise SinkError("no journal: not here")

    monkeypatch.setattr(log, "journal_sender", missing)
    LogSink(LogSettings()).close(LONG_S)
    with pytest.raises(SinkError, match="not here"):
        LogSink(LogSettings(destination="journal"))


def test_quiet_levels_log_no_decisions(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    sent: list[str] = []
    monkeypatch.setattr(log, "journal_sender", lambda: lambda text, _: sent.append(text))
    for destination in ("auto", "journal"):
        sink = LogSink(LogSettings(destination=destination))
        sink.emit(DAISY)
        sink.close(LONG_S)
    assert sent == []
    assert not caplog.records


def test_a_camera_with_a_name_is_told() -> None:
    decision = Decision("daisy", 0.93, 12, 4, 1, "m", camera="garden")
    assert message(decision) == "garden: I see a daisy (0.93)"
    assert message(replace(decision, label=None)) == "garden: I see nothing I know"
    assert fields(decision, {})["CAMERA"] == "garden"
