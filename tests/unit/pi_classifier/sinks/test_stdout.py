"""Labels on a file descriptor."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_classifier.sinks.stdout import StdoutSettings, plain_line, stdout_sink
from pi_classifier.types import Decision

LONG_S = 10.0


def decision(label: str | None, sequence: int = 0) -> Decision:
    return Decision(label, 0.9, sequence, sequence * 10, 0, "fast")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for fd in (reading, writing):
        try:
            os.close(fd)
        except OSError:
            continue


def test_plain_lines_and_nothing_for_nothing(pipe: tuple[int, int]) -> None:
    sink = stdout_sink(StdoutSettings(), fd=pipe[1])
    for label in ("daisy", None, "red rose"):
        sink.emit(decision(label))
    sink.close(LONG_S)
    assert os.read(pipe[0], 1000) == b"daisy\nred rose\n"


def test_json_has_every_decision(pipe: tuple[int, int]) -> None:
    sink = stdout_sink(StdoutSettings(json=True), fd=pipe[1])
    sink.emit(decision("daisy", 3))
    sink.emit(decision(None, 4))
    sink.close(LONG_S)
    lines = os.read(pipe[0], 1000).splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["daisy", None]
    assert list(json.loads(lines[0])) == [
        "time", "label", "score", "sequence", "timestamp_ns", "stage", "model", "latency_ms",
    ]  # fmt: skip


def test_each_line_is_written_at_once(pipe: tuple[int, int]) -> None:
    sink = stdout_sink(StdoutSettings(), fd=pipe[1])
    sink.emit(decision("daisy"))
    assert os.read(pipe[0], 1000) == b"daisy\n"  # blocks until it is there
    sink.close(LONG_S)


def test_a_label_is_always_one_line() -> None:
    assert plain_line("a\nb\r\nc") == b"a b c\n"


def test_reader_gone_asks_to_stop_once(
    pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    calls = []

    def on_closed() -> None:
        calls.append(1)
        stop.set()

    os.close(pipe[0])
    sink = stdout_sink(StdoutSettings(), fd=pipe[1], on_closed=on_closed)
    sink.emit(decision("daisy"))
    assert stop.wait(LONG_S)
    sink.emit(decision("rose"))
    sink.close(LONG_S)
    assert calls == [1]
    assert [r.getMessage() for r in caplog.records] == [
        "stdout: the program that reads standard output has closed it: stopping"
    ]
    assert os.write(pipe[1], b"later output does not fail") > 0


def fill(fd: int) -> None:
    """Write until a pipe takes no more."""
    os.set_blocking(fd, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(fd, bytes(4096))
    os.set_blocking(fd, True)


def test_reader_that_does_not_read_holds_up_nothing(pipe: tuple[int, int]) -> None:
    fill(pipe[1])
    sink = stdout_sink(StdoutSettings(), fd=pipe[1])
    for number in range(5000):
        sink.emit(decision("daisy", number))
    sink.close(0.01)
    assert sink.dropped >= 5000 - 1
    os.close(pipe[0])
    sink.close(LONG_S)  # the sink's thread is freed


def test_full_disk_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    full = Path("/dev/full")
    fd = os.open(full, os.O_WRONLY)
    sink = stdout_sink(StdoutSettings(), fd=fd)
    sink.emit(decision("daisy"))
    sink.close(LONG_S)
    os.close(fd)
    assert sink.dropped == 1
    assert "cannot write to standard output: No space left on device" in caplog.text


def test_a_camera_with_a_name_is_told() -> None:
    assert plain_line("daisy", "garden") == b"garden: daisy\n"
