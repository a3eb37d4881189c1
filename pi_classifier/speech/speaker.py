"""Saying phrases: synthesized or found in the cache, then played, interruptible at any time."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from pi_classifier.speech.audio_edges import AudioEdges
from pi_classifier.speech.child_process import ChildProcess
from pi_classifier.speech.engines.registry import open_engine
from pi_classifier.speech.player import Output, check_output, open_output
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.synthesizer import Synthesizer
from pi_classifier.system.folders import cache_folder, expanded

_logger = logging.getLogger(__name__)

_LOWEST_PRIORITY = 19


@dataclass(frozen=True, slots=True)
class SpokenResult:
    """What became of a phrase; `output` is the player's name or wav:FILE."""

    text: str
    output: str
    duration_s: float
    interrupted: bool


def make_synthesizer(settings: SpeechSettings, *, background: bool = False) -> Synthesizer:
    """The synthesizer the settings describe; raises `ConfigError` for an unknown engine.

    One in the `background` works at lowest priority, and makes nothing where the cache folder
    cannot be written: phrases it would make elsewhere are of no use to another synthesizer.
    """
    chosen = settings.cache_dir not in {"", "auto"}
    return Synthesizer(
        expanded(settings.cache_dir) if chosen else cache_folder() / "speech",
        open_engine(settings.engine, settings.voice_settings),
        edges=AudioEdges(settings.lead_in_s, settings.chime == "before", settings.volume),
        timeout_s=settings.synthesis_timeout_s,
        cache_max_bytes=settings.cache_max_mb << 20,
        nice=_LOWEST_PRIORITY if background else 0,
        fallback=not background,
    )


class Speaker:
    """Says one phrase at a time; raises `ConfigError` for an unknown output.

    `prepare` and `speak` are called by one thread, `interrupt` and `close` by any.
    Each `interrupt` silences what is being said and makes every ticket given out
    before it void, so that a phrase that has not begun to sound never will.
    """

    def __init__(
        self,
        settings: SpeechSettings,
        *,
        synthesizer: Synthesizer | None = None,
        output: Output | None = None,
    ) -> None:
        check_output(settings.output)
        self._settings = settings
        self._synthesizer = synthesizer or make_synthesizer(settings)
        self._output = output
        self._player_process = ChildProcess()
        self._lock = threading.Lock()
        self._ticket = 0
        self._closed = False

    def prepare(self) -> None:
        """Find an output that works, unless one is known; raises `SinkError` when none does."""
        self._opened_output()

    def speak(self, text: str, ticket: int | None = None) -> SpokenResult:
        """Say a phrase to its end or until it is interrupted.

        Without a valid `ticket` from `interrupt` nothing sounds; None is always
        valid. Raises `SinkError` when there is no engine or no output, or either
        fails or exceeds its time limit.
        """
        output = self._opened_output()  # first: a phrase nobody can hear need not be made
        wav, duration_s = self._synthesizer.wav(text)

        # Asked again by the output once its player can be killed: an `interrupt` before that
        # moment finds no player, but has voided the ticket.
        def wanted() -> bool:
            return not self._closed and ticket in (None, self._ticket)

        complete = False
        if wanted():
            limit_s = duration_s + self._settings.timeout_s
            try:
                complete = output.play(wav, limit_s, wanted)
            except Exception:
                self._output = None  # perhaps the card was unplugged: look again next time
                raise
        return SpokenResult(text, output.name, duration_s, interrupted=not complete)

    def interrupt(self) -> int:
        """Silence the phrase being said; returns the ticket for the one to say next."""
        with self._lock:
            self._ticket += 1
            ticket = self._ticket
        output = self._output
        if output is not None:
            output.interrupt()
        return ticket

    def close(self) -> None:
        """End whatever is going on."""
        self._closed = True
        self.interrupt()
        self._player_process.close()
        self._synthesizer.close()

    def _opened_output(self) -> Output:
        if self._output is None:
            self._output = open_output(
                self._settings.output, self._settings.device, self._player_process
            )
            _logger.info("speech: the output is %s", self._output.name)
        return self._output
