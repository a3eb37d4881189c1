"""When a label is not said: cooldown, quiet hours, a clock that is not set."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.speech.quiet_hours import QuietHours
from pi_classifier.speech.speech_policy import Manners


class Clocks:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.minute = 12 * 60
        self.set = True

    def manners(self, cooldown_s: float = 0.0, quiet_hours: str = "") -> Manners:
        return Manners(
            cooldown_s,
            QuietHours(quiet_hours),
            clock=lambda: self.now_s,
            minute=lambda: self.minute,
            clock_set=lambda: self.set,
        )


@given(st.sampled_from([0.0, 1.0, 4.999, 5.0, 5.001, 1e6]))
def test_each_label_has_its_own_cooldown(later_s: float) -> None:
    clocks = Clocks()
    manners = clocks.manners(cooldown_s=5.0)
    assert manners.may_say("daisy")
    manners.said("daisy")
    clocks.now_s += later_s
    assert manners.may_say("daisy") == (later_s >= 5.0)
    assert manners.may_say("rose")


def test_no_cooldown_is_none() -> None:
    manners = Clocks().manners()
    manners.said("daisy")
    assert manners.may_say("daisy")


def test_nothing_is_said_in_quiet_hours() -> None:
    clocks = Clocks()
    manners = clocks.manners(quiet_hours="22:00-07:00")
    said = []
    for clocks.minute in (0, 419, 420, 1319, 1320):
        assert manners.quiet() != manners.may_say("daisy")
        said.append(manners.may_say("daisy"))
    assert said == [False, False, True, True, False]


def test_a_clock_that_is_not_set_silences_nobody_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clocks = Clocks()
    clocks.minute, clocks.set = 0, False
    manners = clocks.manners(quiet_hours="22:00-07:00")
    assert [manners.may_say("daisy") for _ in range(3)] == [True] * 3
    (message,) = [record.getMessage() for record in caplog.records]
    assert "quiet hours are not kept until it is" in message
    clocks.set = True
    assert not manners.may_say("daisy")
    clocks.set = False  # it was believed once: time servers come and go
    assert not manners.may_say("daisy")


def test_without_quiet_hours_the_clock_is_not_asked(caplog: pytest.LogCaptureFixture) -> None:
    clocks = Clocks()
    clocks.set = False
    assert clocks.manners().may_say("daisy")
    assert not caplog.records
