"""A short sound of two bells that says "listen", made here rather than kept as a file."""

from __future__ import annotations

import math
from array import array

DURATION_S = 0.35

_NOTES = ((0.0, 659.26), (0.09, 880.0))  # e'' then a'': a fourth upwards, seconds and hertz
_OVERTONES = ((1.0, 1.0), (2.0, 0.35), (3.01, 0.12))
_DECAY_S = 0.09
_ATTACK_S = 0.004  # without one it begins with a click
_PEAK = 11000.0


def chime(framerate: int, volume: float = 1.0) -> array[int]:
    """16-bit samples of the chime; it begins and ends in silence."""
    samples = array("h", bytes(2 * round(DURATION_S * framerate)))
    level = _PEAK * min(volume, 2.0) / (2 * sum(weight for _, weight in _OVERTONES))
    for begin_s, frequency in _NOTES:
        first = round(begin_s * framerate)
        for index in range(first, len(samples)):
            at_s = (index - first) / framerate
            samples[index] += round(level * _bell(at_s, frequency, DURATION_S - begin_s))
    return samples


def _bell(at_s: float, frequency: float, length_s: float) -> float:
    sound = sum(
        weight * math.sin(2 * math.pi * frequency * ratio * at_s) for ratio, weight in _OVERTONES
    )
    attack = min(1.0, at_s / _ATTACK_S)
    return sound * attack * math.exp(-at_s / _DECAY_S) * (1.0 - at_s / length_s)
