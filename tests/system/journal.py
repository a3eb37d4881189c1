"""Entries of the journal, as journalctl prints them.

The box's own journalctl: files of a newer systemd need not be readable for this machine's
library, and so for `systemd.journal.Reader`.
"""

from __future__ import annotations

import json
import os
import selectors
import time
from collections.abc import Callable, Iterator, Mapping

Entry = dict[str, str]
Match = Mapping[str, str] | Callable[[Entry], bool]


def lines_until(fd: int, deadline_s: float) -> Iterator[bytes]:
    """Lines from a pipe until it ends or the time has come."""
    held = b""
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline_s - time.monotonic())):
            data = os.read(fd, 1 << 16)
            if not data:
                return
            *whole, held = (held + data).split(b"\n")
            yield from whole


def entry_of(line: bytes | str) -> Entry:
    """A journal entry; values that are no text or come several times become text."""
    return {name: _text(value) for name, value in json.loads(line).items()}


def _text(value: object) -> str:
    if isinstance(value, list):
        if all(isinstance(each, int) for each in value):
            return bytes(value).decode("utf-8", "backslashreplace")
        return "\n".join(_text(each) for each in value)
    return "" if value is None else str(value)


def as_function(match: Match) -> Callable[[Entry], bool]:
    if callable(match):
        return match
    fields = match
    return lambda entry: all(entry.get(name) == value for name, value in fields.items())
