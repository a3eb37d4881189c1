"""Faults as they are written on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras.faults import FAULTS, Fault, parse_faults
from pi_classifier.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected kind@frame"),
        ("stall", "expected kind@frame"),
        ("stall@", "expected kind@frame"),
        ("stall@-1", "expected kind@frame"),
        ("stall@4:x", "expected kind@frame"),
        ("stall@٤", "expected kind@frame"),
        ("stal@4", "Did you mean 'stall'"),
        ("stall@4:2", "takes no count"),
        ("drop@4:0", "1 or more"),
    ],
)
def test_senseless_faults_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_faults(("dark@1", text))


def test_faults_are_read() -> None:
    assert parse_faults(("stall@40", " drop@4:5 ", "dark@0")) == (
        Fault("stall", 40),
        Fault("drop", 4, 5),
        Fault("dark", 0, 1),
    )


def test_the_examples_of_every_fault_are_themselves_valid() -> None:
    examples = [text.split(": ")[0] for text in FAULTS.values()]
    assert [fault.kind for fault in parse_faults(examples)] == list(FAULTS)


@given(st.sampled_from([-1, 0, 1]), st.integers(1, 5), st.integers(0, 5))
def test_a_fault_covers_its_frames_and_no_other(step: int, count: int, at: int) -> None:
    fault = Fault("dark", at, count)
    assert fault.covers(at + step) == (step >= 0 and step < count)
    assert fault.covers(at + count - 1 + step) == (step <= 0 and count - 1 + step >= 0)
