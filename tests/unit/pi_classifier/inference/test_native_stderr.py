from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pi_classifier.inference.native_stderr import captured_stderr

ROOT = Path(__file__).parents[4]
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


@pytest.mark.parametrize("end", ["os.abort()", "os.kill(os.getpid(), 9)", "os._exit(3)"])
def test_what_was_caught_is_written_where_the_process_ends(end: str) -> None:
    program = (
        "import os\n"
        "from pi_classifier.inference.native_stderr import captured_stderr\n"
        "from pi_classifier.system.stdio import crash_report\n"
        "crash_report()\n"
        "with captured_stderr(watched=True):\n"
        "    os.write(2, b'INFO: loading\\nlast words\\n')\n"
        f"    {end}\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode in (-6, -9, 3)
    assert "INFO: loading\nlast words\n" in ended.stderr
    assert ("Fatal Python error: Aborted" in ended.stderr) == (ended.returncode == -6)


def test_a_watched_block_that_ends_prints_nothing_more(capfd: pytest.CaptureFixture[str]) -> None:
    with captured_stderr(watched=True) as native:
        os.write(2, b"INFO: loading\n")
    assert native.lines == ["INFO: loading"]
    assert capfd.readouterr().err == ""


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
    for watched in (False, True, False, True):
        with captured_stderr(watched=watched) as native:
            os.write(2, b"INFO: noise\n")
        assert native.lines == ["INFO: noise"]
    assert len(list(DESCRIPTORS.iterdir())) == before
