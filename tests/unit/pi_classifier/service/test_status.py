from __future__ import annotations

from pi_classifier.service.counters import Counters
from pi_classifier.service.status import FrameRate, status_line
from pi_classifier.types import Decision

DAISY = Decision("daisy", 0.934, 7, 700, 0, "fast")


def test_the_status_says_what_is_seen() -> None:
    counters = Counters(frames=40, admitted=20)
    counters.answered.update({0: 15, 1: 5})
    line = status_line("", DAISY, counters, 9.96)
    assert line == "I see a daisy (0.93) · 10.0 frames/s · 75 % by the first stage"
    nothing = status_line("", None, Counters(), None)
    assert nothing == "I see nothing I know"


def test_the_status_says_what_is_waited_for_and_what_was_seen_last() -> None:
    line = status_line("Waiting for the camera: gone", DAISY, Counters(dropped=3), 10.0)
    assert line == ("Waiting for the camera: gone · last: I see a daisy (0.93) · 3 frames dropped")


def test_the_frame_rate_is_that_of_the_last_two_seconds() -> None:
    rate = FrameRate(100.0)
    assert rate.update(0, 100.5) is None
    assert rate.update(10, 101.0) == 10.0
    assert rate.update(60, 102.0) == 10.0
    assert rate.update(70, 103.0) == 30.0


def test_the_frame_rate_of_no_frames_says_nothing() -> None:
    assert FrameRate(0.0).update(0, 5.0) is None
