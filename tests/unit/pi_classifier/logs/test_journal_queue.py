"""Entries on their way to a journal that comes and goes."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from pi_classifier.errors import SinkError
from pi_classifier.logs.events import Event
from pi_classifier.logs.journal_queue import Outbox

LONG_S = 10.0
SHORT_S = 0.001


class Journal:
    """Takes entries, or not; `tried` is set with every attempt."""

    def __init__(self, *, there: bool = True) -> None:
        self.there = there
        self.entries: list[tuple[str, Mapping[str, str]]] = []
        self.tried = threading.Event()

    def __call__(self, message: str, fields: Mapping[str, str]) -> None:
        self.tried.set()
        if not self.there:
            raise SinkError("away")
        self.entries.append((message, fields))

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.entries]


def test_sends_in_order() -> None:
    journal, spilled = Journal(), Journal()
    outbox = Outbox(journal, spilled)
    for number in range(100):
        outbox.put(str(number), {"N": str(number)})
    outbox.close(LONG_S)
    outbox.close(LONG_S)
    assert journal.entries == [(str(n), {"N": str(n)}) for n in range(100)]
    assert not spilled.entries


def test_waits_for_a_journal_that_comes_back() -> None:
    journal, spilled = Journal(there=False), Journal()
    outbox = Outbox(journal, spilled, retry_s=SHORT_S)
    outbox.put("a", {})
    outbox.put("b", {})
    for _ in range(3):  # tried again and again
        assert journal.tried.wait(LONG_S)
        journal.tried.clear()
    journal.there = True
    outbox.close(LONG_S)
    assert journal.texts == ["a", "b"]
    assert not spilled.entries


def test_what_does_not_fit_is_counted_and_told() -> None:
    journal = Journal(there=False)
    outbox = Outbox(journal, Journal(), capacity=2, retry_s=SHORT_S)
    outbox.put("a", {})
    assert journal.tried.wait(LONG_S)  # "a" is out of the queue now
    for text in "bcdef":
        outbox.put(text, {})
    journal.there = True
    journal.tried.clear()
    assert journal.tried.wait(LONG_S)
    outbox.close(LONG_S)
    assert [text for text in journal.texts if len(text) == 1] == ["a", "b", "c"]
    [(message, fields)] = [each for each in journal.entries if len(each[0]) > 1]
    assert message.startswith("3 messages are missing here")
    assert fields["MESSAGE_ID"] == Event.LOG_LOST.value
    assert fields["LOST"] == "3"


def test_what_cannot_be_sent_at_the_end_is_spilled() -> None:
    journal, spilled = Journal(there=False), Journal()
    outbox = Outbox(journal, spilled, retry_s=LONG_S)
    outbox.put("a", {"PRIORITY": "4"})
    outbox.put("b", {})
    outbox.close(LONG_S)
    outbox.put("c", {})
    assert spilled.entries == [("a", {"PRIORITY": "4"}), ("b", {}), ("c", {})]


def test_a_journal_that_hangs_holds_nobody_up() -> None:
    hung, release = threading.Event(), threading.Event()

    def hang(message: str, fields: Mapping[str, str]) -> None:
        hung.set()
        release.wait(LONG_S)

    outbox = Outbox(hang, Journal(), capacity=10)
    for _ in range(1000):
        outbox.put("x", {})
    assert hung.wait(LONG_S)
    outbox.close(SHORT_S)
    assert outbox._thread.is_alive()
    release.set()
    outbox.close(LONG_S)
    assert not outbox._thread.is_alive()
