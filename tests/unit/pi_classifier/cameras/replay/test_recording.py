"""Recordings written and played in a temporary folder."""

from __future__ import annotations

import json
import logging
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras import CameraSettings, open_camera
from pi_classifier.cameras.playback import PlayedCamera
from pi_classifier.cameras.replay.recording import (
    INDEX,
    Recorder,
    is_recording,
    open_recording,
    recorded_frames,
)
from pi_classifier.errors import ConfigError
from pi_classifier.types import Frame


def frame(number: int, timestamp_ns: int | None = None, truth: str | None = None) -> Frame:
    pixels = np.random.default_rng(number).integers(0, 256, (10, 14, 3), np.uint8)
    pixels.flags.writeable = False
    return Frame(pixels, number, number * 100 if timestamp_ns is None else timestamp_ns, truth)


def record(folder: Path, frames: list[Frame], *, uncompressed: bool = False) -> Path:
    recorder = Recorder(folder, source="test", max_bytes=10**9, uncompressed=uncompressed)
    assert all(recorder.add(picture) for picture in frames)
    recorder.close()
    return folder


def played(folder: Path, **changes: object) -> PlayedCamera:
    return open_recording(folder, CameraSettings(realtime=False, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("uncompressed", [False, True])
def test_pixels_numbers_times_and_truth_come_back(tmp_path: Path, uncompressed: bool) -> None:
    given = [frame(0, 5), frame(3, 2**62, "daisy"), frame(4, 2**62 + 1, "ночь")]
    folder = record(tmp_path / "kept", given, uncompressed=uncompressed)
    frames = list(played(folder).frames())
    assert len(frames) == 3
    for one, other in zip(given, frames, strict=True):
        assert (one.sequence, one.timestamp_ns, one.truth) == (
            other.sequence,
            other.timestamp_ns,
            other.truth,
        )
        assert np.array_equal(one.pixels, other.pixels)
        assert not other.pixels.flags.writeable


def test_replay_knows_a_recording_from_a_folder_of_photos(tmp_path: Path) -> None:
    folder = record(tmp_path / "kept", [frame(7)])
    assert is_recording(folder)
    assert not is_recording(tmp_path)
    camera = open_camera(CameraSettings(source=f"replay:{folder}", realtime=False))
    assert [frame.sequence for frame in camera.frames()] == [7]


@given(st.data())
def test_cut_anywhere_it_plays_every_whole_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = record(tmp_path_factory.mktemp("cut") / "kept", [frame(i) for i in range(4)])
    index = folder / INDEX
    whole = index.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    near = sorted({min(max(end + off, 0), len(whole)) for end in ends for off in (-1, 0, 1)})
    cut = data.draw(st.sampled_from(near))
    index.write_bytes(whole[:cut])
    assert len(list(recorded_frames(folder))) == max(0, sum(end <= cut for end in ends) - 1)


def test_a_loop_goes_on_in_numbers_and_times(tmp_path: Path) -> None:
    folder = record(tmp_path / "kept", [frame(5, 1000), frame(6, 1100), frame(8, 1300)])
    frames = list(islice(played(folder, loop=True).frames(), 7))
    assert [frame.sequence for frame in frames] == [5, 6, 8, 9, 10, 12, 13]
    assert [frame.timestamp_ns for frame in frames] == [1000, 1100, 1300, 1500, 1600, 1800, 2000]


def test_a_damaged_picture_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = record(tmp_path / "kept", [frame(0), frame(1), frame(2)])
    (folder / "00000001.webp").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert [frame.sequence for frame in played(folder).frames()] == [0, 2]
    assert "left out of the recording" in caplog.text


def line_of(sequence: str, timestamp_ns: str, more: str) -> bytes:
    """A recording of one line."""
    line = f'{{"sequence": {sequence}, "timestamp_ns": {timestamp_ns}, "picture": "a.png"{more}}}'
    return f'{{"recording": 1}}\n{line}\n'.encode()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"recording": 2}\n', "version 2; this program plays version 1"),
        (b"[]\n", "recording.jsonl:1: is no line of a recording"),
        (b'{"recording": 1}\n{"sequence": 1}\n', "recording.jsonl:2: is no line"),
        (b'{"recording": 1}\nnull\n', "recording.jsonl:2: is no line"),
        (
            b'{"recording": 1}\n{"sequence": 1, "timestamp_ns": 1, "picture": "../a.png"}\n',
            "recording.jsonl:2: is no line",
        ),
        (line_of("-1", "1", ""), "recording.jsonl:2: is no line"),
        (line_of("1e999", "1", ""), "recording.jsonl:2: is no line"),
        (line_of("1", "1000000000000000000000000000000", ""), "recording.jsonl:2: is no line"),
        (line_of("1", "1", ', "truth": [1]'), "recording.jsonl:2: is no line"),
        (b'{"recording": 1}\n' + b"[" * 9999 + b"\n", "recording.jsonl:2: is no line"),
        (b'{"recording": 1}\n' + b" " * 70_000, "recording.jsonl:2: is no line"),
        (b'{"recording": 1}\n', "without a single frame"),
        (b"", "without a single frame"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    (tmp_path / INDEX).write_bytes(line)
    with pytest.raises(ConfigError, match=message):
        played(tmp_path)


def test_the_limit_holds_and_nothing_beyond_it_is_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "kept", source="test", max_bytes=3000, uncompressed=True)
    added = 0
    while recorder.add(frame(added)):
        added += 1
    recorder.close()
    size = sum(path.stat().st_size for path in (tmp_path / "kept").iterdir())
    assert added >= 2
    assert size == recorder.bytes <= 3000
    assert len(list(recorded_frames(tmp_path / "kept"))) == added


def test_the_index_is_json_lines(tmp_path: Path) -> None:
    folder = record(tmp_path / "kept", [frame(0, truth="rose")])
    head, line = (json.loads(text) for text in (folder / INDEX).read_text().splitlines())
    assert head == {"recording": 1, "source": "test"}
    assert line == {"sequence": 0, "timestamp_ns": 0, "picture": "00000000.webp", "truth": "rose"}
