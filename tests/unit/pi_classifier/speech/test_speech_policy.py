"""When a label is not said: cooldown, quiet hours, a clock that is not set."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.speech.quiet_hours import QuietHours
from pi_classifier.speech.speech_policy import SpeechPolicy


class Clocks:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.minute = 12 * 60
        self.set = True

    def policy(self, cooldown_s: float = 0.0, quiet_hours: str = "") -> SpeechPolicy:
        return SpeechPolicy(
            cooldown_s,
            QuietHours(quiet_hours),
            clock=lambda: self.now_s,
            minute=lambda: self.minute,
            clock_set=lambda: self.set,
        )


@given(st.sampled_from([0.0, 1.0, 4.999, 5.0, 5.001, 1e6]))
def test_each_label_has_its_own_cooldown(later_s: float) -> None:
    clocks = Clocks()
    policy = clocks.policy(cooldown_s=5.0)
    assert policy.allows("daisy")
    policy.note_spoken("daisy")
    clocks.now_s += later_s
    assert policy.allows("daisy") == (later_s >= 5.0)
    assert policy.allows("rose")


def test_no_cooldown_is_none() -> None:
    policy = Clocks().policy()
    policy.note_spoken("daisy")
    assert policy.allows("daisy")


def test_nothing_is_said_in_quiet_hours() -> None:
    clocks = Clocks()
    policy = clocks.policy(quiet_hours="22:00-07:00")
    allowed = []
    for clocks.minute in (0, 419, 420, 1319, 1320):
        assert policy.is_quiet() != policy.allows("daisy")
        allowed.append(policy.allows("daisy"))
    assert allowed == [False, False, True, True, False]


def test_a_clock_that_is_not_set_silences_nobody_and_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clocks = Clocks()
    clocks.minute, clocks.set = 0, False
    policy = clocks.policy(quiet_hours="22:00-07:00")
    assert [policy.allows("daisy") for _ in range(3)] == [True] * 3
    (message,) = [record.getMessage() for record in caplog.records]
    assert "quiet hours are not kept until it is" in message
    clocks.set = True
    assert not policy.allows("daisy")
    clocks.set = False  # it was trusted once: time servers come and go
    assert not policy.allows("daisy")


def test_without_quiet_hours_the_clock_is_not_asked(caplog: pytest.LogCaptureFixture) -> None:
    clocks = Clocks()
    clocks.set = False
    assert clocks.policy().allows("daisy")
    assert not caplog.records
