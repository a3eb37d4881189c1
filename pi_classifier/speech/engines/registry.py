"""The engines by name."""

from __future__ import annotations

from pi_classifier.errors import ConfigError
from pi_classifier.speech.engines.base import ENGINES, Engine, VoiceSettings


def open_engine(name: str, settings: VoiceSettings) -> Engine:
    """The engine of that name; raises `ConfigError` for a name it does not know."""
    from pi_classifier.speech.engines.espeak import EspeakEngine, Pyttsx3Engine
    from pi_classifier.speech.engines.flite import FliteEngine
    from pi_classifier.speech.engines.piper import PiperEngine

    match name:
        case "pyttsx3":
            return Pyttsx3Engine(settings)
        case "espeak-ng":
            return EspeakEngine(settings)
        case "flite":
            return FliteEngine(settings)
        case "piper":
            return PiperEngine(settings)
    raise ConfigError(f"speech.engine = {name!r}: expected one of {', '.join(ENGINES)}")
