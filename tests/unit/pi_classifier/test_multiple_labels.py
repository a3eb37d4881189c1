"""Several labels at once: each is decided on as if there were no other."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.decision import MultipleSmoother, Smoother, SmootherSettings, make_smoother
from pi_classifier.service.counters import Counters
from pi_classifier.service.status import status_line
from pi_classifier.sinks.json_line import decision_fields, json_line
from pi_classifier.sinks.log import fields, message
from pi_classifier.sinks.stdout import StdoutSettings, StdoutWriter
from pi_classifier.speech.phrases import Phrases
from pi_classifier.types import Category, Decision, Frame, Prediction, Several

PIXELS = np.zeros((1, 1, 3), np.uint8)
MS = 1_000_000
LABELS = ("daisy", "rose", "tulip", "background")
SILENT = ("background",)


def frame(sequence: int, timestamp_ns: int | None = None) -> Frame:
    """A black frame; ten a second unless a timestamp is given."""
    return Frame(PIXELS, sequence, sequence * 100 * MS if timestamp_ns is None else timestamp_ns)


def prediction(scores: dict[str, float]) -> Prediction:
    ordered = sorted(enumerate(scores.items()), key=lambda item: -item[1][1])
    categories = tuple(Category(index, label, score) for index, (label, score) in ordered)
    return Prediction(categories, model="test", stage=0, latency_ns=5)


def told(*scores: dict[str, float], **settings: float) -> list[tuple[int, list[str], list[str]]]:
    """Feed ten frames a second; (sequence, in force, announced) of every decision."""
    smoother = MultipleSmoother(SmootherSettings(**settings), SILENT)  # type: ignore[arg-type]
    found = []
    for sequence, each in enumerate(scores):
        decision = smoother.update(frame(sequence), prediction(each))
        if decision is not None:
            assert decision.sequence == sequence
            found.append((sequence, list(decision.in_force), list(decision.announced)))
    return found


BOTH = {"daisy": 0.9, "rose": 0.8}
DAISY = {"daisy": 0.9, "rose": 0.1}
ROSE = {"daisy": 0.1, "rose": 0.8}
NONE = {"daisy": 0.2, "rose": 0.1}


def test_two_labels_that_appear_together_are_one_decision() -> None:
    assert told(*[BOTH] * 10) == [(2, ["daisy", "rose"], ["daisy", "rose"])]


def test_one_that_joins_is_announced_alone_and_waits_for_no_other() -> None:
    """The refractory second of the daisy is none of the rose's business."""
    assert told(*[DAISY] * 3, *[BOTH] * 3) == [
        (2, ["daisy"], ["daisy"]),
        (5, ["daisy", "rose"], ["rose"]),
    ]


def test_one_ends_and_the_other_stays() -> None:
    assert told(*[BOTH] * 3, *[ROSE] * 3, *[NONE] * 3) == [
        (2, ["daisy", "rose"], ["daisy", "rose"]),
        (5, ["rose"], []),
        (8, [], []),
    ]


def test_one_replaces_another_in_one_decision() -> None:
    assert told(*[DAISY] * 3, *[ROSE] * 3)[1:] == [(5, ["rose"], ["rose"])]


def test_a_silent_label_hides_none_and_is_never_announced() -> None:
    assert told(*[{"background": 0.99, "daisy": 0.8}] * 5) == [(2, ["daisy"], ["daisy"])]


def test_each_label_rests_for_itself() -> None:
    again = [(2, ["daisy"], ["daisy"]), (5, [], []), (12, ["daisy"], ["daisy"])]
    assert told(*[DAISY] * 3, *[NONE] * 3, *[DAISY] * 9) == again


def test_the_decision_says_the_best_of_the_new_ones() -> None:
    smoother = MultipleSmoother(SmootherSettings(patience=1), SILENT)
    first = smoother.update(frame(0), prediction({"daisy": 0.9, "rose": 0.1}))
    second = smoother.update(frame(1), prediction({"daisy": 0.95, "rose": 0.8, "tulip": 0.9}))
    third = smoother.update(frame(2), prediction({"daisy": 0.1, "rose": 0.75, "tulip": 0.8}))
    last = smoother.update(frame(3), prediction({"daisy": 0.2, "rose": 0.1, "tulip": 0.1}))
    assert first is not None
    assert second is not None
    assert third is not None
    assert last is not None
    assert (first.label, first.score) == ("daisy", 0.9)
    assert (second.label, second.score) == ("tulip", 0.9)
    assert second.announced == ("tulip", "rose")
    assert (third.label, third.score, third.announced) == ("tulip", 0.8, ())
    assert (last.label, last.score, last.in_force) == (None, 0.2, ())


