"""The kinds of event: their numbers, their fields, their catalog, and where they are logged."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pi_classifier.logs.events import RESERVED, Event, entry

ROOT = Path(__file__).resolve().parents[4]
CATALOG = ROOT / "systemd" / "pi-classifier.catalog"
SOURCES = sorted((ROOT / "pi_classifier").rglob("*.py"))

# What the journal itself adds to every entry of a service.
OF_THE_JOURNAL = {"_SYSTEMD_UNIT"}
_PLACEHOLDER = re.compile(r"@([A-Z0-9_]+)@")


@dataclass
class Page:
    """One entry of the catalog."""

    headers: dict[str, str]
    text: str

    @property
    def fields(self) -> set[str]:
        return {*_PLACEHOLDER.findall(self.text), *_PLACEHOLDER.findall(self.headers["Subject"])}


@functools.cache
def pages() -> dict[str, Page]:
    found = {}
    for chunk in re.split(r"^-- ", CATALOG.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, text = chunk.partition("\n\n")
        identifier, *headers = head.splitlines()
        assert identifier not in found, f"{identifier} is there twice"
        found[identifier] = Page(dict(each.split(": ", 1) for each in headers), text)
    return found


@functools.cache
def told_in_the_program() -> tuple[tuple[Event | None, set[str] | None, str], ...]:
    return tuple(_told())


def _told() -> Iterator[tuple[Event | None, set[str] | None, str]]:
    """Every call of `entry` with its fields, and every other `Event.X` of the program.

    In some calls the kind of event is a variable: None.
    """
    for path in SOURCES:
        if path.name == "events.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "entry":
                first = node.args[0] if node.args else None
                names = {each.arg for each in node.keywords if each.arg is not None}
                event = Event[first.attr] if isinstance(first, ast.Attribute) else None
                yield event, names, f"{path.name}:{node.lineno}"
            elif (
                isinstance(node, ast.Attribute)
                and getattr(node.value, "id", "") == "Event"
                and node.attr in Event.__members__
            ):
                yield Event[node.attr], None, f"{path.name}:{node.lineno}"


def test_numbers_are_128_bits_and_different() -> None:
    numbers = [event.value for event in Event]
    assert len(set(numbers)) == len(numbers) == len(Event.__members__)
    assert all(re.fullmatch(r"[0-9a-f]{32}", number) for number in numbers)
    assert Event.READY.value == "69cae793449b490592b456e50cd90dac", "numbers never change"


def test_fields_are_given_as_they_are() -> None:
    assert entry(Event.CAMERA_LOST, CAMERA="pi", TRY=2, SCORE=0.5) == {
        "event": Event.CAMERA_LOST,
        "fields": {"CAMERA": "pi", "TRY": 2, "SCORE": 0.5},
    }


@pytest.mark.parametrize(
    "name", ["camera", "_CAMERA", "1ST", "CAM-ERA", "", "Ä", "A\n", "A" * 65, *sorted(RESERVED)]
)
def test_what_the_journal_would_drop_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="journal field"):
        entry(Event.READY, **{name: "x"})
    entry(Event.READY, **{"A" * 64: "x"})


def test_the_catalog_explains_every_event_and_nothing_else() -> None:
    assert sorted(pages()) == sorted(event.value for event in Event)


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
def test_a_page_of_the_catalog_is_complete(event: Event) -> None:
    page = pages()[event.value]
    assert list(page.headers) == ["Subject", "Defined-By", "Support"]
    assert page.headers["Defined-By"] == "pi-classifier"
    assert len(page.headers["Subject"]) <= 72
    assert len(page.text.split()) >= 15
    assert all(len(line) <= 84 for line in page.text.splitlines())


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
def test_every_event_is_told_with_the_fields_its_page_shows(event: Event) -> None:
    told = [(names, where) for each, names, where in told_in_the_program() if each is event]
    assert told, f"{event} is never logged"
    needed = pages()[event.value].fields - OF_THE_JOURNAL
    calls = [(names, where) for names, where in told if names is not None]
    for names, where in calls:
        assert needed <= names, f"{where} lacks {needed - names}"
    by_variable = [names for each, names, _ in told_in_the_program() if each is None and names]
    assert calls or not needed or any(needed <= names for names in by_variable)


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
def test_numbers_in_a_page_are_those_of_events(event: Event) -> None:
    known = {each.value for each in Event}
    assert {*re.findall(r"[0-9a-f]{32}", pages()[event.value].text)} <= known


def test_the_guide_lists_the_events_as_the_catalog_names_them() -> None:
    guide = (ROOT / "docs" / "device" / "log.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (.+) \| `([0-9a-f]{32})` \|$", guide, flags=re.MULTILINE)
    words = {"@REPEATS@": "many", "@LOST@ messages": "Messages"}
    expected = []
    for number, page in pages().items():
        subject = page.headers["Subject"]
        for field, word in words.items():
            subject = subject.replace(field, word)
        expected.append((subject, number))
    assert listed == expected
