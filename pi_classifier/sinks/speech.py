"""Decisions spoken aloud: the latest label wins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pi_classifier.errors import SinkError
from pi_classifier.sinks.queued_sink import QueuedSink, Writer
from pi_classifier.speech.idle_timer import IdleTimer
from pi_classifier.speech.phrases import Phrases
from pi_classifier.speech.player import check_output
from pi_classifier.speech.quiet_hours import QuietHours
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import Speaker, make_synthesizer
from pi_classifier.speech.speech_policy import SpeechPolicy
from pi_classifier.speech.synthesizer import CHIME, Synthesizer
from pi_classifier.types import Decision

_logger = logging.getLogger(__name__)

_JOIN_S = 0.2
_GIVES_UP_AFTER = 3


@dataclass(frozen=True, slots=True)
class Utterance:
    """A phrase to say; it has no `labels` where it is said of nothing."""

    labels: tuple[str, ...]
    text: str
    ticket: int | None
    camera: str = ""


class SpeechWriter(Writer[Utterance]):
    """Says the phrase of each decision's labels; see `speech_sink`.

    Three threads meet here: the frame thread in `item`, the sink's in `write`, the idle
    timer's in `_nothing`. What they share is single references, each written by one of them.
    """

    def __init__(
        self,
        settings: SpeechSettings,
        *,
        labels: Sequence[str] = (),
        cameras: Sequence[str] = ("",),
        speaker: Speaker | None = None,
        prewarm_with: Synthesizer | None = None,
        policy: SpeechPolicy | None = None,
    ) -> None:
        self._settings = settings
        self._phrases = phrases_of(settings)
        self._policy = policy or SpeechPolicy(
            settings.cooldown_s, QuietHours(settings.quiet_hours)
        )
        self._speaker = speaker or Speaker(settings)
        # By camera, in force since its last decision.
        self._seen: Mapping[str, tuple[str, ...]] = {}
        self._asked: tuple[str, tuple[str, ...]] = ("", ())  # camera and labels of the last one
        self._saying: tuple[str, tuple[str, ...]] = ("", ())  # now
        self._idle_timer: IdleTimer | None = None
        self._prewarmer = _Prewarmer(
            prewarm_with or make_synthesizer(settings, background=True),
            self._texts(labels[: settings.prewarm], cameras),
        )

    def say_when_idle(self, put: Callable[[Utterance], None]) -> None:
        """Have the phrase for nothing said through `put`, where the settings have one."""
        if self._settings.nothing_phrase:
            self._idle_timer = IdleTimer(
                self._settings.nothing_after_s, lambda: self._say_nothing(put)
            )

    def item(self, decision: Decision) -> Utterance | None:
        """What to say of the decision; silences the phrase before it if it may interrupt."""
        camera, seen = decision.camera, decision.in_force
        self._seen = {**self._seen, camera: seen}
        if self._idle_timer is not None:
            if any(self._seen.values()):
                self._idle_timer.cancel()
            else:
                self._idle_timer.start()
        labels = tuple(label for label in seen if self._policy.allows(label, camera))
        # Of several, one that ends is no news of those that stay.
        if not set(labels) & set(decision.announced):
            return None
        # Seen again while it is being said: let it be said to its end.
        if self._settings.interrupt and (camera, labels) == self._asked == self._saying:
            return None
        return self._utterance(labels, self._text(labels, camera), camera)

    def begin(self) -> None:
        """Find the output before there is anything to say, then make the phrases."""
        self._speaker.prepare()
        self._prewarmer.start()

    def write(self, utterance: Utterance) -> None:
        """Say it to its end or until it is interrupted."""
        self._saying = utterance.camera, utterance.labels
        try:
            self.begin()  # in case it failed before
            result = self._speaker.speak(utterance.text, utterance.ticket)
            if not result.interrupted:
                for label in utterance.labels:
                    self._policy.note_spoken(label, utterance.camera)
        finally:
            self._saying = "", ()

    def wanted(self, utterance: Utterance) -> bool:
        """Whether what could not be said is still what is seen, and may still be said."""
        if not utterance.labels:
            return self._may_say_nothing()
        camera, labels = utterance.camera, utterance.labels
        still_seen = set(labels) <= set(self._seen.get(camera, ()))
        return still_seen and all(self._policy.allows(label, camera) for label in labels)

    def close(self) -> None:
        """Silence what is being said and end the children and threads."""
        if self._idle_timer is not None:
            self._idle_timer.close()
        self._speaker.close()
        self._prewarmer.close()

    def _utterance(self, labels: tuple[str, ...], text: str, camera: str = "") -> Utterance:
        # The ticket is taken here, on the frame thread: a phrase that is being made or waits
        # is void from now on, and the one that sounds ends at once.
        self._asked = camera, labels
        ticket = self._speaker.interrupt() if self._settings.interrupt else None
        return Utterance(labels, text, ticket, camera)

    def _say_nothing(self, put: Callable[[Utterance], None]) -> None:
        if self._may_say_nothing():
            put(self._utterance((), self._settings.nothing_phrase))

    def _may_say_nothing(self) -> bool:
        return not any(self._seen.values()) and not self._policy.is_quiet()

    def _text(self, labels: Sequence[str], camera: str) -> str:
        return CHIME if self._settings.chime == "instead" else self._phrases.of_all(labels, camera)

    def _texts(self, labels: Sequence[str], cameras: Sequence[str]) -> list[str]:
        """All that will be said, once each."""
        texts = [self._text([label], camera) for label in labels for camera in cameras]
        nothing = [self._settings.nothing_phrase] if self._settings.nothing_phrase else []
        return list(dict.fromkeys([*texts, *nothing]))


def speech_sink(
    settings: SpeechSettings,
    *,
    labels: Sequence[str] = (),
    cameras: Sequence[str] = ("",),
    speaker: Speaker | None = None,
    prewarm_with: Synthesizer | None = None,
    policy: SpeechPolicy | None = None,
) -> QueuedSink[Utterance]:
    """The sink that says the phrase of each decision's label.

    A new label interrupts the phrase before it, and replaces one that still waits, so
    that the last one is always said. "Nothing" is not spoken, unless it lasts and there is a
    phrase for it. `labels` are those whose phrases are made in the background, with the names
    of the `cameras`. Without
    an engine or a sound card that is logged once, and tried again ever less often; what
    is said when it works again is what is seen then. `policy` decides when to be silent.
    Raises `ConfigError` for a wrong phrase, output, engine or quiet hours.
    """
    writer = SpeechWriter(
        settings,
        labels=labels,
        cameras=cameras,
        speaker=speaker,
        prewarm_with=prewarm_with,
        policy=policy,
    )
    sink = QueuedSink("speech", writer, keep="latest")
    writer.say_when_idle(sink.put)
    return sink


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
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        failed = 0
        for phrase in self._phrases:
            if self._closing or failed == _GIVES_UP_AFTER:
                return
            try:
                self._synthesizer.make(phrase)
                failed = 0
            except SinkError as error:
                # Speaking itself meets the same error and reports it.
                _logger.debug("speech: cannot make %r in advance: %s", phrase, error)
                failed += 1


def check_speech(settings: SpeechSettings) -> None:
    """Raise `ConfigError` where what is said, when or through what is set wrongly."""
    phrases_of(settings)
    QuietHours(settings.quiet_hours)
    check_output(settings.output)


def phrases_of(settings: SpeechSettings) -> Phrases:
    """The phrases the settings describe; raises `ConfigError` for a wrong one."""
    return Phrases(
        settings.phrase,
        settings.phrases,
        language=settings.spoken_language,
        names=settings.names,
    )
