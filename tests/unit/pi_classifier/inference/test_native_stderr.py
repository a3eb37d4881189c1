from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from pi_classifier.inference.native_stderr import captured_stderr

DESCRIPTORS = Path("/proc/self/fd")


def test_native_lines_are_caught_and_others_passed_on(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), captured_stderr() as native:
        os.write(2, b"INFO: [environment.cc:36] Creating\n")
        os.write(2, "ERROR: [x.cc:1] it broke\n└ because of this\n".encode())
        os.write(2, b"I0000 00:00:1763800000.1  12 file.cc:3] abseil\n")
        print("a line of another thread", file=sys.stderr)
    captured = capfd.readouterr().err
    assert captured == "a line of another thread\n"
    assert len(native.lines) == 4
    assert "Creating" in caplog.text
    assert native.errors == "[x.cc:1] it broke; └ because of this"


def test_stderr_works_again_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with captured_stderr():
            os.write(2, b"INFO: noise\n")
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_no_descriptor_is_lost() -> None:
    before = len(list(DESCRIPTORS.iterdir()))
    for _ in range(5):
        with captured_stderr() as native:
            os.write(2, b"INFO: noise\n")
        assert native.lines == ["INFO: noise"]
    assert len(list(DESCRIPTORS.iterdir())) == before
