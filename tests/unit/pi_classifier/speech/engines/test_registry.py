"""Engines by the names of the settings."""

from __future__ import annotations

import pytest

from pi_classifier.errors import ConfigError
from pi_classifier.speech.engines.base import ENGINES, VoiceSettings
from pi_classifier.speech.engines.registry import open_engine


def test_every_engine_of_the_settings_is_there() -> None:
    assert [open_engine(name, VoiceSettings()).name for name in ENGINES] == list(ENGINES)
    with pytest.raises(ConfigError, match="expected one of pyttsx3, espeak-ng, flite, piper"):
        open_engine("festival", VoiceSettings())