LOW, HIGH, REFRACTORY_MS = 0.4, 0.7, 500


def around(value: float) -> list[float]:
    return [math.nextafter(value, 0), value, math.nextafter(value, 1)]


SCORES = st.sampled_from([0.0, *around(LOW), 0.5, *around(HIGH), 1.0])
STEPS_NS = st.sampled_from([0, 100 * MS, REFRACTORY_MS * MS - 1, REFRACTORY_MS * MS])
FRAMES = st.lists(st.tuples(STEPS_NS, st.tuples(*[SCORES] * len(LABELS))), max_size=30)
SETTINGS = st.builds(
    SmootherSettings,
    threshold_high=st.just(HIGH),
    threshold_low=st.sampled_from([LOW, HIGH]),
    patience=st.integers(1, 3),
    refractory_s=st.sampled_from([0.0, REFRACTORY_MS / 1000]),
)


@given(SETTINGS, FRAMES)
def test_each_label_is_decided_on_as_if_it_were_the_only_one(
    settings: SmootherSettings, frames: list[tuple[int, tuple[float, ...]]]
) -> None:
    under_test = MultipleSmoother(settings, SILENT)
    alone = {label: Smoother(settings, SILENT) for label in LABELS}
    now_ns = 0
    for sequence, (step_ns, values) in enumerate(frames):
        now_ns += step_ns
        seen, scores = frame(sequence, now_ns), dict(zip(LABELS, values, strict=True))
        changes = {
            label: decision
            for label, smoother in alone.items()
            if (decision := smoother.update(seen, prediction({label: scores[label]})))
        }
        decision = under_test.update(seen, prediction(scores))
        assert (decision is not None) == bool(changes)
        if decision is None:
            continue
        held = [label for label, smoother in alone.items() if smoother.label is not None]
        new = [label for label, change in changes.items() if change.label is not None]
        assert sorted(decision.in_force) == sorted(held)
        assert sorted(decision.announced) == sorted(new)
        assert decision.several is not None
        told_scores = [category.score for category in decision.several.in_force]
        assert told_scores == sorted(told_scores, reverse=True)
        assert (decision.sequence, decision.timestamp_ns) == (sequence, now_ns)
        assert decision.score == scores.get(decision.label or "", max(values))


@given(SETTINGS, FRAMES)
def test_a_replayed_recording_gives_the_same_decisions(
    settings: SmootherSettings, frames: list[tuple[int, tuple[float, ...]]]
) -> None:
    first, second = (make_smoother(replace(settings, multiple=True), SILENT) for _ in range(2))
    for sequence, (_, values) in enumerate(frames):
        each = prediction(dict(zip(LABELS, values, strict=True)))
        assert first.update(frame(sequence), each) == second.update(frame(sequence), each)


def test_what_was_announced_is_not_announced_again_after_a_reload() -> None:
    before = MultipleSmoother(SmootherSettings(), SILENT)
    for sequence in range(3):
        before.update(frame(sequence), prediction(BOTH))
    after = MultipleSmoother(SmootherSettings(patience=1), SILENT)
    after.resume_from(before)
    assert after.update(frame(3), prediction(BOTH)) is None
    ended = after.update(frame(4), prediction(ROSE))
    assert ended is not None
    assert ended.in_force == ("rose",)


def test_what_another_model_does_not_know_ends_with_the_reload() -> None:
    smoother = MultipleSmoother(SmootherSettings(), SILENT)
    for sequence in range(3):
        smoother.update(frame(sequence), prediction(BOTH))
    for sequence in range(3, 5):
        assert smoother.update(frame(sequence), prediction({"rose": 0.9})) is None
    decision = smoother.update(frame(5), prediction({"rose": 0.9}))
    assert decision is not None
    assert (decision.in_force, decision.announced) == (("rose",), ())


