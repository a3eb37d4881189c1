"""The engines by name."""

from __future__ import annotations

from pi_classifier.errors import ConfigError
from pi_classifier.speech.engines.base import ENGINES, Engine, Speaking


def open_engine(name: str, speaking: Speaking) -> Engine:
    """The engine of that name; raises `ConfigError` for a name it does not know."""
    from pi_classifier.speech.engines.espeak import EspeakEngine, Pyttsx3Engine
    from pi_classifier.speech.engines.flite import FliteEngine
    from pi_classifier.speech.engines.piper import PiperEngine

    match name:
        case "pyttsx3":
            return Pyttsx3Engine(speaking)
        case "espeak-ng":
            return EspeakEngine(speaking)
        case "flite":
            return FliteEngine(speaking)
        case "piper":
            return PiperEngine(speaking)
    raise ConfigError(f"speech.engine = {name!r}: expected one of {', '.join(ENGINES)}")
