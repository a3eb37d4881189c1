"""WAV files of speech: checking that they are whole and audible, and joining them."""

from __future__ import annotations

import os
import wave
from array import array
from pathlib import Path
from typing import NamedTuple

from pi_classifier.errors import SinkError

# 1/128 of full scale, -42 dB: quieter is nothing a loudspeaker makes audible.
_AUDIBLE_PEAK = 256
_HEADER_BYTES = 44
_LARGEST_BYTES = 1 << 31


class Form(NamedTuple):
    """How the samples of a WAV file are to be read; `width` in bytes."""

    channels: int
    width: int
    framerate: int

    def __str__(self) -> str:
        return f"{self.channels} channel, {8 * self.width} bits, {self.framerate} Hz"


def check_speech(path: Path) -> float:
    """The duration in seconds of a WAV file with speech in it.

    Raises `SinkError` when it is not a complete 16-bit WAV file or holds silence.
    """
    form, frames = read_wav(path)
    samples = array("h", frames)
    peak = max(max(samples, default=0), -min(samples, default=0))
    if peak < _AUDIBLE_PEAK:
        raise SinkError(f"{path}: holds no sound (peak {peak} of 32767)")
    return len(samples) / form.channels / form.framerate


def write_wav(path: Path, form: Form, frames: bytes) -> None:
    """Write a WAV file, over what was there; raises OSError."""
    path.write_bytes(header(form.channels, form.width, form.framerate, len(frames)) + frames)


def append_speech(path: Path, phrase: Path, *, silence_s: float) -> None:
    """Append `phrase` to the WAV file `path`, after a silence where it holds speech already.

    `path` is created when missing and is a valid WAV file at every moment: the
    samples are written first, then the 44 bytes of header that count them in.
    Raises `SinkError` when it is something else than a WAV file of the same
    format, or cannot be written.
    """
    form, frames = read_wav(phrase)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create(path, form)
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _append(fd, form, frames, silence_s)
        except ValueError as error:
            raise SinkError(
                f"{path}: cannot append speech to it: {error}; remove the file or name another"
            ) from error
        finally:
            os.close(fd)
    except OSError as error:
        raise SinkError(f"{path}: cannot write speech: {error.strerror}") from error


def silence_file(duration_s: float, framerate: int = 22050) -> bytes:
    """A mono WAV file of silence."""
    data = bytes(2 * round(duration_s * framerate))
    return header(1, 2, framerate, len(data)) + data


def header(channels: int, width: int, framerate: int, data_bytes: int) -> bytes:
    """The 44 bytes before the samples of a PCM WAV file (Microsoft, RIFF, 1991)."""
    rate = framerate * channels * width
    return b"".join(
        (
            b"RIFF",
            (data_bytes + _HEADER_BYTES - 8).to_bytes(4, "little"),
            b"WAVEfmt ",
            (16).to_bytes(4, "little"),
            (1).to_bytes(2, "little"),  # PCM
            channels.to_bytes(2, "little"),
            framerate.to_bytes(4, "little"),
            rate.to_bytes(4, "little"),
            (channels * width).to_bytes(2, "little"),
            (8 * width).to_bytes(2, "little"),
            b"data",
            data_bytes.to_bytes(4, "little"),
        )
    )


def _create(path: Path, form: Form) -> None:
    """Make a WAV file without samples; a reader never finds it without its header."""
    partial = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        partial.write_bytes(header(form.channels, form.width, form.framerate, 0))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _append(fd: int, form: Form, frames: bytes, silence_s: float) -> None:
    """Raises ValueError when the file is not one of the same form, OSError when it can't."""

    def head(data_bytes: int) -> bytes:
        return header(form.channels, form.width, form.framerate, data_bytes)

    old = os.pread(fd, _HEADER_BYTES, 0)
    if not old:
        old = head(0)
        _write_all(fd, old, 0)
    data_bytes = int.from_bytes(old[40:44], "little")
    if old != head(data_bytes):
        raise ValueError(f"it is no plain WAV file of {form}")
    if data_bytes:
        silence = bytes(round(silence_s * form.framerate) * form.channels * form.width)
        frames = silence + frames
    if data_bytes + len(frames) > _LARGEST_BYTES:
        raise ValueError(f"it would grow beyond {_LARGEST_BYTES} bytes")
    _write_all(fd, frames, _HEADER_BYTES + data_bytes)
    _write_all(fd, head(data_bytes + len(frames)), 0)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


def read_wav(path: Path) -> tuple[Form, bytes]:
    """The form and the samples of a WAV file; raises `SinkError` unless complete and 16-bit."""
    try:
        with wave.open(str(path), "rb") as file:
            parameters = file.getparams()
            frames = file.readframes(parameters.nframes)
    except (OSError, EOFError, wave.Error) as error:
        raise SinkError(f"{path}: not a complete WAV file ({error or 'it ends early'})") from error
    expected = parameters.nframes * parameters.nchannels * parameters.sampwidth
    if parameters.sampwidth != 2 or not expected or len(frames) != expected:
        raise SinkError(
            f"{path}: not a complete 16-bit WAV file: "
            f"{len(frames)} of {expected} bytes of {8 * parameters.sampwidth}-bit samples"
        )
    return Form(parameters.nchannels, parameters.sampwidth, parameters.framerate), frames
