"""WAV files: whole, audible, joined."""

from __future__ import annotations

import os
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.errors import SinkError
from pi_classifier.speech import wavfile
from pi_classifier.speech.wavfile import (
    SPEECH_FORMAT,
    WavFormat,
    append_speech,
    check_speech,
    peak,
    read_wav,
)


def tone(path: Path, duration_s: float = 0.5, peak: int = 9000, framerate: int = 22050) -> Path:
    count = round(duration_s * framerate)
    samples = np.rint(peak * np.sin(np.arange(count) / 8)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(framerate)
        file.writeframes(samples.tobytes())
    return path


def frames(path: Path) -> bytes:
    with wave.open(str(path), "rb") as file:
        data = file.readframes(file.getnframes())
        assert len(data) == 2 * file.getnframes()
        return data


def test_duration(tmp_path: Path) -> None:
    assert check_speech(tone(tmp_path / "t.wav", 0.5)) == pytest.approx(0.5)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("peak", "audible"), [(255, False), (256, True), (257, True)])
def test_audible_from_a_peak_of_256(tmp_path: Path, peak: int, sign: int, audible: bool) -> None:
    path = tmp_path / "t.wav"
    path.write_bytes(WavFormat(1, 8000).file(np.array([[0], [sign * peak]], np.int16)))
    if audible:
        assert check_speech(path) > 0
    else:
        with pytest.raises(SinkError, match=f"holds no sound \\(peak {peak}"):
            check_speech(path)


@given(st.lists(st.sampled_from([-32768, -32767, -1, 0, 1, 32767]), min_size=1))
def test_the_peak_is_that_of_either_sign(values: list[int]) -> None:
    assert peak(np.array([values], np.int16)) == max(abs(value) for value in values)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    stereo = WavFormat(channels=2, framerate=16000)
    samples = np.array([[1, -2], [32767, -32768], [0, 5]], np.int16)
    path = tmp_path / "t.wav"
    path.write_bytes(stereo.file(samples))
    wav_format, again = read_wav(path)
    assert wav_format == stereo
    assert again.tolist() == samples.tolist()
    assert check_speech(path) == 3 / 16000


def test_silence_is_no_speech(tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    path.write_bytes(SPEECH_FORMAT.file(SPEECH_FORMAT.silence(0.1)))
    assert len(frames(path)) == 2 * 2205
    with pytest.raises(SinkError, match="holds no sound"):
        check_speech(path)


@given(st.sampled_from([0, 1, 12, 43, 44, 45, 46, 500, 1043]))
def test_a_file_cut_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, n: int) -> None:
    path = tone(tmp_path_factory.mktemp("cut") / "t.wav", 500 / 22050)
    path.write_bytes(path.read_bytes()[:n])
    with pytest.raises(SinkError, match="not a complete"):
        check_speech(path)


@given(st.integers(0, 43), st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
def test_a_damaged_head_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int
) -> None:
    path = tone(tmp_path_factory.mktemp("head") / "t.wav", 500 / 22050)
    content = bytearray(path.read_bytes())
    content[at] = value
    path.write_bytes(content)
    try:
        assert 0 < check_speech(path) < 1
    except SinkError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017


def test_what_never_ends_is_no_speech(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", Path("/dev/zero")):
        with pytest.raises(SinkError, match="a device, a pipe or a socket"):
            check_speech(path)


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="not a complete WAV file"):
        check_speech(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("this is no sound" * 10)
    with pytest.raises(SinkError, match="not a complete WAV file"):
        check_speech(tmp_path / "text.wav")


def test_a_chunk_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "long.wav"
    file.write_bytes(struct.pack("<4sI4s4sI", b"RIFF", 20, b"WAVE", b"LIST", 1 << 30) + bytes(8))
    with pytest.raises(SinkError, match="not a complete WAV file"):
        read_wav(file)


def test_phrases_are_joined_with_silence_between(tmp_path: Path) -> None:
    one, two = tone(tmp_path / "1.wav", 0.2), tone(tmp_path / "2.wav", 0.3, peak=500)
    joined = tmp_path / "new" / "spoken.wav"
    append_speech(joined, one, silence_s=0.1)
    assert frames(joined) == frames(one)
    append_speech(joined, two, silence_s=0.1)
    assert frames(joined) == frames(one) + bytes(2 * 2205) + frames(two)
    assert joined.read_bytes()[:44] == SPEECH_FORMAT.header(len(frames(joined)))


def test_valid_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = tone(tmp_path / "1.wav", 0.2)
    joined = tmp_path / "spoken.wav"
    seen = []
    real = os.pwrite

    def watching(fd: int, data: bytes, offset: int) -> int:
        written = real(fd, data[:5000], offset)  # a slow disk takes a part at a time
        seen.append(len(frames(joined)))
        return written

    monkeypatch.setattr(os, "pwrite", watching)
    append_speech(joined, one, silence_s=0)
    append_speech(joined, one, silence_s=0)
    whole = len(frames(one))
    assert sorted(set(seen)) == [0, whole, 2 * whole]


def test_goes_on_after_a_crash_in_the_middle(tmp_path: Path) -> None:
    one = tone(tmp_path / "1.wav", 0.2)
    joined = tmp_path / "spoken.wav"
    append_speech(joined, one, silence_s=0)
    with joined.open("ab") as file:
        file.write(b"samples that no header counts")
    append_speech(joined, one, silence_s=0)
    assert frames(joined) == 2 * frames(one)


def test_other_files_are_not_touched(tmp_path: Path) -> None:
    one = tone(tmp_path / "1.wav", 0.2)
    for name, content in (("text", b"my notes" * 20), ("short", b"x")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(SinkError, match="no plain WAV file of 1 channel, 16 bits, 22050 Hz"):
            append_speech(path, one, silence_s=0)
        assert path.read_bytes() == content
    other = tone(tmp_path / "other.wav", 0.2, framerate=8000)
    with pytest.raises(SinkError, match="no plain WAV file"):
        append_speech(other, one, silence_s=0)


def test_limit_of_the_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = tone(tmp_path / "1.wav", 0.2)
    size = len(frames(one))
    monkeypatch.setattr(wavfile, "_LARGEST_BYTES", 2 * size)
    joined = tmp_path / "spoken.wav"
    append_speech(joined, one, silence_s=0)
    append_speech(joined, one, silence_s=0)
    with pytest.raises(SinkError, match="would grow beyond"):
        append_speech(joined, one, silence_s=0)


def test_unwritable_place(tmp_path: Path) -> None:
    one = tone(tmp_path / "1.wav", 0.2)
    with pytest.raises(SinkError, match="cannot write speech: "):
        append_speech(one / "spoken.wav", one, silence_s=0)
