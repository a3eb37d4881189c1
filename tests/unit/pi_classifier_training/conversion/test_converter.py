"""What is said where the TFLite converter refuses a network."""

from __future__ import annotations

import pytest
from pi_classifier_training.conversion.converter import refusal

NEEDED = ("Foo", "Bar", "Foo")
GRAPH = 'loc(callsite("f"))): ' + "x" * 1_000_000


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (
            "".join(
                f"{GRAPH}\n'tf.{x}' op is neither a custom op nor a flex op\n" for x in NEEDED
            ),
            "net: uses what TFLite has no operation for (Bar, Foo)",
        ),
        (f"\n\n  failed to legalize\n{GRAPH}", "converter failed on net: failed to legalize"),
        ("", "converter failed on net: ValueError('')"),
    ],
)
def test_is_one_short_line(said: str, heard: str) -> None:
    message = str(refusal("net", ValueError(said)))
    assert heard in message
    assert "\n" not in message
    assert len(message) < 400
    assert len(str(refusal("net", ValueError(GRAPH)))) < 400