def test_from_one_label_to_several_nothing_is_taken_over() -> None:
    one, several = Smoother(SmootherSettings()), MultipleSmoother(SmootherSettings())
    for sequence in range(3):
        one.update(frame(sequence), prediction(DAISY))
        several.update(frame(sequence), prediction(DAISY))
    fresh = Smoother(SmootherSettings())
    fresh.resume_from(several)
    assert fresh.label is None
    others = MultipleSmoother(SmootherSettings())
    others.resume_from(one)
    assert others.by_label == {}


def decided(in_force: dict[str, float], announced: tuple[str, ...]) -> Decision:
    categories = tuple(
        Category(i, label, score) for i, (label, score) in enumerate(in_force.items())
    )
    several = Several(categories, announced)
    label = next(iter(announced or in_force), None)
    score = in_force.get(label or "", 0.25)
    return Decision(label, score, 12, 400, 0, "flowers", several=several)


TWO = decided({"daisy": 0.98765, "rose": 0.83}, ("daisy", "rose"))
JOINED = decided({"daisy": 0.98765, "rose": 0.83}, ("rose",))
STAYS = decided({"rose": 0.8}, ())
OVER = decided({}, ())


def test_standard_output_has_a_line_for_each_label_announced() -> None:
    plain = StdoutWriter(StdoutSettings(), fd=1, on_closed=lambda: None)
    assert [plain.item(each) for each in (TWO, JOINED, STAYS, OVER)] == [
        b"daisy\nrose\n",
        b"rose\n",
        None,
        None,
    ]


def test_json_has_all_that_are_in_force() -> None:
    assert json_line(decision_fields(JOINED)) == (
        b'{"label": "rose", "score": 0.83, "sequence": 12, "timestamp_ns": 400, "stage": 0, '
        b'"model": "flowers", "labels": [{"label": "daisy", "score": 0.9877}, '
        b'{"label": "rose", "score": 0.83}], "announced": ["rose"]}\n'
    )
    over = json.loads(json_line(decision_fields(OVER)))
    assert (over["label"], over["labels"], over["announced"]) == (None, [], [])


def test_the_log_and_the_status_say_all() -> None:
    assert message(JOINED) == "I see a daisy and a rose (0.99, 0.83)"
    assert message(STAYS) == "I see a rose (0.80)"
    assert message(OVER) == "I see nothing I know"
    assert status_line("", JOINED, Counters(), None) == message(JOINED)
    found = fields(JOINED, {})
    assert (found["LABEL"], found["SCORE"]) == ("rose", "0.8300")
    assert (found["LABELS"], found["ANNOUNCED"]) == ("daisy, rose", "rose")


def test_every_label_announced_counts() -> None:
    counters = Counters()
    for each in (TWO, STAYS, OVER):
        counters.decided(each)
    assert (counters.decisions, counters.labels) == (3, 2)


@pytest.mark.parametrize(
    ("language", "labels", "phrase"),
    [
        ("en", ["daisy"], "I see a daisy"),
        ("en", ["daisy", "iris"], "I see a daisy and an iris"),
        ("en", ["daisy", "roses", "red_iris"], "I see a daisy, roses and a red iris"),
        ("de", ["eine Rose", "ein Gras"], "Ich sehe eine Rose und ein Gras"),
        ("es", ["rosa", "lirio"], "Veo rosa y lirio"),
        ("es", ["rosa", "iris"], "Veo rosa e iris"),
        ("es", ["nieve", "hielo"], "Veo nieve y hielo"),
        ("fr", ["une rose", "un lis", "un iris"], "Je vois : une rose, un lis et un iris"),
        ("it", ["rosa", "iris"], "rosa, iris"),
    ],
)
def test_several_are_said_in_one_phrase(language: str, labels: list[str], phrase: str) -> None:
    assert Phrases(language=language).of_all(labels) == phrase


def test_a_label_with_a_phrase_of_its_own_has_its_own_sentence() -> None:
    phrases = Phrases(table={"cat": "Watch out, {a_label}!"})
    assert (
        phrases.of_all(["daisy", "cat", "rose"]) == "I see a daisy and a rose. Watch out, a cat!"
    )
    assert phrases.of_all(["cat"]) == "Watch out, a cat!"
    loud = Phrases("Look!", {"cat": "A cat!", "dog": "A dog"})
    assert loud.of_all(["dog", "cat", "rose"]) == "Look! A dog. A cat!"
