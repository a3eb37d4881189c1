"""Nothing of a user, a password or a query is left in what is shown."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pi_classifier.masking import masked, masked_address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://me:secret@host:554/x", "rtsp://***@host:554/x"),
        ("rtsp://me:se:c@ret@host/x", "rtsp://***@host/x"),
        ("RTSPS://:secret@host", "RTSPS://***@host"),
        ("rtsp://me@host/x", "rtsp://***@host/x"),
        ("rtsp://admin:abc/def@host", "rtsp://***@host"),
        ("rtsp://admin:p@ss/w0rd@host:8554/a/b", "rtsp://***@host:8554/a/b"),
        ("rtsp://admin:p@ss#w0rd?1@host:8554/a/b", "rtsp://***"),
        ("http://host/video?to=me@home", "http://***"),
        ("http://host/video?user=a&pwd=b", "http://host/video?***"),
        ("http://host/video#user=a", "http://host/video#***"),
        ("rtsp://host/user=a_password=b_channel=1/stream", "rtsp://host/***/stream"),
        ("http://host:80/cgi-bin/snapshot.jpg", "http://host:80/cgi-bin/snapshot.jpg"),
        ("waits for http://a:b@c and rtsp://d:e@f", "waits for http://***@c and rtsp://***@f"),
        ("says 'rtsp://a:b c@d': no", "says 'rtsp://***@d': no"),
        (r'source = "rtsp://a:b\"c d@e"', 'source = "rtsp://***@e"'),
        ("replay:/home/me:x@y", "replay:/home/me:x@y"),
        ("/home/me:x@y: no such file", "/home/me:x@y: no such file"),
        ('sorce = "me:secret@host/x": no', 'sorce = "***@host/x": no'),
        ("--set camera=rtsp:/me:secret@host:9/x: expected", "--set camera=***@host:9/x: expected"),
        ("rtsp:me:se/cret@host is none", "***@host is none"),
        ("fault 'disappear@40:3'", "fault 'disappear@40:3'"),
        ("emulated", "emulated"),
    ],
)
def test_addresses_in_a_text(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://me:two words@host/x", "rtsp://***@host/x"),
        ("me:secret@host/x", "***@host/x"),
        ("http:/me:secret@host", "***@host"),
        ("emulated", "emulated"),
    ],
)
def test_what_was_meant_as_an_address(address: str, shown: str) -> None:
    assert masked_address(address) == shown


# None of these letters is in the rest of the addresses below.
PASSWORDS = st.text(st.sampled_from("QZ@:/?#=%&' \""), min_size=1).filter(
    lambda text: "Q" in text or "Z" in text
)


@given(PASSWORDS, st.sampled_from(["rtsp://u:{}@host/x", "http://u:{}@host:1?{}", "rtsp://{}@h"]))
@example("Q@h", "rtsp://u:{}@host/x")
def test_no_letter_of_a_password_is_shown(password: str, address: str) -> None:
    assert not {"Q", "Z"} & set(masked_address(address.replace("{}", password)))
    escaped = address.replace("{}", password).replace("\\", "\\\\").replace('"', '\\"')
    assert not {"Q", "Z"} & set(masked(f'camera.source = "{escaped}": expected'))


def test_masking_twice_is_masking_once() -> None:
    once = masked("rtsp://me:secret@host/a=b?c")
    assert masked(once) == once
