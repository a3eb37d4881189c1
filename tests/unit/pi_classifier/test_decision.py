"""The smoother: examples of its rules, then properties drawn from their boundaries."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.decision import Smoother, SmootherSettings
from pi_classifier.types import Category, Decision, Frame, Prediction

PIXELS = np.zeros((1, 1, 3), np.uint8)
MS = 1_000_000


def frame(sequence: int, timestamp_ns: int | None = None) -> Frame:
    """A black frame; ten a second unless a timestamp is given."""
    return Frame(PIXELS, sequence, sequence * 100 * MS if timestamp_ns is None else timestamp_ns)


def prediction(**scores: float) -> Prediction:
    ordered = sorted(enumerate(scores.items()), key=lambda item: -item[1][1])
    categories = tuple(Category(index, label, score) for index, (label, score) in ordered)
    return Prediction(categories, model="test", stage=1, latency_ns=5)


def announced(
    smoother: Smoother, predictions: Iterable[Prediction], start: int = 0
) -> list[tuple[int, str | None]]:
    """Feed ten frames a second; return (sequence, label) of every decision."""
    found = []
    for sequence, each in enumerate(predictions, start):
        decision = smoother.update(frame(sequence), each)
        if decision is not None:
            assert decision.sequence == sequence
            found.append((sequence, decision.label))
    return found


DAISY = prediction(daisy=0.9, rose=0.1)
ROSE = prediction(rose=0.9, daisy=0.1)
WEAK_DAISY = prediction(daisy=0.5, rose=0.3)
NOTHING = prediction(background=0.95, daisy=0.05)
SILENT = ("background",)


def smoother(**changes: float) -> Smoother:
    return Smoother(SmootherSettings(**changes), SILENT)  # type: ignore[arg-type]


def test_a_label_is_announced_once_after_patience_frames() -> None:
    assert announced(smoother(), [DAISY] * 10) == [(2, "daisy")]


def test_patience_of_one_announces_at_once() -> None:
    assert announced(smoother(patience=1), [DAISY] * 3) == [(0, "daisy")]


def test_the_decision_carries_what_tipped_it() -> None:
    under_test = smoother(patience=1)
    decision = under_test.update(frame(7, 123), DAISY)
    assert decision == Decision("daisy", 0.9, 7, 123, 1, "test", visit=1)
    assert decision.latency_ns == 5
    gone = under_test.update(frame(8, 456), NOTHING)
    assert gone == Decision(None, 0.95, 8, 456, 1, "test")
    assert under_test.label is None


def test_another_candidate_restarts_the_count() -> None:
    assert announced(smoother(), [DAISY, DAISY, ROSE, DAISY, DAISY]) == []
    assert announced(smoother(), [DAISY, DAISY, ROSE, DAISY, DAISY, DAISY]) == [(5, "daisy")]


def test_seeing_the_announced_label_again_restarts_the_count() -> None:
    frames = [DAISY] * 3 + [NOTHING, NOTHING, DAISY, NOTHING, NOTHING]
    assert announced(smoother(), frames) == [(2, "daisy")]
    assert announced(smoother(), [*frames, NOTHING]) == [(2, "daisy"), (8, None)]


def test_a_silent_label_is_nothing() -> None:
    assert announced(smoother(), [NOTHING] * 10) == []
    assert announced(smoother(), [DAISY] * 3 + [NOTHING] * 3) == [(2, "daisy"), (5, None)]


def test_an_announced_label_holds_down_to_the_low_threshold() -> None:
    assert announced(smoother(), [DAISY] * 3 + [WEAK_DAISY] * 9) == [(2, "daisy")]


def test_a_weak_label_is_never_announced() -> None:
    assert announced(smoother(), [WEAK_DAISY] * 9) == []


def test_an_announced_label_holds_beside_a_strong_silent_one() -> None:
    both = prediction(background=0.6, daisy=0.4)
    assert announced(smoother(), [DAISY] * 3 + [both] * 9) == [(2, "daisy")]


def test_a_label_missing_from_the_prediction_does_not_hold() -> None:
    other = prediction(rose=0.5)
    assert announced(smoother(), [DAISY] * 3 + [other] * 3) == [(2, "daisy"), (5, None)]


def test_labels_go_over_into_each_other_without_a_gap() -> None:
    assert announced(smoother(refractory_s=0), [DAISY] * 3 + [ROSE] * 3) == [
        (2, "daisy"),
        (5, "rose"),
    ]


def test_the_next_label_waits_for_the_refractory_time() -> None:
    # daisy at frame 2 (0.2 s): rose is agreed on at frame 5 but 1 s is over at frame 12
    assert announced(smoother(), [DAISY] * 3 + [ROSE] * 20) == [(2, "daisy"), (12, "rose")]


def test_a_label_that_does_not_hold_through_the_refractory_time_is_not_announced() -> None:
    frames = [DAISY] * 3 + [ROSE] * 9 + [NOTHING] * 3
    assert announced(smoother(), frames) == [(2, "daisy"), (14, None)]


def test_nothing_does_not_wait_but_the_label_after_it_does() -> None:
    frames = [DAISY] * 3 + [NOTHING] * 3 + [DAISY] * 20
    assert announced(smoother(), frames) == [(2, "daisy"), (5, None), (12, "daisy")]


def test_low_above_high_is_refused() -> None:
    with pytest.raises(ValueError, match=r"threshold_low = 0\.8 is above threshold_high = 0\.7"):
        SmootherSettings(threshold_low=0.8)
    assert SmootherSettings(threshold_low=0.7).threshold_low == 0.7


# Properties. Scores and times are drawn from the thresholds and their neighbors:
# uniform draws miss an off-by-one that these catch.

HIGH, LOW, REFRACTORY_MS = 0.6, 0.4, 300


def around(value: float) -> list[float]:
    return [math.nextafter(value, 0), value, math.nextafter(value, 1)]


SCORES = st.sampled_from([0.0, *around(LOW), 0.5, *around(HIGH), 1.0])
STEPS_NS = st.sampled_from(
    [0, 1, 100 * MS, REFRACTORY_MS * MS - 1, REFRACTORY_MS * MS, REFRACTORY_MS * MS + 1]
)
PREDICTIONS = st.builds(
    lambda a, b, silent: prediction(a=a, b=b, background=silent), SCORES, SCORES, SCORES
)
RECORDINGS = st.lists(st.tuples(STEPS_NS, PREDICTIONS), max_size=40)
SETTINGS = st.builds(
    SmootherSettings,
    threshold_high=st.just(HIGH),
    threshold_low=st.sampled_from([LOW, HIGH]),
    patience=st.integers(1, 4),
    refractory_s=st.sampled_from([0.0, REFRACTORY_MS / 1000]),
)


def frames_of(recording: list[tuple[int, Prediction]]) -> list[tuple[Frame, Prediction]]:
    now_ns, frames = 0, []
    for sequence, (step_ns, each) in enumerate(recording):
        now_ns += step_ns
        frames.append((frame(sequence, now_ns), each))
    return frames


def expected(
    settings: SmootherSettings, frames: list[tuple[Frame, Prediction]]
) -> list[tuple[int, str | None]]:
    """The documented rules written as a look back over the history, not as a state machine."""
    label: str | None = None
    spoke_ns: int | None = None
    proposed: list[str | None] = []
    found = []
    for seen, each in frames:
        scores = {category.label: category.score for category in each.categories}
        if each.top.score >= settings.threshold_high and each.top.label != "background":
            proposed.append(each.top.label)
        elif label is not None and scores[label] >= settings.threshold_low:
            proposed.append(label)
        else:
            proposed.append(None)
        last = proposed[-settings.patience :]
        agreed = len(last) == settings.patience and len(set(last)) == 1
        rested = (
            proposed[-1] is None
            or spoke_ns is None
            or seen.timestamp_ns - spoke_ns >= settings.refractory_s * 1e9
        )
        if proposed[-1] != label and agreed and rested:
            label = proposed[-1]
            spoke_ns = spoke_ns if label is None else seen.timestamp_ns
            found.append((seen.sequence, label))
    return found


@given(SETTINGS, RECORDINGS)
def test_decisions_are_those_of_the_documented_rules(
    settings: SmootherSettings, recording: list[tuple[int, Prediction]]
) -> None:
    frames = frames_of(recording)
    under_test = Smoother(settings, SILENT)
    decided = [decision for each in frames if (decision := under_test.update(*each))]
    assert [(each.sequence, each.label) for each in decided] == expected(settings, frames)


@given(SETTINGS, RECORDINGS)
def test_decisions_keep_their_promises(
    settings: SmootherSettings, recording: list[tuple[int, Prediction]]
) -> None:
    under_test = Smoother(settings, SILENT)
    before: str | None = None
    spoke_ns: int | None = None
    for seen, each in frames_of(recording):
        decision = under_test.update(seen, each)
        if decision is None:
            assert under_test.label == before
            continue
        assert decision.label == under_test.label != before
        before = decision.label
        if decision.label is None:
            continue
        assert decision.label not in SILENT
        assert decision.score >= settings.threshold_high
        if spoke_ns is not None:
            assert seen.timestamp_ns - spoke_ns >= settings.refractory_s * 1e9
        spoke_ns = seen.timestamp_ns


@given(SETTINGS, RECORDINGS)
def test_a_replayed_recording_gives_the_same_decisions(
    settings: SmootherSettings, recording: list[tuple[int, Prediction]]
) -> None:
    frames = frames_of(recording)
    first, second = Smoother(settings, SILENT), Smoother(settings, SILENT)
    live = [first.update(*each) for each in frames]
    assert [second.update(*each) for each in frames] == live


def test_what_the_configuration_made_silent_since_holds_no_longer() -> None:
    before, after = smoother(), Smoother(SmootherSettings(), ["background", "daisy"])
    assert announced(before, [DAISY] * 5) == [(2, "daisy")]
    after.resume_from(before)
    assert announced(after, [DAISY] * 10, start=5) == [(7, None)]


def test_a_decision_names_the_camera_of_its_frame() -> None:
    seen = replace(frame(0), camera="garden")
    decision = smoother(patience=1).update(seen, DAISY)
    assert decision is not None
    assert decision.camera == "garden"
