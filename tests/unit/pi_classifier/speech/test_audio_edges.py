"""What is done to speech before it is kept: edges, volume, chime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.errors import SinkError
from pi_classifier.speech.audio_edges import LEAD_S, TRAIL_S, AudioEdges, apply_edges, chime
from pi_classifier.speech.wavfile import Samples, WavFormat, peak, read_wav

MONO = WavFormat(channels=1, framerate=8000)
STEREO = WavFormat(channels=2, framerate=8000)
BLOCK = 40  # 5 ms
LEAD, TRAIL = round(8000 * LEAD_S), round(8000 * TRAIL_S)
COUNTS = st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 10 * BLOCK])


def tone(count: int = 4000, level: int = 0x4000, channels: int = 1) -> Samples:
    return np.full((count, channels), level, np.int16)


def edged(
    folder: Path,
    samples: Samples,
    edges: AudioEdges | None = None,
    gain: float = 1.0,
    wav_format: WavFormat = MONO,
) -> Samples:
    path = folder / "speech.wav"
    path.write_bytes(wav_format.file(samples))
    apply_edges(path, edges or AudioEdges(), gain)
    kept_format, kept = read_wav(path)
    assert kept_format == wav_format
    return kept


@given(COUNTS, st.sampled_from([1, BLOCK, 4000]), COUNTS, st.sampled_from([0, 63, -63]))
def test_silence_is_cut_to_less_than_a_block_and_replaced(
    tmp_path_factory: pytest.TempPathFactory, before: int, count: int, after: int, noise: int
) -> None:
    around = (tone(before, noise), tone(count), tone(after, noise))
    kept = edged(tmp_path_factory.mktemp("wav"), np.concatenate(around))
    left = (tone(before % BLOCK, noise), tone(count), tone(after % BLOCK, noise))
    expected = (MONO.silence(LEAD_S), *left, MONO.silence(TRAIL_S))
    assert kept.tolist() == np.concatenate(expected).tolist()


@pytest.mark.parametrize("level", [64, -64])
def test_the_softest_sound_is_kept_in_any_channel(tmp_path: Path, level: int) -> None:
    samples = STEREO.silence(0.1)
    samples[400, 1] = level
    kept = edged(tmp_path, samples, wav_format=STEREO)
    assert len(kept) == LEAD + BLOCK + TRAIL
    assert kept[LEAD].tolist() == [0, level]


@pytest.mark.parametrize("level", [0, 63, -63])
def test_silence_alone_is_an_error(tmp_path: Path, level: int) -> None:
    with pytest.raises(SinkError, match="holds no sound"):
        edged(tmp_path, tone(4000, level))


def test_what_comes_before_the_speech(tmp_path: Path) -> None:
    plain = edged(tmp_path, tone())
    late = edged(tmp_path, tone(), AudioEdges(lead_in_s=0.5))
    assert late.tolist() == [*MONO.silence(0.5).tolist(), *plain.tolist()]
    rung = edged(tmp_path, tone(), AudioEdges(chime=True))
    assert rung.tolist() == [*chime(8000)[:, np.newaxis].tolist(), *plain.tolist()]


def test_the_chime_sounds_on_every_channel(tmp_path: Path) -> None:
    rung = edged(tmp_path, tone(channels=2), AudioEdges(chime=True), wav_format=STEREO)
    bells = chime(8000)
    assert rung[: len(bells)].T.tolist() == [bells.tolist()] * 2


def test_what_is_heard_makes_the_key() -> None:
    plain = AudioEdges()
    assert plain.key == AudioEdges(chime_volume=0.5).key
    keys = {plain.key, AudioEdges(lead_in_s=0.5).key, AudioEdges(chime=True).key}
    assert len({*keys, AudioEdges(chime=True, chime_volume=0.5).key}) == 4


@pytest.mark.parametrize(
    ("gain", "expected"), [(0.5, 8192), (1.0, 16384), (1.5, 24576), (2.0, 32767), (9.0, 32767)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_gain_never_clips(tmp_path: Path, gain: float, expected: int, sign: int) -> None:
    samples = np.concatenate([tone(level=sign * 16384), tone(level=sign * 64)])
    kept = edged(tmp_path, samples, gain=gain)
    assert peak(kept) == expected
    quieter = sign * round(64 * min(gain, 32767 / 16384))
    assert kept[LEAD + 4000].item() == quieter


@pytest.mark.parametrize("framerate", [8000, 22050])
@pytest.mark.parametrize(("volume", "loudness"), [(0.5, 0.5), (1.0, 1.0), (2.0, 2.0), (3.0, 2.0)])
def test_chime(framerate: int, volume: float, loudness: float) -> None:
    samples = chime(framerate, volume)
    assert len(samples) == round(0.35 * framerate)
    assert (samples[0], samples[-1]) == (0, 0)
    usual = int(np.abs(chime(framerate)).max())
    assert 3000 < usual < 11000
    assert np.abs(samples).max() == pytest.approx(loudness * usual, rel=1e-3)


def test_the_chime_is_one_note_then_a_second_a_fourth_higher() -> None:
    samples = chime(22050).astype(float)

    def loudness(frequency: int, begin_s: float, end_s: float) -> float:
        part = samples[round(begin_s * 22050) : round(end_s * 22050)]
        return float(np.abs(np.fft.rfft(part, 22050))[frequency])  # one bin per hertz

    assert loudness(659, 0.0, 0.09) > 5 * loudness(880, 0.0, 0.09)
    assert loudness(880, 0.2, 0.35) > 2 * loudness(659, 0.2, 0.35)
