"""Decisions spoken aloud: the latest label wins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from pi_classifier.errors import SinkError
from pi_classifier.sinks.queued import DeliveryQueue
from pi_classifier.speech.phrases import Phrases
from pi_classifier.speech.speaker import Speaker, SpeechSettings, make_synthesiser
from pi_classifier.speech.synthesis import Synthesiser
from pi_classifier.types import Decision

_logger = logging.getLogger(__name__)

# Together less than a second: a service manager or a person waits for it.
CLOSE_S = 0.4
_KILLED_S = 0.2
_LOWEST_PRIORITY = 19


class SpeechSink:
    """Says the phrase of each decision's label; "nothing" is not spoken.

    A new label interrupts the phrase before it, and replaces one that still
    waits. `labels` are those whose phrases are made in the background. Without
    an engine or a sound card that is logged once, and tried again ever less
    often. Raises `ConfigError` for a wrong phrase or output.
    """

    def __init__(
        self,
        settings: SpeechSettings,
        *,
        labels: Sequence[str] = (),
        speaker: Speaker | None = None,
        prewarm_with: Synthesiser | None = None,
    ) -> None:
        self._cut = False
        self._interrupts = settings.interrupt
        self._phrases = Phrases(settings.phrase, settings.phrases, english=settings.english)
        self._speaker = speaker or Speaker(settings)
        self._prewarmer = _Prewarmer(
            prewarm_with or make_synthesiser(settings, nice=_LOWEST_PRIORITY),
            [self._phrases.of(label) for label in labels[: settings.prewarm]],
        )
        # The output is found before there is anything to say.
        self._queue = DeliveryQueue("speech", self._say, keep="latest", begin=self._begin)

    @property
    def busy(self) -> bool:
        """Whether a phrase is being made or said."""
        return self._queue.busy

    @property
    def dropped(self) -> int:
        """How many phrases were not begun or failed."""
        return self._queue.dropped

    @property
    def failures(self) -> int:
        """How many attempts to speak have failed."""
        return self._queue.failures

    def emit(self, decision: Decision) -> None:
        """Say the label next, now if it may interrupt."""
        if decision.label is None:
            return
        ticket = self._speaker.interrupt() if self._interrupts else None
        self._queue.put((self._phrases.of(decision.label), ticket))

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Let the phrase being said end within `timeout_s`, then kill what is left."""
        self._prewarmer.close()
        if not self._queue.close(timeout_s):
            self._cut = True
            self._speaker.close()
            self._queue.close(_KILLED_S)

    def _begin(self) -> None:
        with self._unless_cut():
            self._prepare()

    def _say(self, item: tuple[str, int | None]) -> None:
        with self._unless_cut():
            self._prepare()  # in case it was in vain before
            self._speaker.speak(*item)

    def _prepare(self) -> None:
        self._speaker.prepare()
        self._prewarmer.start()

    @contextmanager
    def _unless_cut(self) -> Iterator[None]:
        """Let a failure pass unless it was `close` that caused it."""
        try:
            yield
        except SinkError:
            if not self._cut:
                raise


class _Prewarmer:
    """Makes phrases on a thread of its own, until all are made, one fails or it is closed."""

    def __init__(self, synthesiser: Synthesiser, phrases: Iterable[str]) -> None:
        self._synthesiser = synthesiser
        self._phrases = list(phrases)
        self._closing = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; a second call does nothing."""
        with self._lock:
            if self._thread is None and self._phrases and not self._closing:
                self._thread = threading.Thread(target=self._run, name="prewarm", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread and its child."""
        with self._lock:
            self._closing = True
        self._synthesiser.close()
        if self._thread is not None:
            self._thread.join(_KILLED_S)

    def _run(self) -> None:
        for phrase in self._phrases:
            if self._closing:
                return
            try:
                self._synthesiser.wav(phrase)
            except SinkError as error:
                # Speaking itself meets the same error and says so.
                _logger.debug("speech: phrases are not made beforehand: %s", error)
                return
