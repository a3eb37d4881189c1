"""Saying phrases: tickets, interrupts, outputs that come and go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pi_classifier.errors import ConfigError, SinkError
from pi_classifier.speech import speaker as speaker_module
from pi_classifier.speech.engines.base import VoiceSettings
from pi_classifier.speech.engines.espeak import EspeakEngine
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import Speaker, SpokenResult
from pi_classifier.speech.synthesizer import Synthesizer


class Voice(Synthesizer):
    """Has every phrase ready; `meanwhile` happens while it is being made."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"), EspeakEngine(VoiceSettings()))
        self.made: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def wav(self, text: str) -> tuple[Path, float]:
        self.made.append(text)
        self.meanwhile()
        return Path(f"{text}.wav"), 1.5


class Loudspeaker:
    """Notes what it plays; `during` happens in the middle of it."""

    name = "loudspeaker"

    def __init__(self) -> None:
        self.played: list[tuple[str, float]] = []
        self.interrupts = 0
        self.during: Callable[[], object] = lambda: None

    def play(self, wav: Path, limit_s: float, wanted: Callable[[], bool]) -> bool:
        self.played.append((wav.stem, limit_s))
        self.during()
        return wanted()

    def interrupt(self) -> None:
        self.interrupts += 1


@pytest.fixture
def voice() -> Voice:
    return Voice()


@pytest.fixture
def output() -> Loudspeaker:
    return Loudspeaker()


@pytest.fixture
def speaker(voice: Voice, output: Loudspeaker) -> Speaker:
    return Speaker(SpeechSettings(timeout_s=2.0), synthesizer=voice, output=output)


def test_says_a_phrase_within_its_time(speaker: Speaker, output: Loudspeaker) -> None:
    assert speaker.speak("a daisy") == SpokenResult("a daisy", "loudspeaker", 1.5, False)
    assert output.played == [("a daisy", 3.5)]


def test_a_ticket_is_void_after_the_next(speaker: Speaker, output: Loudspeaker) -> None:
    old, new = speaker.interrupt(), speaker.interrupt()
    assert speaker.speak("old", old).interrupted
    assert not speaker.speak("new", new).interrupted
    assert [text for text, _ in output.played] == ["new"]
    assert output.interrupts == 2


def test_interrupt_while_the_phrase_is_being_made(
    speaker: Speaker, voice: Voice, output: Loudspeaker
) -> None:
    voice.meanwhile = speaker.interrupt
    assert speaker.speak("old", speaker.interrupt()).interrupted
    assert output.played == []


def test_interrupt_while_it_sounds(speaker: Speaker, output: Loudspeaker) -> None:
    output.during = speaker.interrupt
    assert speaker.speak("old", speaker.interrupt()).interrupted
    assert output.interrupts == 2


def test_nothing_sounds_after_close(speaker: Speaker, output: Loudspeaker) -> None:
    ticket = speaker.interrupt()
    speaker.close()
    speaker.close()
    assert speaker.speak("a", ticket).interrupted
    assert speaker.speak("a").interrupted
    assert output.played == []


def test_no_phrase_is_made_without_an_output(
    voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise SinkError("no sound card")

    monkeypatch.setattr(speaker_module, "open_output", none)
    with pytest.raises(SinkError, match="no sound card"):
        Speaker(SpeechSettings(), synthesizer=voice).speak("a")
    assert voice.made == []


def test_looks_for_an_output_again_after_a_failure(
    voice: Voice, output: Loudspeaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def open_output(*_: object) -> Loudspeaker:
        opened.append(1)
        return output

    monkeypatch.setattr(speaker_module, "open_output", open_output)
    speaker = Speaker(SpeechSettings(), synthesizer=voice)
    speaker.prepare()
    assert speaker.speak("a").output == "loudspeaker"
    assert len(opened) == 1

    def unplugged() -> None:
        raise SinkError("no such device")

    output.during = unplugged
    with pytest.raises(SinkError, match="no such device"):
        speaker.speak("b")
    output.during = lambda: None
    speaker.speak("c")
    assert len(opened) == 2


def test_unknown_output_is_refused_at_once(voice: Voice) -> None:
    with pytest.raises(ConfigError, match=r"speech\.output = 'radio'"):
        Speaker(SpeechSettings(output="radio"), synthesizer=voice)
