"""Decisions into the journal with fields to search by, or into the log on stderr."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from pi_classifier.logs.events import Event, entry
from pi_classifier.setting import setting
from pi_classifier.sinks.delivery_queue import CLOSE_S, DeliveryQueue
from pi_classifier.speech.phrases import Phrases
from pi_classifier.system.systemd import Send, journal_sender, under_journal
from pi_classifier.types import Decision

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


class LogSink:
    """Logs each decision as a sentence, in the journal with its fields beside it.

    `model_sha256` maps model names to the SHA-256 of their files; `send` replaces
    the journal. Raises `SinkError` when the journal was asked for by name and
    there is none.
    """

    def __init__(
        self,
        settings: LogSettings,
        *,
        model_sha256: Mapping[str, str] | None = None,
        send: Send | None = None,
    ) -> None:
        self._model_sha256 = dict(model_sha256 or {})
        self._send = send or _choose(settings.destination)
        self._queue = DeliveryQueue("log", self._write)

    @property
    def busy(self) -> bool:
        """Whether a decision is being logged."""
        return self._queue.busy

    @property
    def dropped(self) -> int:
        """How many decisions were not logged."""
        return self._queue.dropped

    def emit(self, decision: Decision) -> None:
        """Queue the decision."""
        if _logger.isEnabledFor(logging.INFO):
            self._queue.put(decision)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Log what waits."""
        self._queue.close(timeout_s)

    def _write(self, decision: Decision) -> None:
        self._send(message(decision), fields(decision, self._model_sha256))


def message(decision: Decision) -> str:
    """What a person reads: ``I see a daisy (0.93)``."""
    if decision.label is None:
        return "I see nothing I know"
    return f"{_PHRASES.of(decision.label)} ({decision.score:.2f})"


def fields(decision: Decision, model_sha256: Mapping[str, str]) -> dict[str, str]:
    """The journal fields of a decision; what is not known is left out."""
    found = {
        "LABEL": decision.label or "",
        "SCORE": f"{decision.score:.4f}",
        "STAGE": str(decision.stage),
        "MODEL": decision.model,
        "FRAME": str(decision.sequence),
    }
    if decision.model in model_sha256:
        found["MODEL_SHA256"] = model_sha256[decision.model]
    if decision.latency_ns:
        found["LATENCY_MS"] = f"{decision.latency_ns / 1e6:.3f}"
    return found


def _choose(destination: str) -> Send:
    if destination == "stderr":
        return _to_log_without_fields
    if destination == "journal":
        send = journal_sender()  # raises when there is none
        if not under_journal():
            kind = {"MESSAGE_ID": Event.DECISION.value}
            return lambda text, found: send(text, kind | dict(found))
    return _to_log


def _to_log(text: str, found: Mapping[str, str]) -> None:
    _logger.info("%s", text, extra=entry(Event.DECISION, **found))


def _to_log_without_fields(text: str, _found: Mapping[str, str]) -> None:
    _logger.info("%s", text, extra=entry(Event.DECISION))
