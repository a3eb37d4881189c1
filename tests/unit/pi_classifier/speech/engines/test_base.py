"""What engines have in common: how voices are named to a user who mistyped one."""

from __future__ import annotations

from pi_classifier.speech.engines.base import Voice, similar


def test_similar_voices() -> None:
    known = [Voice("en-gb", "en-gb"), Voice("de", "de"), Voice("slt", "en"), Voice("eo", "eo")]
    assert similar("en_GB", known) == ["en-gb", "slt"]
    assert similar("xx", known) == []
