"""What is done to speech before it is kept: short silent edges, its volume, a chime before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pi_classifier.errors import SinkError
from pi_classifier.speech.wavfile import Samples, peak, read_wav

# Silence before and after the speech: enough for a player to begin and end in, not enough
# to be waited for. espeak-ng begins at once and ends with 0.4 s of nothing.
LEAD_S = 0.02
TRAIL_S = 0.1

# -54 dB: below it lie the noise of recorded voices and nothing that is understood.
_SILENT_PEAK = 64
# Cut in steps of this, so that the soft beginning of the first sound stays.
_BLOCK_S = 0.005
_LOUDEST = 32767

# The chime is two struck bells, e'' then a'', a fourth upwards: when (s) and how high (Hz).
CHIME_S = 0.35
_NOTES = ((0.0, 659.26), (0.09, 880.0))
_PARTIALS = ((1.0, 1.0), (2.0, 0.35), (3.01, 0.12))  # a bell's are not quite harmonic
_DECAY_S = 0.09
_ATTACK_S = 0.004  # without one it begins with a click
_CHIME_PEAK = 11000.0


@dataclass(frozen=True, slots=True)
class AudioEdges:
    """What comes before speech; `lead_in_s` is silence for amplifiers that swallow the first
    moment.
    """

    lead_in_s: float = 0.0
    chime: bool = False
    chime_volume: float = 1.0

    @property
    def key(self) -> str:
        """What of it is heard."""
        return f"{self.lead_in_s} {self.chime and self.chime_volume}"


def apply_edges(path: Path, edges: AudioEdges, gain: float = 1.0) -> None:
    """Rewrite a WAV file of speech: silence cut to `LEAD_S` and `TRAIL_S`, samples times `gain`.

    Raises `SinkError` when it is no complete 16-bit WAV file or holds nothing but silence.
    """
    wav_format, samples = read_wav(path)
    speech = _trimmed(samples, max(1, round(_BLOCK_S * wav_format.framerate)))
    if not len(speech):
        raise SinkError(f"{path}: holds no sound")
    parts = [wav_format.silence(edges.lead_in_s)]
    if edges.chime:
        mono = chime(wav_format.framerate, edges.chime_volume)
        parts.append(np.repeat(mono[:, np.newaxis], wav_format.channels, axis=1))
    parts += [wav_format.silence(LEAD_S), _amplified(speech, gain), wav_format.silence(TRAIL_S)]
    path.write_bytes(wav_format.file(np.concatenate(parts)))


def _trimmed(samples: Samples, block: int) -> Samples:
    """The samples without the blocks of silence at both ends; empty when all is silent.

    Blocks are counted from either end, so that at most one of silence stays there.
    """
    loud = ((samples >= _SILENT_PEAK) | (samples <= -_SILENT_PEAK)).any(axis=1)
    frames = np.flatnonzero(loud)
    if not len(frames):
        return samples[:0]
    silent_after = len(samples) - 1 - int(frames[-1])
    begin = int(frames[0]) // block * block
    return samples[begin : len(samples) - silent_after // block * block]


def _amplified(samples: Samples, gain: float) -> Samples:
    """The samples times `gain`, or as much as fits without clipping."""
    gain = min(gain, max(1.0, _LOUDEST / peak(samples)))
    if gain == 1.0:
        return samples
    return _int16(np.clip(gain * samples, -_LOUDEST, _LOUDEST))


def chime(framerate: int, volume: float = 1.0) -> NDArray[np.int16]:
    """A short sound that says "listen", int16 ``[frames]``; it begins and ends in silence."""
    at_s = np.arange(round(CHIME_S * framerate)) / framerate
    level = _CHIME_PEAK * min(volume, 2.0) / (len(_NOTES) * sum(w for _, w in _PARTIALS))
    bells = [_bell(at_s - begin_s, frequency) for begin_s, frequency in _NOTES]
    return _int16(level * np.sum(bells, axis=0))


def _int16(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.asarray(np.rint(samples), np.int16)


def _bell(at_s: NDArray[np.float64], frequency: float) -> NDArray[np.float64]:
    """A bell struck at 0 s: it decays, and has faded to nothing when the chime ends."""
    sound = np.sum(
        [weight * np.sin(2 * np.pi * frequency * ratio * at_s) for ratio, weight in _PARTIALS],
        axis=0,
    )
    attack = np.clip(at_s / _ATTACK_S, 0.0, 1.0)  # 0 before it is struck
    fade = 1.0 - at_s / (at_s[-1] + at_s[1] - at_s[0])
    return np.asarray(sound * attack * np.exp(-at_s / _DECAY_S) * fade)
