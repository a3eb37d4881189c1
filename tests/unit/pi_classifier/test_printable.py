from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.printable import is_visible, one_line, printable, printable_lines

HOSTILE = {
    "a color": "\x1b[31mred\x1b[0m",
    "a window's title": "\x1b]0;title\x07red",
    "a link": "\x1b]8;;http://a.example\x1b\\red\x1b]8;;\x1b\\",
    "a reset": "\x1bcred",
    "another alphabet": "\x1b(0red",
    "half a sequence": "\x1b[red\x1b",
    "C1 controls": "\x9b31m\x85red\x9d0;title\x9c",
    "back over the line": "green\rred",
    "backspaces": "rod\b\bed",
    "bells, NUL and DEL": "\a\0\x7fred",
    "another line": "red\nforged: 1.00",
    "Unicode's line ends": "red\u2028forged\u2029forged",
    "turned around": "\u202eder\u202c",
    "isolated": "\u2066red\u2067\u2068\u2069",
    "without width": "r\u200be\u2060d\ufeff\u00ad\u180e",
    "joiners between Latin letters": "r\u200de\u200cd",
    "marks of direction": "\u200ered\u200f\u061c",
    "hidden letters": "red\U000e0072\U000e0065\U000e007f",
    "half a character": "red\ud800",
    "bytes that are no text": "red\udce9",
    "notes of music": "\U0001d173red",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_steers_or_hides_is_gone(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07red", "red"),
        ("one\r\n\ttwo", "one two"),
        ("caf\udce9.jpg", "caf\\xe9.jpg"),
        ("a\ud800b", "a\ufffdb"),
        ("\u202ered", "red"),
        ("two  spaces ", "two  spaces "),
        ("no-break\u00a0space", "no-break\u00a0space"),
    ],
)
def test_what_is_left(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Gänseblümchen", "ворона", "ひなぎく", "데이지", "雛菊", "ดอกเดซี่", "ዴዚ", "ᐃᓄᒃᑎᑐᑦ",
        "زهرة الأقحوان", "חיננית", "גם C++\u200f", "قیمت \u200e5%",
        "می\u200cخواهم", "کتاب\u200cها", "ه\u200d",
        "क्\u200dष", "क्\u200cष", "ശ്രീ\u200d", "ක්\u200dෂ", "ᠮᠣᠩᠭᠣᠯ",
        "👩\u200d👩\u200d👧\u200d👦", "❤\ufe0f\u200d🔥", "👨🏽\u200d🚀", "🏳\ufe0f\u200d🌈",
        "🧔🏻\u200d♂\ufe0f",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "🇳🇱", "1\ufe0f⃣", "☕",
        "葛\U000e0100城", "e\u0301", "2 ½ m² → 5 %",
    ],
)  # fmt: skip
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text
    assert is_visible(text)


@given(
    st.text(st.characters(exclude_categories=[]) | st.sampled_from("\x1b[]0m\x9b\u202e\n\u200d"))
)
def test_any_text(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    shown.encode()
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert "\n" not in one_line(text)
    assert all(line[:1] == " " for line in printable_lines(text).split("\n")[1:])


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_letters_and_signs_stay(text: str) -> None:
    assert printable(text) == text


def test_long_text_is_cut() -> None:
    assert printable("x" * 11, 10) == "xxxxxxxxx…"
    assert printable("x" * 10, 10) == "x" * 10


@pytest.mark.parametrize("part", ["\x1b]", "\x1b[1", "\x9d", "\u200d", "\U0001f3f4\U000e0067"])
def test_the_work_grows_with_the_text_alone(part: str) -> None:
    """Looked through again from each of its beginnings, a text of this length would take hours."""
    assert len(printable(part * 200_000)) <= len(part) * 200_000


def test_lines_of_a_message() -> None:
    assert printable_lines("2 errors:\n  one\ntwo\x1b[1m") == "2 errors:\n  one\n  two"
    assert one_line("2 errors:\n  one\n\n  two\r") == "2 errors: one; two"


def test_what_cannot_be_seen() -> None:
    assert not any(map(is_visible, ("", " ", "\u3000", "\u3164", "\u2800", "\u0301", "\ufe0f")))
    assert all(map(is_visible, ("a", "0", "-", "☕", "花", "_")))
