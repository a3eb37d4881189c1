"""Decisions into the journal with fields to search by, or into the log on stderr."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pi_classifier.logs.events import Event, entry
from pi_classifier.logs.handlers import journal_queue, log_queue
from pi_classifier.logs.log_queue import Entry, LogQueue
from pi_classifier.printable import printable
from pi_classifier.setting import setting
from pi_classifier.sinks.queued_sink import CLOSE_S
from pi_classifier.speech.phrases import Phrases
from pi_classifier.system.systemd import journal_sender, under_journal
from pi_classifier.types import Box, Decision

_logger = logging.getLogger(__name__)
_PHRASES = Phrases()


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where decisions are logged."""

    enabled: bool = setting(True, "log decisions")
    destination: str = setting(
        "auto",
        "auto: with the rest of the log, so in the journal with fields when run as a service; "
        "journal: there from a terminal too; stderr: with the rest of the log, without fields",
        choices=("auto", "journal", "stderr"),
    )


def on_stderr(settings: LogSettings) -> bool:
    """Whether decisions are logged on stderr, as the log is set up now."""
    elsewhere = settings.destination == "journal" or under_journal()
    return settings.enabled and not elsewhere and _logger.isEnabledFor(logging.INFO)


class LogSink:
    """Logs each decision as a sentence, in the journal with its fields beside it.

    `model_sha256` maps model names to the SHA-256 of their files. Decisions go through
    the queue of the program's log, which never waits and which other messages go through
    as well; asked for the journal by name where the log is not in it, through one of the
    sink's own. Raises `SinkError` when the journal was asked for by name and there is none.
    """

    def __init__(
        self, settings: LogSettings, *, model_sha256: Mapping[str, str] | None = None
    ) -> None:
        self.name = "log"
        self._model_sha256 = dict(model_sha256 or {})
        self._with_fields = settings.destination != "stderr"
        self._closed = False
        self._late = 0
        self._journal: LogQueue | None = None
        if settings.destination == "journal":
            send = journal_sender()  # raises when there is none
            if not under_journal():
                self._journal = journal_queue(send)

    @property
    def busy(self) -> bool:
        """Whether something is being logged."""
        queue = self._queue
        return queue is not None and queue.busy

    @property
    def dropped(self) -> int:
        """How many messages were not logged, decisions and others."""
        queue = self._queue
        return self._late + (0 if queue is None else queue.dropped)

    @property
    def failures(self) -> int:
        """How many attempts to write to the log have failed."""
        queue = self._queue
        return 0 if queue is None else queue.failures

    def emit(self, decision: Decision) -> None:
        """Queue the decision."""
        if self._closed:
            self._late += 1
            return
        if not _logger.isEnabledFor(logging.INFO):
            return
        text = message(decision)
        own = fields(decision, self._model_sha256) if self._with_fields else {}
        if self._journal is None:
            _logger.info("%s", text, extra=entry(Event.DECISION, **own))
        else:
            self._journal.put(Entry(text, {"MESSAGE_ID": Event.DECISION.value, **own}))

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Log what waits; gives up after `timeout_s`."""
        self._closed = True
        if self._journal is not None:
            self._journal.close(timeout_s)
        elif (queue := log_queue()) is not None:
            queue.flush(timeout_s)

    @property
    def _queue(self) -> LogQueue | None:
        return self._journal or log_queue()


def message(decision: Decision | None) -> str:
    """What a person reads: ``I see a daisy (0.93)``, of several ``I see a and b (0.93, 0.8)``.

    Where frames are looked at in parts it says where: ``I see a daisy (0.93) at the upper left``.
    The name of a camera that has one comes first: ``garden: I see a daisy (0.93)``.
    """
    if decision is not None and decision.camera:
        return f"{decision.camera}: {message(replace(decision, camera=''))}"
    if decision is None or decision.label is None:
        unknown = decision is not None and decision.unknown
        return "I see something unknown" if unknown else "I see nothing I know"
    scores = [decision.score]
    if decision.several is not None:
        scores = [category.score for category in decision.several.in_force]
    shown = ", ".join(f"{score:.2f}" for score in scores)
    place = "" if decision.box is None else f" {place_words(decision.box)}"
    if decision.picture is not None:
        place += f" in {printable(decision.picture)}"
    return f"{_PHRASES.of_all(decision.in_force)} ({shown}){place}"


def place_words(box: Box) -> str:
    """Where in the frame the middle of a box is, by thirds: ``at the upper left``."""
    across = _third(box[0] + box[2] / 2, "left", "right")
    down = _third(box[1] + box[3] / 2, "upper", "lower")
    if across and down:
        return f"at the {down} {across}"
    if down:
        return f"in the {down} part"
    return f"at the {across}" if across else "in the middle"


def _third(place: float, first: str, last: str) -> str:
    return first if place < 1 / 3 else last if place > 2 / 3 else ""


def fields(decision: Decision, model_sha256: Mapping[str, str]) -> dict[str, str]:
    """The journal fields of a decision; what is not known is left out."""
    values = {
        "LABEL": decision.label or "",
        "SCORE": f"{decision.score:.4f}",
        "STAGE": str(decision.stage),
        "MODEL": decision.model,
        "FRAME": str(decision.sequence),
    }
    if decision.several is not None:
        values["LABELS"] = ", ".join(decision.in_force)
        values["ANNOUNCED"] = ", ".join(decision.announced)
    if decision.camera:
        values["CAMERA"] = decision.camera
    if decision.visit is not None:
        values["VISIT"] = str(decision.visit)
    if decision.box is not None:
        values["BOX"] = " ".join(f"{side:.4f}" for side in decision.box)
    if decision.unknown:
        values["UNKNOWN"] = "1"
    if decision.model in model_sha256:
        values["MODEL_SHA256"] = model_sha256[decision.model]
    if decision.picture is not None:
        values["PICTURE"] = printable(decision.picture)
    if decision.latency_ns:
        values["LATENCY_MS"] = f"{decision.latency_ns / 1e6:.3f}"
    return values
