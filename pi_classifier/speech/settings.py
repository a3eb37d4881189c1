"""The settings of speech."""

from __future__ import annotations

from dataclasses import dataclass

from pi_classifier.setting import setting
from pi_classifier.speech.engines.base import ENGINES, VoiceSettings

DEFAULT_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """What is said, in which voice, and where it is heard."""

    enabled: bool = setting(
        True, "speak decisions", option="--no-speech", option_doc="do not speak"
    )
    engine: str = setting(
        "pyttsx3",
        "what makes the voice: pyttsx3, espeak-ng (the same voice, made faster), flite (small, "
        "English) or piper (the best, for a Pi 4 or 5)",
        choices=ENGINES,
    )
    language: str = setting(
        "",
        "language of the phrases and, where no voice is chosen, of the voice, such as de; "
        "empty: the voice's, else English",
    )
    voice: str = setting(
        "",
        "voice of the engine, such as en-gb; `pi-classifier say --list-voices` lists them; "
        "empty: its default",
    )
    rate_wpm: int = setting(150, "words a minute", minimum=80, maximum=450)
    volume: float = setting(1.0, "loudness of the voice", minimum=0.0, maximum=2.0)
    phrase: str = setting(
        "",
        "what is said of a label: {label} stands for its name, {a_label} for the name with its "
        "English article, {camera} for the name of the camera; empty: the language's own, "
        '"I see {a_label}" in English',
    )
    phrases: dict[str, str] = setting({}, "what is said of particular labels instead")
    names: dict[str, str] = setting(
        {}, 'what labels are called in the language spoken, such as daisy = "ein Gänseblümchen"'
    )
    nothing_phrase: str = setting(
        "", "what is said once nothing was seen for a while after something; empty: nothing"
    )
    nothing_after_s: float = setting(30.0, "how long that while is", minimum=0.1, maximum=86400)
    cooldown_s: float = setting(
        5.0, "how long a label is not said again after it was said", minimum=0, maximum=86400
    )
    quiet_hours: str = setting(
        "", "times of day at which nothing is said, such as 22:00-07:00; several with commas"
    )
    chime: str = setting(
        "none",
        "a short sound of two bells, before each phrase or instead of it",
        choices=("none", "before", "instead"),
    )
    output: str = setting(
        "auto",
        "auto (any player), pw-play, paplay, aplay, or wav:FILE or wav:FOLDER/ to record the "
        "speech; of several with commas between, the first that works",
    )
    device: str = setting("", "the player's device, such as plughw:1 for aplay; empty: default")
    lead_in_s: float = setting(
        0.0,
        "silence before each phrase, for loudspeakers that swallow its beginning (HDMI, "
        "Bluetooth)",
        minimum=0,
        maximum=5,
    )
    interrupt: bool = setting(True, "a new label interrupts the phrase of the last one")
    prewarm: int = setting(
        1000, "how many labels' phrases are made at start, in the background", minimum=0
    )
    cache_dir: str = setting(
        "auto", 'folder that keeps made phrases; "auto" is the user\'s cache folder'
    )
    cache_max_mb: int = setting(64, "how large that folder may grow", minimum=1)
    timeout_s: float = setting(
        5.0, "how long a player may take beyond the phrase itself", minimum=0.1, maximum=60
    )
    synthesis_timeout_s: float = setting(
        10.0, "how long making a phrase may take", minimum=0.1, maximum=120
    )

    @property
    def spoken_language(self) -> str:
        """The language of the phrases, by its two or three letters: en, de, fr."""
        return language_of(self.language) or language_of(self.voice) or DEFAULT_LANGUAGE

    @property
    def voice_settings(self) -> VoiceSettings:
        """What an engine needs to know."""
        return VoiceSettings(self.voice, self.language, self.rate_wpm, self.volume)


def language_of(voice: str) -> str:
    """The language a voice's name begins with, "" where it begins with none.

    ``de``, ``gmw/de``, ``en-gb``, ``de_DE-thorsten-medium``, ``voices/fr_FR-siwis.onnx``.
    """
    name = voice.rsplit("/", 1)[-1].replace("_", "-")
    language = name.split("-")[0].lower()
    return language if 2 <= len(language) <= 3 and language not in _FLITE_VOICES else ""


_FLITE_VOICES = frozenset({"awb", "kal", "rms", "slt"})
