"""The language of what is said, by the settings."""

from __future__ import annotations

import pytest

from pi_classifier.speech.settings import SpeechSettings, language_of


@pytest.mark.parametrize(
    ("voice", "language"),
    [
        ("", ""),
        ("en-gb", "en"),
        ("gmw/en-us", "en"),
        ("de", "de"),
        ("de_DE-thorsten-medium", "de"),
        ("voices/fr_FR-siwis-medium.onnx", "fr"),
        ("yue", "yue"),
        ("slt", ""),
        ("klingon", ""),
    ],
)
def test_language_by_the_voice(voice: str, language: str) -> None:
    assert language_of(voice) == language
    assert SpeechSettings(voice=voice).spoken_language == (language or "en")
    assert SpeechSettings(voice=voice, language="es-419").spoken_language == "es"
