"""Reading a settings dataclass: types, bounds, words and TOML of every field type."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.config.schema import keys_of, to_toml
from pi_classifier.setting import setting


@dataclass(frozen=True, slots=True)
class Everything:
    """One field of every allowed type."""

    text: str = setting("a", "text")
    mode: str = setting("slow", "mode", choices=("slow", "fast"))
    count: int = setting(3, "count", minimum=1, maximum=9)
    share: float = setting(0.5, "share", minimum=0.0, maximum=1.0)
    high: float = setting(2.0, "high", minimum=1.5)
    low: float = setting(2.0, "low", maximum=3)
    flag: bool = setting(False, "flag")
    maybe: int | None = setting(None, "maybe", minimum=0)
    names: tuple[str, ...] = setting((), "names")
    modes: tuple[str, ...] = setting((), "modes", choices=("slow", "fast"))
    size: tuple[int, int] = setting((640, 480), "size", minimum=1)
    mean: tuple[float, float, float] = setting((0.0, 0.0, 0.0), "mean")
    phrases: dict[str, str] = setting({}, "phrases")
    rate: float = setting(0.1, "rate", above=0)
    part: float = setting(0.1, "part", above=0, maximum=1)
    folder: Path | None = setting(None, "folder")
    pace: Literal["walk", "run"] = setting("walk", "pace")
    paces: tuple[Literal["walk", "run"], ...] | None = setting(None, "paces")
    unset: list[int] = field(default_factory=list)  # no setting


KEYS = keys_of("all", Everything)


def test_keys_come_in_order_with_what_was_declared() -> None:
    assert list(KEYS)[:3] == ["text", "mode", "count"]
    count = KEYS["count"]
    assert (count.path, count.type, count.default, count.doc) == ("all.count", int, 3, "count")
    assert KEYS["phrases"].default == {}
    assert KEYS["maybe"].optional
    assert not count.optional
    assert "unset" not in KEYS


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text", "a string"),
        ("mode", 'one of "slow", "fast"'),
        ("count", "a whole number from 1 to 9"),
        ("share", "a number from 0 to 1"),
        ("high", "a number, 1.5 or more"),
        ("low", "a number, 3 or less"),
        ("flag", "true or false"),
        ("maybe", 'a whole number, 0 or more, or "none"'),
        ("names", "a list of strings"),
        ("modes", 'a list, each one of "slow", "fast"'),
        ("size", "a list of 2 whole numbers, 1 or more"),
        ("mean", "a list of 3 numbers"),
        ("phrases", "a table of strings"),
        ("rate", "a number above 0"),
        ("part", "a number above 0, 1 at most"),
        ("folder", 'a path, or "none"'),
        ("pace", 'one of "walk", "run"'),
        ("paces", 'a list, each one of "walk", "run", or "none"'),
    ],
)
def test_what_is_allowed_in_words(name: str, words: str) -> None:
    assert KEYS[name].allowed == words


@pytest.mark.parametrize(
    ("name", "given_value", "taken"),
    [
        ("text", "", ""),
        ("text", "none", "none"),
        ("mode", "fast", "fast"),
        ("count", 1, 1),
        ("count", 9, 9),
        ("share", 0, 0.0),
        ("share", 1, 1.0),
        ("high", 1.5, 1.5),
        ("low", 3, 3.0),
        ("flag", True, True),
        ("maybe", 0, 0),
        ("maybe", "none", None),
        ("maybe", None, None),
        ("names", ["a", ""], ("a", "")),
        ("names", [], ()),
        ("modes", ["fast"], ("fast",)),
        ("size", [1, 2], (1, 2)),
        ("mean", [1, 2.5, -3], (1.0, 2.5, -3.0)),
        ("phrases", {"daisy": "a daisy"}, {"daisy": "a daisy"}),
    ],
)
def test_values_taken(name: str, given_value: object, taken: Any) -> None:
    value = KEYS[name].check(given_value)
    assert value == taken
    assert type(value) is type(taken)
    if isinstance(taken, tuple):
        assert [type(each) for each in value] == [type(each) for each in taken]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", 1),
        ("text", None),
        ("text", "broken \udcff bytes"),
        ("mode", "Fast"),
        ("count", 0),
        ("count", 10),
        ("count", 3.0),
        ("count", True),
        ("count", "3"),
        ("count", "none"),
        ("share", math.nextafter(0, -1)),
        ("share", math.nextafter(1, 2)),
        ("share", math.nan),
        ("share", True),
        ("high", math.inf),
        ("high", math.nextafter(1.5, 0)),
        ("low", math.nextafter(3, 4)),
        ("flag", 1),
        ("flag", "true"),
        ("maybe", -1),
        ("maybe", []),
        ("names", "a"),
        ("names", [1]),
        ("modes", ["fast", "quick"]),
        ("size", [1]),
        ("size", [1, 2, 3]),
        ("size", [0, 2]),
        ("size", [True, 2]),
        ("mean", [1, 2]),
        ("phrases", {"daisy": 1}),
        ("phrases", ["daisy"]),
    ],
)
def test_values_refused_with_what_is_allowed(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        KEYS[name].check(value)
    assert str(refused.value).startswith(KEYS[name].allowed)


TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from('"\\\n\x7f\x00#='))
VALUES: st.SearchStrategy[Any] = (
    TEXT
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.lists(TEXT)
    | st.dictionaries(TEXT, TEXT)
)


@given(VALUES)
def test_toml_reads_back(value: object) -> None:
    text = to_toml(value)
    assert "\n" not in text
    assert tomllib.loads(f"v = {text}")["v"] == value


def test_none_reads_back_as_none() -> None:
    assert KEYS["maybe"].check(tomllib.loads(f"v = {to_toml(None)}")["v"]) is None


def test_tuples_are_lists() -> None:
    assert to_toml((1, 2.0, "x", True)) == '[1, 2.0, "x", true]'


@pytest.mark.parametrize(
    ("name", "value"), [("text", "a\0b"), ("names", ["a\0"]), ("phrases", {"daisy": "\0"})]
)
def test_text_that_no_file_can_be_named_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="without zero bytes"):
        KEYS[name].check(value)


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e300, 2e9])
def test_numbers_that_fit_no_unit_are_refused(value: float) -> None:
    key = keys_of("x", Numbers)["seconds"]
    with pytest.raises(ValueError, match=r"a number, 1e\+(09|15) at most"):
        key.check(value)


def test_numbers_up_to_the_largest_are_taken() -> None:
    keys = keys_of("x", Numbers)
    assert keys["seconds"].check(10**9) == 1e9
    assert keys["count"].check(10**15) == 10**15
    with pytest.raises(ValueError, match="a whole number"):
        keys["count"].check(10**15 + 1)


def test_a_number_of_many_digits_is_not_written_out() -> None:
    key = keys_of("x", Numbers)["count"]
    assert key.shown_toml(10**5000) == "a number of about 5000 digits"
    assert key.shown_toml(12) == "12"


@dataclass(frozen=True)
class Numbers:
    seconds: float = setting(1.0, "seconds")
    count: int = setting(1, "count")
