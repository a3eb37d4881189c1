"""WAV files of speech: reading and writing them, checking that they are audible, joining them."""

from __future__ import annotations

import io
import os
import stat
import wave
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pi_classifier.errors import SinkError
from pi_classifier.system.files import NOT_A_FILE, read_regular_file, write_atomic

Samples: TypeAlias = NDArray[np.int16]
"""16-bit samples ``[frames, channels]``."""

# 1/128 of full scale, -42 dB: quieter is nothing a loudspeaker makes audible.
_AUDIBLE_PEAK = 256
_HEADER_BYTES = 44
_SAMPLE_BYTES = 2
_MOST_CHANNELS, _FRAMERATES = 8, range(1000, 400_000)
LARGEST_PHRASE_BYTES = 32 << 20
"""Of one phrase: ten minutes and more; an engine that writes more is out of its mind."""
_LARGEST_BYTES = 1 << 31


class WavFormat(NamedTuple):
    """How the samples of a 16-bit WAV file are to be played."""

    channels: int
    framerate: int

    def __str__(self) -> str:
        return f"{self.channels} channel, 16 bits, {self.framerate} Hz"

    def silence(self, duration_s: float) -> Samples:
        """So much silence."""
        return np.zeros((round(duration_s * self.framerate), self.channels), np.int16)

    def header(self, data_bytes: int) -> bytes:
        """The 44 bytes before the samples of a PCM WAV file (Microsoft, RIFF, 1991)."""
        frame_bytes = self.channels * _SAMPLE_BYTES
        return b"".join(
            (
                b"RIFF",
                (data_bytes + _HEADER_BYTES - 8).to_bytes(4, "little"),
                b"WAVEfmt ",
                (16).to_bytes(4, "little"),
                (1).to_bytes(2, "little"),  # PCM
                self.channels.to_bytes(2, "little"),
                self.framerate.to_bytes(4, "little"),
                (self.framerate * frame_bytes).to_bytes(4, "little"),
                frame_bytes.to_bytes(2, "little"),
                (8 * _SAMPLE_BYTES).to_bytes(2, "little"),
                b"data",
                data_bytes.to_bytes(4, "little"),
            )
        )

    def file(self, samples: Samples) -> bytes:
        """A whole WAV file."""
        return self.header(samples.nbytes) + samples.tobytes()


SPEECH_FORMAT = WavFormat(channels=1, framerate=22050)
"""espeak-ng's, and what is made here is like it."""


def read_wav(path: Path) -> tuple[WavFormat, Samples]:
    """A WAV file's format and samples; raises `SinkError` unless it is complete and 16-bit."""
    try:
        # Read whole first: what a damaged head says of its length is not believed.
        content = read_regular_file(path, LARGEST_PHRASE_BYTES)
        with wave.open(io.BytesIO(content), "rb") as file:
            parameters = file.getparams()
            data = file.readframes(parameters.nframes)
    except Exception as error:  # struct.error, ZeroDivisionError and more, of damaged heads
        reason = error.strerror if isinstance(error, OSError) else str(error) or "it ends early"
        raise SinkError(f"{path}: not a complete WAV file ({reason})") from error
    expected = parameters.nframes * parameters.nchannels * parameters.sampwidth
    if parameters.sampwidth != _SAMPLE_BYTES or not expected or len(data) != expected:
        raise SinkError(
            f"{path}: not a complete 16-bit WAV file: "
            f"{len(data)} of {expected} bytes of {8 * parameters.sampwidth}-bit samples"
        )
    wav_format = WavFormat(parameters.nchannels, parameters.framerate)
    if not (wav_format.channels <= _MOST_CHANNELS and wav_format.framerate in _FRAMERATES):
        raise SinkError(f"{path}: not a WAV file that can be played: {wav_format}")
    return wav_format, np.frombuffer(data, "<i2").reshape(-1, parameters.nchannels)


def check_speech(path: Path) -> float:
    """The duration in seconds of a WAV file with speech in it.

    Raises `SinkError` when it is not a complete 16-bit WAV file or holds silence.
    """
    wav_format, samples = read_wav(path)
    loudest = peak(samples)
    if loudest < _AUDIBLE_PEAK:
        raise SinkError(f"{path}: holds no sound (peak {loudest} of 32767)")
    return len(samples) / wav_format.framerate


def peak(samples: Samples) -> int:
    """The largest distance of a sample from silence, 0 to 32768."""
    # Not abs(): that of -32768 is no 16-bit number.
    return max(int(samples.max()), -int(samples.min()))


def append_speech(path: Path, phrase: Path, *, silence_s: float) -> None:
    """Append `phrase` to the WAV file `path`, after a silence where it holds speech already.

    `path` is created when missing and is a valid WAV file at every moment: the
    samples are written first, then the 44 bytes of header that count them in.
    Raises `SinkError` when it is something else than a WAV file of the same
    format, or cannot be written.
    """
    wav_format, samples = read_wav(phrase)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create(path, wav_format)
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ValueError(NOT_A_FILE)
            _append(fd, wav_format, samples, silence_s)
        except ValueError as error:
            raise SinkError(
                f"{path}: cannot append speech to it: {error}; remove the file or name another"
            ) from error
        finally:
            os.close(fd)
    except OSError as error:
        raise SinkError(f"{path}: cannot write speech: {error.strerror}") from error


def _create(path: Path, wav_format: WavFormat) -> None:
    """Make a WAV file without samples; a reader never finds it without its header."""
    write_atomic(path, wav_format.header(0), durable=False)


def _append(fd: int, wav_format: WavFormat, samples: Samples, silence_s: float) -> None:
    """Raises ValueError when the file is not one of this format, OSError when it can't."""
    old = os.pread(fd, _HEADER_BYTES, 0)
    if not old:
        old = wav_format.header(0)
        _write_all(fd, old, 0)
    data_bytes = int.from_bytes(old[40:44], "little")
    if old != wav_format.header(data_bytes):
        raise ValueError(f"it is no plain WAV file of {wav_format}")
    data = samples.tobytes()
    if data_bytes:
        data = wav_format.silence(silence_s).tobytes() + data
    if data_bytes + len(data) > _LARGEST_BYTES:
        raise ValueError(f"it would grow beyond {_LARGEST_BYTES} bytes")
    # Where the old header says that the samples end: what a crash left behind it is overwritten.
    _write_all(fd, data, _HEADER_BYTES + data_bytes)
    _write_all(fd, wav_format.header(data_bytes + len(data)), 0)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written
