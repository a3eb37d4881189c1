"""Decisions spoken aloud: the latest label wins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pi_classifier.errors import SinkError
from pi_classifier.sinks.delivery_queue import DeliveryQueue
from pi_classifier.speech.idle_timer import Lull
from pi_classifier.speech.phrases import Phrases
from pi_classifier.speech.quiet_hours import QuietHours
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import Speaker, make_synthesizer
from pi_classifier.speech.speech_policy import Manners
from pi_classifier.speech.synthesis import CHIME, Synthesizer
from pi_classifier.types import Decision

_logger = logging.getLogger(__name__)

# Together less than a second: a service manager or a person waits for it.
CLOSE_S = 0.4
_KILLED_S = 0.2
_GIVES_UP_AFTER = 3


@dataclass(frozen=True, slots=True)
class Utterance:
    """A phrase to say; `label` is None for the one that tells of nothing."""

    label: str | None
    text: str
    ticket: int | None


class SpeechSink:
    """Says the phrase of each decision's label.

    A new label interrupts the phrase before it, and replaces one that still waits, so
    that the last one is always said. "Nothing" is not spoken, unless it lasts and there is a
    phrase for it. `labels` are those whose phrases are made in the background. Without
    an engine or a sound card that is logged once, and tried again ever less often; what
    is said when it works again is what is seen then. `manners` decide when to be silent.
    Raises `ConfigError` for a wrong phrase, output, engine or quiet hours.
    """

    def __init__(
        self,
        settings: SpeechSettings,
        *,
        labels: Sequence[str] = (),
        speaker: Speaker | None = None,
        prewarm_with: Synthesizer | None = None,
        manners: Manners | None = None,
    ) -> None:
        self._cut = False
        self._settings = settings
        self._phrases = phrases_of(settings)
        self._manners = manners or Manners(settings.cooldown_s, QuietHours(settings.quiet_hours))
        self._speaker = speaker or Speaker(settings)
        self._seen: str | None = None
        self._asked: str | None = None
        self._saying: str | None = None
        self._lull = Lull(settings.nothing_after_s, self._say_nothing)
        self._prewarmer = _Prewarmer(
            prewarm_with or make_synthesizer(settings, background=True),
            self._texts(labels[: settings.prewarm]),
        )
        # The output is found before there is anything to say.
        self._queue = DeliveryQueue(
            "speech",
            self._say,
            keep="latest",
            begin=self._begin,
            still_wanted=lambda utterance: utterance.label == self._seen,
        )

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
        label = self._seen = decision.label
        if label is None:
            self._queue.withdraw()
            if self._settings.nothing_phrase:
                self._lull.begin()
            return
        if self._settings.nothing_phrase:
            self._lull.end()
        if not self._manners.may_say(label):
            self._queue.withdraw()  # what waits there is of another label
            return
        # Seen again while it is being said: let it be said to its end.
        if self._settings.interrupt and label == self._asked == self._saying:
            return
        self._ask(label, self._text(label))

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Let the phrase being said end within `timeout_s`, then kill what is left."""
        self._lull.close()
        self._prewarmer.close()
        if not self._queue.close(timeout_s):
            self._cut = True
            self._speaker.close()
            self._queue.close(_KILLED_S)

    def _begin(self) -> None:
        with self._unless_cut():
            self._prepare()

    def _ask(self, label: str | None, text: str) -> None:
        self._asked = label
        ticket = self._speaker.interrupt() if self._settings.interrupt else None
        self._queue.put(Utterance(label, text, ticket))

    def _say_nothing(self) -> None:
        if self._seen is None and not self._manners.quiet():
            self._ask(None, self._settings.nothing_phrase)

    def _say(self, utterance: Utterance) -> None:
        self._saying = utterance.label
        try:
            with self._unless_cut():
                self._prepare()  # in case it was in vain before
                result = self._speaker.speak(utterance.text, utterance.ticket)
                if utterance.label is not None and not result.interrupted:
                    self._manners.said(utterance.label)
        finally:
            self._saying = None

    def _text(self, label: str) -> str:
        return CHIME if self._settings.chime == "instead" else self._phrases.of(label)

    def _texts(self, labels: Sequence[str]) -> list[str]:
        """All that will be said, each once."""
        texts = [self._text(label) for label in labels]
        nothing = [self._settings.nothing_phrase] if self._settings.nothing_phrase else []
        return list(dict.fromkeys([*texts, *nothing]))

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
    """Makes phrases on a thread of its own, until all are made, several in a row fail or it is
    closed.
    """

    def __init__(self, synthesizer: Synthesizer, phrases: Iterable[str]) -> None:
        self._synthesizer = synthesizer
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
        self._synthesizer.close()
        if self._thread is not None:
            self._thread.join(_KILLED_S)

    def _run(self) -> None:
        failed = 0
        for phrase in self._phrases:
            if self._closing or failed == _GIVES_UP_AFTER:
                return
            try:
                self._synthesizer.make(phrase)
                failed = 0
            except SinkError as error:
                # Speaking itself meets the same error and says so.
                _logger.debug("speech: %r is not made beforehand: %s", phrase, error)
                failed += 1


def phrases_of(settings: SpeechSettings) -> Phrases:
    """The phrases the settings describe; raises `ConfigError` for a wrong one."""
    return Phrases(
        settings.phrase,
        settings.phrases,
        language=settings.spoken_language,
        names=settings.names,
    )
