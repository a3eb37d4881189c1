"""Entries on their way to the journal, sent by a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from queue import SimpleQueue
from typing import TypeAlias

from pi_classifier.errors import SinkError
from pi_classifier.logs.events import Event, entry
from pi_classifier.system.systemd import Send

Letter: TypeAlias = tuple[str, Mapping[str, str]]

CAPACITY = 1000
RETRY_S = 0.5
CLOSE_S = 1.0


class Outbox:
    """Takes entries without ever waiting and sends them in order.

    While the journal is away (it is being restarted, say) entries wait for it and are
    tried again every `retry_s`; beyond `capacity` they are dropped, and the number is
    sent as soon as the journal is back. `spill` takes what could not be sent when it is
    closed, if the journal is still away then.
    """

    def __init__(
        self,
        send: Send,
        spill: Send,
        *,
        capacity: int = CAPACITY,
        retry_s: float = RETRY_S,
    ) -> None:
        self._send = send
        self._spill = spill
        self._capacity = capacity
        self._retry_s = retry_s
        self._letters: SimpleQueue[Letter | None] = SimpleQueue()
        self._closing = threading.Event()
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def put(self, message: str, fields: Mapping[str, str]) -> None:
        """Send an entry soon; one caller at a time."""
        if self._closing.is_set():
            self._spill(message, fields)
        elif self._letters.qsize() >= self._capacity:
            self._dropped += 1
        else:
            self._letters.put((message, fields))

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Send what waits, for at most `timeout_s`; later entries go to `spill`."""
        if not self._closing.is_set():
            self._closing.set()
            self._letters.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        told = 0
        while (letter := self._letters.get()) is not None:
            self._deliver(*letter)
            dropped = self._dropped
            if dropped > told:
                self._deliver(*_loss(dropped - told))
                told = dropped

    def _deliver(self, message: str, fields: Mapping[str, str]) -> None:
        while True:
            last_try = self._closing.is_set()
            try:
                self._send(message, fields)
            except SinkError:
                if last_try:
                    self._spill(message, fields)
                    return
                self._closing.wait(self._retry_s)
            else:
                return


def _loss(count: int) -> Letter:
    text = f"{count} messages are missing here: the journal was away for too long"
    lost = entry(Event.LOG_LOST, LOST=count)
    fields = {name: str(value) for name, value in lost["fields"].items()}
    return text, {"PRIORITY": "4", "MESSAGE_ID": lost["event"].value, **fields}
