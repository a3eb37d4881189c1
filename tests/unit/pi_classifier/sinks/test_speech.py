"""The speech sink: the latest label wins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from pi_classifier.errors import ConfigError, SinkError
from pi_classifier.sinks.speech import SpeechWriter, Utterance, speech_sink
from pi_classifier.speech.engines.base import VoiceSettings
from pi_classifier.speech.engines.espeak import EspeakEngine
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import Speaker, SpokenResult
from pi_classifier.speech.speech_policy import SpeechPolicy
from pi_classifier.speech.synthesizer import CHIME, Synthesizer
from pi_classifier.types import Category, Decision, Several

LONG_S = 10.0
SILENT = Synthesizer(Path("nowhere"), EspeakEngine(VoiceSettings()))


class Mouth(Speaker):
    """A speaker that says as long as it is held, and notes everything."""

    def __init__(self, settings: SpeechSettings) -> None:
        super().__init__(settings, synthesizer=SILENT)
        self.log: list[str] = []
        self.begun = threading.Semaphore(0)
        self.prepared = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self.tickets = 0
        self.no_output = False
        self.closed = 0

    def prepare(self) -> None:
        self.prepared.set()
        if self.no_output:
            raise SinkError("no sound card")

    def speak(self, text: str, ticket: int | None = None) -> SpokenResult:
        if ticket not in (None, self.tickets):
            return SpokenResult(text, "mouth", 1.0, interrupted=True)
        self.log.append(f"say {text}")
        self.begun.release()
        assert self.free.wait(LONG_S)
        return SpokenResult(text, "mouth", 1.0, interrupted=False)

    def interrupt(self) -> int:
        self.tickets += 1
        self.log.append("hush")
        return self.tickets

    def close(self) -> None:
        self.closed += 1
        self.free.set()

    def wait_until_begun(self) -> None:
        assert self.begun.acquire(timeout=LONG_S)


class Prewarming(Synthesizer):
    """Notes the phrases it is to make; with `fails` all but the first fail."""

    def __init__(self, expected: int, *, fails: bool = False) -> None:
        super().__init__(Path("nowhere"), EspeakEngine(VoiceSettings()))
        self.made: list[str] = []
        self.fails = fails
        self.all_made = threading.Event()
        self._expected = expected

    def make(self, text: str) -> None:
        self.made.append(text)
        if len(self.made) == self._expected:
            self.all_made.set()
        if self.fails and len(self.made) > 1:
            raise SinkError("no engine")


def decision(label: str | None) -> Decision:
    return Decision(label, 0.9, 0, 0, 0, "fast")


SETTINGS = SpeechSettings(phrases={"tulip": "at last, a tulip"})


@pytest.fixture
def mouth() -> Iterator[Mouth]:
    mouth = Mouth(SETTINGS)
    yield mouth
    mouth.free.set()


def test_says_the_phrase_of_the_label(mouth: Mouth) -> None:
    sink = speech_sink(SETTINGS, speaker=mouth)
    assert mouth.prepared.wait(LONG_S)  # before there is anything to say
    sink.emit(decision("iris"))
    mouth.wait_until_begun()
    sink.emit(decision("tulip"))
    mouth.wait_until_begun()
    sink.close(LONG_S)
    assert mouth.log == ["hush", "say I see an iris", "hush", "say at last, a tulip"]
    assert mouth.closed


def several(*in_force: str, announced: tuple[str, ...]) -> Decision:
    categories = tuple(Category(i, label, 0.9) for i, label in enumerate(in_force))
    label = next(iter(announced or in_force), None)
    return Decision(label, 0.9, 0, 0, 0, "fast", several=Several(categories, announced))


def test_several_labels_are_one_phrase_and_one_that_ends_is_no_news(mouth: Mouth) -> None:
    settings = SpeechSettings(cooldown_s=0)
    sink = speech_sink(settings, speaker=mouth)
    for seen in (
        several("daisy", "iris", announced=("daisy", "iris")),
        several("iris", announced=()),
        several("rose", "iris", announced=("rose",)),
        several(announced=()),
    ):
        sink.emit(seen)
        if seen.announced:
            mouth.wait_until_begun()
    sink.close(LONG_S)
    assert [entry for entry in mouth.log if entry.startswith("say")] == [
        "say I see a daisy and an iris",
        "say I see a rose and an iris",
    ]


def test_of_several_only_those_are_said_that_were_not_said_just_now(mouth: Mouth) -> None:
    now = [0.0]
    policy = SpeechPolicy(5.0, clock=lambda: now[0])
    writer = SpeechWriter(SETTINGS, speaker=mouth, prewarm_with=SILENT, policy=policy)

    def said(*in_force: str, announced: tuple[str, ...]) -> str | None:
        utterance = writer.item(several(*in_force, announced=announced))
        if utterance is None:
            return None
        writer.write(utterance)
        return utterance.text

    assert said("daisy", announced=("daisy",)) == "I see a daisy"
    now[0] = 3.0
    assert said("rose", "daisy", announced=("rose",)) == "I see a rose"
    now[0] = 6.0  # the daisy's five seconds are over, the rose's are not
    assert said("rose", "daisy", "iris", announced=("iris",)) == "I see a daisy and an iris"
    now[0] = 6.5
    assert said("rose", "daisy", announced=()) is None
    assert said("rose", "daisy", "iris", announced=("iris",)) is None
    now[0] = 60.0
    assert said("rose", "daisy", announced=()) is None
    writer.close()


def test_what_could_not_be_said_is_still_wanted_while_all_of_it_is_seen(mouth: Mouth) -> None:
    writer = SpeechWriter(SETTINGS, speaker=mouth, prewarm_with=SILENT)
    both = writer.item(several("daisy", "iris", announced=("daisy", "iris")))
    assert both is not None
    assert writer.wanted(both)
    writer.item(several("daisy", "iris", "rose", announced=()))
    assert writer.wanted(both)
    writer.item(several("daisy", "rose", announced=()))
    assert not writer.wanted(both)
    writer.close()


def test_nothing_is_not_spoken_and_does_not_interrupt(mouth: Mouth) -> None:
    sink = speech_sink(SETTINGS, speaker=mouth)
    sink.emit(decision("daisy"))
    mouth.wait_until_begun()
    sink.emit(decision(None))
    sink.close(LONG_S)
    assert mouth.log == ["hush", "say I see a daisy"]


def test_latest_label_wins(mouth: Mouth) -> None:
    mouth.free.clear()
    sink = speech_sink(SETTINGS, speaker=mouth)
    sink.emit(decision("daisy"))
    mouth.wait_until_begun()
    for label in ("rose", "iris", "lily"):
        sink.emit(decision(label))
    mouth.free.set()
    mouth.wait_until_begun()
    sink.close(LONG_S)
    assert [entry for entry in mouth.log if entry.startswith("say")] == [
        "say I see a daisy",
        "say I see a lily",
    ]
    assert sink.dropped >= 2


def test_without_interrupts_a_phrase_is_finished(mouth: Mouth) -> None:
    sink = speech_sink(SpeechSettings(interrupt=False), speaker=mouth)
    sink.emit(decision("daisy"))
    mouth.wait_until_begun()
    sink.emit(decision("rose"))
    mouth.wait_until_begun()
    sink.close(LONG_S)
    assert mouth.log == ["say I see a daisy", "say I see a rose"]


def test_no_output_is_said_once_and_nothing_raised(
    mouth: Mouth, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mouth.no_output = True
    sink = speech_sink(SETTINGS, speaker=mouth, labels=["daisy"])
    for _ in range(50):
        sink.emit(decision("daisy"))
    sink.close(LONG_S)
    assert mouth.log == ["hush"] * 50
    assert [r.getMessage() for r in caplog.records] == ["speech: no sound card"]
    assert sink.failures >= 1


def test_close_kills_what_does_not_end(mouth: Mouth) -> None:
    mouth.free.clear()
    sink = speech_sink(SETTINGS, speaker=mouth)
    sink.emit(decision("daisy"))
    mouth.wait_until_begun()
    sink.close(0.01)
    sink.close(0.01)
    assert mouth.log == ["hush", "say I see a daisy"]
    assert mouth.closed


def test_what_close_cuts_short_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    closed = threading.Event()

    class Searching(Mouth):
        def prepare(self) -> None:
            self.prepared.set()
            assert closed.wait(LONG_S)
            raise SinkError("aplay was interrupted")

        def close(self) -> None:
            closed.set()

    searching = Searching(SETTINGS)
    sink = speech_sink(SETTINGS, speaker=searching)
    assert searching.prepared.wait(LONG_S)
    sink.close(0.01)
    assert not caplog.records
    assert sink.failures == 0


def test_phrases_are_made_beforehand(mouth: Mouth) -> None:
    prewarming = Prewarming(2)
    settings = SpeechSettings(prewarm=2)
    labels = ["daisy", "iris", "lily"]
    sink = speech_sink(settings, speaker=mouth, labels=labels, prewarm_with=prewarming)
    assert prewarming.all_made.wait(LONG_S)
    sink.close(LONG_S)
    assert prewarming.made == ["I see a daisy", "I see an iris"]


def test_nothing_is_made_beforehand_without_an_output(mouth: Mouth) -> None:
    mouth.no_output = True
    prewarming = Prewarming(1)
    sink = speech_sink(SETTINGS, speaker=mouth, labels=["daisy"], prewarm_with=prewarming)
    assert mouth.prepared.wait(LONG_S)
    sink.close(LONG_S)
    assert prewarming.made == []


def test_making_beforehand_stops_when_all_fails(
    mouth: Mouth, caplog: pytest.LogCaptureFixture
) -> None:
    prewarming = Prewarming(4, fails=True)
    labels = ["a1", "b1", "c1", "d1", "e1", "f1"]
    sink = speech_sink(SETTINGS, speaker=mouth, labels=labels, prewarm_with=prewarming)
    assert prewarming.all_made.wait(LONG_S)
    sink.close(LONG_S)
    assert len(prewarming.made) == 4
    assert not caplog.records


def test_wrong_phrase_is_refused_at_once(mouth: Mouth) -> None:
    with pytest.raises(ConfigError, match=r"speech\.phrase"):
        speech_sink(SpeechSettings(phrase="{lable}"), speaker=mouth)


def said(mouth: Mouth) -> list[str]:
    return [line.removeprefix("say ") for line in mouth.log if line.startswith("say ")]


def test_a_label_seen_again_while_it_is_said_is_not_begun_anew(mouth: Mouth) -> None:
    mouth.free.clear()
    sink = speech_sink(SETTINGS, speaker=mouth)
    sink.emit(decision("daisy"))
    mouth.wait_until_begun()
    sink.emit(decision(None))
    sink.emit(decision("daisy"))
    mouth.free.set()
    sink.close(LONG_S)
    assert mouth.log == ["hush", "say I see a daisy"]


def test_a_label_that_was_replaced_before_it_was_said_is_said_when_seen_again(
    mouth: Mouth,
) -> None:
    mouth.free.clear()
    sink = speech_sink(SpeechSettings(), speaker=mouth)
    sink.emit(decision("iris"))
    mouth.wait_until_begun()
    for label in ("daisy", "rose", "daisy"):
        sink.emit(decision(label))
    mouth.free.set()
    sink.close(LONG_S)
    assert said(mouth) == ["I see an iris", "I see a daisy"]


def test_the_policy_is_asked_and_told_what_was_said(mouth: Mouth) -> None:
    class Strict(SpeechPolicy):
        noted: ClassVar[list[str]] = []

        def allows(self, label: str, camera: str = "") -> bool:
            return label != "rose"

        def note_spoken(self, label: str, camera: str = "") -> None:
            self.noted.append(label)

    sink = speech_sink(SETTINGS, speaker=mouth, policy=Strict())
    sink.emit(decision("daisy"))
    mouth.wait_until_begun()
    sink.emit(decision("rose"))
    sink.close(LONG_S)
    assert mouth.log == ["hush", "say I see a daisy"]  # and not interrupted
    assert Strict.noted == ["daisy"]


def test_an_interrupted_phrase_does_not_count_as_said(mouth: Mouth) -> None:
    mouth.free.clear()
    policy = SpeechPolicy(cooldown_s=LONG_S)
    sink = speech_sink(SETTINGS, speaker=mouth, policy=policy)
    for label in ("daisy", "rose", "iris"):
        sink.emit(decision(label))
    assert policy.allows("daisy")
    mouth.free.set()
    sink.close(LONG_S)
    assert not policy.allows("iris")
    assert policy.allows("rose")


def test_nothing_for_a_while_has_its_phrase(mouth: Mouth) -> None:
    settings = SpeechSettings(nothing_phrase="All is quiet", nothing_after_s=0.1)
    sink = speech_sink(settings, speaker=mouth)
    sink.emit(decision("daisy"))
    mouth.wait_until_begun()
    sink.emit(decision(None))
    mouth.wait_until_begun()
    sink.close(LONG_S)
    assert said(mouth) == ["I see a daisy", "All is quiet"]


def test_a_chime_instead_of_words(mouth: Mouth) -> None:
    prewarming = Prewarming(1)
    sink = speech_sink(
        SpeechSettings(chime="instead"),
        speaker=mouth,
        labels=["daisy", "iris"],
        prewarm_with=prewarming,
    )
    sink.emit(decision("daisy"))
    mouth.wait_until_begun()
    assert prewarming.all_made.wait(LONG_S)
    sink.close(LONG_S)
    assert said(mouth) == [CHIME]
    assert prewarming.made == [CHIME]


def test_what_could_not_be_said_is_said_when_it_is_still_seen(mouth: Mouth) -> None:
    class Broken(Mouth):
        broken = threading.Event()

        def speak(self, text: str, ticket: int | None = None) -> SpokenResult:
            if not self.broken.is_set():
                self.broken.set()
                raise SinkError("out of order")
            return super().speak(text, ticket)

    broken = Broken(SETTINGS)
    sink = speech_sink(SETTINGS, speaker=broken)
    sink.emit(decision("daisy"))
    assert broken.broken.wait(LONG_S)
    broken.wait_until_begun()  # tried again by itself
    sink.close(LONG_S)
    assert said(broken) == ["I see a daisy"]


def test_what_could_not_be_said_and_is_not_seen_any_more_is_not_said(mouth: Mouth) -> None:
    mouth.no_output = True
    sink = speech_sink(SETTINGS, speaker=mouth)
    while not sink.failures:
        pass
    sink.emit(decision("daisy"))
    sink.emit(decision(None))
    sink.close(LONG_S)
    assert (said(mouth), sink.dropped) == ([], 1)


def test_what_failed_is_wanted_while_it_is_seen_and_may_be_said(mouth: Mouth) -> None:
    class Night(SpeechPolicy):
        fallen = False

        def is_quiet(self) -> bool:
            return self.fallen

    night = Night()
    writer = SpeechWriter(SETTINGS, speaker=mouth, policy=night)
    daisy = writer.item(decision("daisy"))
    assert daisy is not None
    assert writer.wanted(daisy)
    night.fallen = True
    assert not writer.wanted(daisy)
    night.fallen = False
    writer.item(decision("rose"))
    assert not writer.wanted(daisy)
    writer.close()


def test_a_label_cut_off_by_another_and_seen_again_is_said_again(mouth: Mouth) -> None:
    mouth.free.clear()
    sink = speech_sink(SETTINGS, speaker=mouth)
    sink.emit(decision("daisy"))
    mouth.wait_until_begun()
    sink.emit(decision("rose"))  # silences the daisy, whose player may not be dead yet
    sink.emit(decision("daisy"))
    mouth.free.set()
    sink.close(LONG_S)
    assert said(mouth) == ["I see a daisy", "I see a daisy"]


def seen_by(camera: str, label: str | None) -> Decision:
    return Decision(label, 0.9, 0, 0, 0, "fast", camera=camera)


def test_each_camera_has_its_own_labels_and_cooldowns(mouth: Mouth) -> None:
    now = [0.0]
    policy = SpeechPolicy(5.0, clock=lambda: now[0])
    settings = SpeechSettings(interrupt=False)
    writer = SpeechWriter(settings, speaker=mouth, prewarm_with=SILENT, policy=policy)
    garden, pond = (writer.item(seen_by(camera, "iris")) for camera in ("garden", "pond"))
    assert garden is not None
    assert garden.text == "garden: I see an iris"
    writer.write(garden)
    assert writer.item(seen_by("garden", "iris")) is None  # said just now
    assert pond is not None
    assert writer.wanted(pond)  # what one camera says is no news of the other
    writer.item(seen_by("pond", None))
    assert not writer.wanted(pond)
    writer.close()


def test_nothing_is_said_of_nothing_while_another_camera_sees_something(mouth: Mouth) -> None:
    settings = SpeechSettings(nothing_phrase="all quiet", nothing_after_s=3600)
    writer = SpeechWriter(settings, speaker=mouth, prewarm_with=SILENT)
    nothing = Utterance((), "all quiet", None)
    writer.item(seen_by("garden", "iris"))
    writer.item(seen_by("pond", None))
    assert not writer.wanted(nothing)
    writer.item(seen_by("garden", None))
    assert writer.wanted(nothing)
    writer.close()


def test_phrases_are_made_beforehand_with_the_name_of_each_camera(mouth: Mouth) -> None:
    prewarming = Prewarming(2)
    cameras = ("garden", "pond")
    sink = speech_sink(
        SETTINGS, labels=["iris"], cameras=cameras, speaker=mouth, prewarm_with=prewarming
    )
    assert prewarming.all_made.wait(LONG_S)
    sink.close()
    assert prewarming.made == ["garden: I see an iris", "pond: I see an iris"]
