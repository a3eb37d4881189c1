"""What is done to speech before it is kept: even edges, its volume, a chime before it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.errors import SinkError
from pi_classifier.speech.chime import chime
from pi_classifier.speech.wavfile import read_wav, write_wav

# Silence before and after the speech: enough for a player to begin and end in, not enough
# to be waited for. espeak-ng begins at once and ends with 0.4 s of nothing.
LEAD_S = 0.02
TRAIL_S = 0.1

# -54 dB: below it lie the noise of recorded voices and nothing that is understood.
_SILENT_PEAK = 64
_BLOCK_S = 0.005
_LOUDEST = 32767


@dataclass(frozen=True, slots=True)
class Shape:
    """`lead_in_s` is silence for amplifiers that swallow what comes first."""

    lead_in_s: float = 0.0
    chime: bool = False
    chime_volume: float = 1.0

    @property
    def key(self) -> str:
        """What of it is heard."""
        return f"{self.lead_in_s} {self.chime and self.chime_volume}"


def shape_speech(path: Path, shape: Shape, gain: float = 1.0) -> None:
    """Rewrite a WAV file of speech: edges trimmed to `LEAD_S` and `TRAIL_S`, samples times `gain`.

    Raises `SinkError` when it is no complete 16-bit WAV file or holds nothing but silence.
    """
    form, frames = read_wav(path)
    samples = array("h", frames)
    begin, end = _edges(samples, max(1, round(_BLOCK_S * form.framerate)) * form.channels)
    if begin >= end:
        raise SinkError(f"{path}: holds no sound")
    spoken = _amplified(samples[begin:end], gain)

    def silence(duration_s: float) -> bytes:
        return bytes(2 * form.channels * round(duration_s * form.framerate))

    before = silence(shape.lead_in_s)
    if shape.chime and form.channels == 1:
        before += chime(form.framerate, shape.chime_volume).tobytes()
    sound = before + silence(LEAD_S) + spoken.tobytes() + silence(TRAIL_S)
    write_wav(path, form, sound)


def _edges(samples: array[int], block: int) -> tuple[int, int]:
    """The first and last block with sound, as a range of samples; empty when there is none."""
    begin, end = 0, len(samples)
    while begin < end and _is_silent(samples[begin : begin + block]):
        begin += block
    while begin < end and _is_silent(samples[max(begin, end - block) : end]):
        end -= block
    return begin, end


def _is_silent(samples: array[int]) -> bool:
    return max(samples) < _SILENT_PEAK and min(samples) > -_SILENT_PEAK


def _amplified(samples: array[int], gain: float) -> array[int]:
    """The samples times `gain`, or as much as fits without clipping."""
    peak = max(abs(max(samples)), abs(min(samples)))
    gain = min(gain, max(1.0, _LOUDEST / peak))
    if gain == 1.0:
        return samples
    return array("h", [max(-_LOUDEST, min(_LOUDEST, round(gain * each))) for each in samples])
