"""The kinds of event the log tells of, each with the number the journal knows it by.

    _logger.warning("the camera gave no frame", extra=entry(Event.CAMERA_LOST, CAMERA="pi"))

`journalctl MESSAGE_ID=...` finds all of a kind, and `journalctl -x` explains them from
systemd/pi-classifier.catalog. A number is given once and never changed or used again,
so that searches and old journals keep their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeAlias, TypedDict

FieldValue: TypeAlias = str | int | float

# What the log itself gives to every entry.
RESERVED: Final = frozenset(
    {
        "CODE_FILE",
        "CODE_FUNC",
        "CODE_LINE",
        "EXCEPTION",
        "LOGGER",
        "MESSAGE",
        "MESSAGE_ID",
        "PRIORITY",
        "SYSLOG_IDENTIFIER",
        "THREAD",
    }
)
# systemd.journal-fields(7): a leading underscore is the journal's own, 64 is the most.
_FIELD_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class Event(Enum):
    """One kind of event; the value is its ``MESSAGE_ID``, 128 bits as 32 hex digits."""

    STARTED = "45e629b8e904491bad8c604cd27a896e"
    """The program runs; says what it loaded."""
    READY = "69cae793449b490592b456e50cd90dac"
    """The first frame was classified."""
    DECISION = "151d8635aaba4cae911fedf37aa730a2"
    """What is seen has changed."""
    COUNTERS = "f811d54a39ff4ca59ace28d9703cbe30"
    """What was counted, once a minute."""
    CAMERA_WAITING = "fc96a280c4934d1db2c704e15fa2e30a"
    """There is no camera yet at the start; it is waited for."""
    CAMERA_LOST = "e9034ddf6861452da4cb185504768643"
    """A camera that gave frames stopped."""
    CAMERA_STEP = "ce57d2bbb2e842ecb138be7ef180c2db"
    """One step of bringing the camera back."""
    CAMERA_RECOVERED = "fcab69c814d346578e3e51f183dcfad1"
    """The camera gives frames again."""
    CAMERA_GIVEN_UP = "822eb883efd04c4a896f8f593c28df86"
    """The camera did not come back in time; the program ends."""
    RELOADED = "8fd62d61030e423f9c57a0535309c544"
    """A changed configuration is in force."""
    RELOAD_REFUSED = "4516df5510f84c2d8fecd5c758063587"
    """A changed configuration has an error; the old one stays."""
    CONFIG_REFUSED = "d31c5f5d58fa4822a982deb9b4cfde04"
    """The configuration has an error; the program ends."""
    MODEL_REFUSED = "d12bfde01f9743d78b98f9e2b7cb379d"
    """The model cannot be used; the program ends."""
    INFERENCE_FAILED = "d8e810ce16ae443db369bf9369377396"
    """The runtime failed on a model that it could run before; the program ends."""
    SINK_FAILED = "22f0f75f43204d1d9309f053c17aacd7"
    """Speech, a file or another receiver of decisions does not work; the rest goes on."""
    SINK_RECOVERED = "b2d3c98f9b7447dd98c660bf4561297b"
    """It works again."""
    STUCK = "b79ca536edcf4e6dbc4cad8b741083f6"
    """No frame passes, although nothing is waited for."""
    STOPPING = "a7122ef2600341738a92741e5845ebed"
    """Asked to stop."""
    ENDED = "262d8550cd0e42f48d3ee3cddf7b8a60"
    """The program has ended; says what was counted."""
    REPEATED = "fa7a8069fe9142b4b8bbf450d0feab4b"
    """How often a message that came too often was held back."""
    LOG_LOST = "ea0624fc3df3444b914e545a204fe1b9"
    """Messages are missing: more came than the journal, or whoever reads stderr, took."""
    STATE_TAKEN = "7650ef4dde604fba8f5799a3b3e1c1e9"
    """Another copy of the program holds the state folder; the program ends."""
    SYSTEM_REFUSED = "86255550873b48e9b08e9a0d4f45571d"
    """The system refused: no space, no permission; the program ends."""
    FAULT = "1c1118c9e28c41ca92109ed7e73ed050"
    """A mistake in the program itself."""


class EventFields(TypedDict):
    """What `entry` adds to a log record."""

    event: Event
    fields: Mapping[str, FieldValue]


def entry(event: Event, **fields: FieldValue) -> EventFields:
    """The `extra` of a log call: the kind of event and its journal fields.

    Raises `ValueError` for a field that is not upper case or that every entry has.
    """
    for name in fields:
        if not _FIELD_NAME.fullmatch(name) or name in RESERVED:
            raise ValueError(
                f"journal field {name!r}: expected capitals, digits and _, and none of "
                f"{', '.join(sorted(RESERVED))}"
            )
    return {"event": event, "fields": fields}
