"""The JSON Lines file: rotation, torn lines, disks that fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.errors import SinkError
from pi_classifier.sinks.json_line import utc_time
from pi_classifier.sinks.jsonl import JsonlSettings, RotatingFile, jsonl_sink
from pi_classifier.sinks.retry import Retry
from pi_classifier.types import Decision

LONG_S = 10.0


def decision(label: str | None = "daisy", sequence: int = 0) -> Decision:
    return Decision(label, 0.9, sequence, sequence * 10, 0, "fast", latency_ns=1_500_000)


def test_one_object_per_decision_with_its_time(tmp_path: Path) -> None:
    path = tmp_path / "new" / "decisions.jsonl"
    sink = jsonl_sink(
        JsonlSettings(path=str(path)), wall_clock_ns=lambda: 1_714_555_800_250_000_999
    )
    sink.emit(decision("daisy", 7))
    sink.emit(decision(None, 8))
    sink.close(LONG_S)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert records[0] == {
        "time": "2024-05-01T09:30:00.250000Z",
        "label": "daisy",
        "score": 0.9,
        "sequence": 7,
        "timestamp_ns": 70,
        "stage": 0,
        "model": "fast",
        "latency_ms": 1.5,
    }
    assert records[1]["label"] is None


def test_the_file_is_there_before_the_first_decision(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    jsonl_sink(JsonlSettings(path=str(path))).close(LONG_S)
    assert path.read_bytes() == b""


def test_a_file_that_cannot_be_is_said_before_the_first_decision(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jsonl_sink(JsonlSettings(path=str(tmp_path))).close(LONG_S)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"jsonl: cannot write {tmp_path}: Is a directory; decisions wait until it works: "
        "check jsonl.path and the disk"
    )


@given(st.sampled_from([0, 999, 1000, 999_999_999, 1_000_000_000, 1_714_555_800_999_999_999]))
def test_times_have_one_width(wall_clock_ns: int) -> None:
    assert len(utc_time(wall_clock_ns)) == len("2024-05-01T09:30:00.250000Z")


def test_rotates_before_the_limit_is_passed(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    file = RotatingFile(path, max_bytes=30, backups=2)
    for number in range(10):
        file.append(b"line %d of ten\n" % number)  # 14 bytes each, two fit
    assert path.read_bytes() == b"line 8 of ten\nline 9 of ten\n"
    assert path.with_name("d.jsonl.1").read_bytes() == b"line 6 of ten\nline 7 of ten\n"
    assert path.with_name("d.jsonl.2").read_bytes() == b"line 4 of ten\nline 5 of ten\n"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(("max_bytes", "files"), [(27, 2), (28, 1), (29, 1)])
def test_a_file_may_be_exactly_full(tmp_path: Path, max_bytes: int, files: int) -> None:
    file = RotatingFile(tmp_path / "d", max_bytes=max_bytes, backups=5)
    file.append(b"line 0 of ten\n")
    file.append(b"line 1 of ten\n")
    assert len(list(tmp_path.iterdir())) == files


def test_without_backups_the_file_begins_anew(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "d", max_bytes=10, backups=0)
    file.append(b"12345678\n")
    file.append(b"abcdefgh\n")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"abcdefgh\n"]


def test_a_line_longer_than_the_limit_is_still_written(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "d", max_bytes=5, backups=1)
    file.append(b"longer than five\n")
    assert (tmp_path / "d").read_bytes() == b"longer than five\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"a": 1}\n{"b": 2', b'{"a": 1}\nnew\n'),
        (b'{"b": 2', b"new\n"),
        (b'{"a": 1}\n', b'{"a": 1}\nnew\n'),
        (b"", b"new\n"),
    ],
)
def test_a_line_torn_by_a_power_cut_is_dropped(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    path = tmp_path / "d"
    path.write_bytes(before)
    RotatingFile(path, max_bytes=1000, backups=1).append(b"new\n")
    assert path.read_bytes() == after


def test_goes_on_when_the_file_is_taken_away(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "folder" / "d", max_bytes=1000, backups=1)
    file.append(b"one\n")
    (tmp_path / "folder" / "d").unlink()
    (tmp_path / "folder").rmdir()
    file.append(b"two\n")
    assert (tmp_path / "folder" / "d").read_bytes() == b"two\n"


def test_full_disk_leaves_a_clear_error() -> None:
    with pytest.raises(SinkError, match="No space left on device"):
        RotatingFile(Path("/dev/full"), max_bytes=1000, backups=1).append(b"x\n")


def test_lines_wait_until_the_disk_works_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "folder"
    blocked.write_text("a file where the folder should be")
    settings = JsonlSettings(path=str(blocked / "d.jsonl"))
    sink = jsonl_sink(settings, retry=Retry("jsonl", first_wait_s=0.001, longest_wait_s=0.001))
    for sequence in range(5):
        sink.emit(decision("daisy", sequence))
    while sink.failures < 3:  # tried again, not given up
        pass
    blocked.unlink()
    sink.close(LONG_S)
    lines = (blocked / "d.jsonl").read_text().splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [0, 1, 2, 3, 4]
    assert sink.dropped == 0
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "cannot write" in warnings[0]
