"""Failures: said once, counted, tried again ever less often."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.errors import SinkError
from pi_classifier.sinks.retry import Retry


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_waits_double_up_to_the_longest() -> None:
    clock = Clock()
    retry = Retry("x", first_wait_s=1, longest_wait_s=5, clock=clock)
    waits = []
    for _ in range(5):
        assert retry.wait_s() == 0
        retry.failed(SinkError("no"))
        waits.append(retry.wait_s())
        clock.now_s += waits[-1]
    assert waits == [1, 2, 4, 5, 5]
    assert retry.failures == 5


@given(st.sampled_from([0.0, 0.5, 0.999, 1.0, 1.001, 2.0]))
def test_due_exactly_when_the_wait_is_over(elapsed_s: float) -> None:
    clock = Clock()
    retry = Retry("x", first_wait_s=1, clock=clock)
    retry.failed(SinkError("no"))
    clock.now_s = elapsed_s
    assert (retry.wait_s() == 0) == (elapsed_s >= 1)


def test_success_starts_a_new_outage(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    retry = Retry("disk", first_wait_s=1, clock=clock)
    for _ in range(3):
        retry.failed(SinkError("full"))
    retry.succeeded()
    retry.succeeded()
    assert retry.wait_s() == 0
    retry.failed(SinkError("full again"))
    assert retry.wait_s() == 1
    assert [record.getMessage() for record in caplog.records] == [
        "disk: full",
        "disk: works again after 3 failures",
        "disk: full again",
    ]


def test_an_outage_may_last_for_years() -> None:
    retry = Retry("x", clock=Clock())
    for _ in range(2000):
        retry.failed(SinkError("no"))
    assert retry.wait_s() == 300
