from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.decision import Smoother, SmootherSettings, TrackingSmoother, make_smoother
from pi_classifier.service.counters import Counters
from pi_classifier.sinks.json_line import decision_fields
from pi_classifier.types import Box, Category, Decision, Detection, Frame, Prediction
from pi_classifier.visits import Tracks, Visits

SECOND = 1_000_000_000
GAP_S = 10.0
HERE: Box = (0.1, 0.1, 0.2, 0.2)
BESIDE: Box = (0.2, 0.1, 0.2, 0.2)  # half of it is HERE
ELSEWHERE: Box = (0.7, 0.7, 0.2, 0.2)
SETTINGS = SmootherSettings(patience=3, refractory_s=0.0, visit_gap_s=GAP_S)
PIXELS = np.zeros((1, 1, 3), np.uint8)


def bird(box: Box, label: str = "robin") -> Detection:
    return Detection(label, 0.9, box)


def test_a_label_that_stays_away_longer_than_the_gap_is_another_visit() -> None:
    visits = Visits(GAP_S)
    assert visits.change(None, "robin", 0) == 1
    assert visits.change("robin", None, 5 * SECOND) is None
    assert visits.change(None, "robin", 15 * SECOND) == 1
    assert visits.change("robin", "crow", 20 * SECOND) == 1
    assert visits.change("crow", "robin", 30 * SECOND + 1) == 2


def test_one_that_moves_a_little_is_one_visit_from_the_third_frame_on() -> None:
    tracks = Tracks(GAP_S, patience=3)
    boxes = [HERE, BESIDE, HERE, BESIDE, HERE]
    followed = [tracks.follow(t * SECOND, [bird(box)]) for t, box in enumerate(boxes)]
    assert [seen.visit for (seen,), _ in followed] == [None, None, 1, 1, 1]
    assert [begun for _, begun in followed] == [(), (), ("robin",), (), ()]


@given(st.lists(st.booleans(), min_size=5, max_size=40))
def test_one_that_is_lost_for_less_than_the_gap_stays_the_same_visit(seen: list[bool]) -> None:
    tracks = Tracks(GAP_S, patience=1)
    numbers = set()
    for t, visible in enumerate([True, *seen]):
        detections, _ = tracks.follow(t * SECOND // 5, [bird(HERE)] if visible else [])
        numbers |= {detection.visit for detection in detections}
    assert numbers == {1}


@pytest.mark.parametrize(("seconds", "visit"), [(10, 1), (11, 2)])
def test_one_that_is_back_later_is_another(seconds: int, visit: int) -> None:
    tracks = Tracks(GAP_S, patience=1)
    tracks.follow(0, [bird(HERE)])
    (back,), _ = tracks.follow(seconds * SECOND, [bird(HERE)])
    assert back.visit == visit


def test_two_at_a_time_are_two_and_labels_are_numbered_apart() -> None:
    tracks = Tracks(GAP_S, patience=1)
    detections, begun = tracks.follow(0, [bird(HERE), bird(ELSEWHERE), bird(HERE, "crow")])
    assert [seen.visit for seen in detections] == [1, 2, 1]
    assert begun == ("robin", "robin", "crow")
    again, begun = tracks.follow(SECOND, [bird(ELSEWHERE), bird(BESIDE)])
    assert [seen.visit for seen in again] == [2, 1]
    assert begun == ()


def prediction(*detections: Detection) -> Prediction:
    best = Category(0, "robin", 0.9) if detections else Category(1, "nothing", 1.0)
    return Prediction((best,), "m", 0, 0, detections=detections)


def decided(smoother: TrackingSmoother, shown: list[list[Detection]]) -> list[Decision | None]:
    return [
        smoother.update(Frame(PIXELS, t, t * SECOND), prediction(*detections))
        for t, detections in enumerate(shown)
    ]


def test_another_bird_beside_the_first_is_a_decision_of_its_own() -> None:
    smoother = TrackingSmoother(SETTINGS, {"nothing"})
    one, both = [bird(HERE)], [bird(HERE), bird(ELSEWHERE)]
    decisions = decided(smoother, [one] * 4 + [both] * 4)
    told = [(t, d.label, d.visit) for t, d in enumerate(decisions) if d is not None]
    assert told == [(2, "robin", 1), (6, "robin", 2)]
    last = decisions[6]
    assert last is not None
    fields = decision_fields(last)
    assert fields["visit"] == 2
    assert [seen["visit"] for seen in fields["detections"]] == [1, 2]


def test_a_bird_that_is_announced_before_it_is_a_visit_is_told_of_once() -> None:
    smoother = TrackingSmoother(SETTINGS, {"nothing"})
    jumping = [[bird(box)] for box in (HERE, ELSEWHERE, HERE, HERE, HERE)]
    decisions = decided(smoother, jumping)
    assert [t for t, d in enumerate(decisions) if d is not None] == [2]


def test_without_windows_a_visit_begins_when_a_label_is_announced() -> None:
    smoother = make_smoother(SETTINGS, {"nothing"})
    assert isinstance(smoother, Smoother)
    robin, nothing = prediction(bird(HERE)), prediction()
    counters = Counters()
    for t in range(90):
        seen = robin if t % 30 < 10 or t % 30 == 15 else nothing
        decision = smoother.update(Frame(PIXELS, t, t * SECOND), seen)
        if decision is not None:
            counters.decided(decision)
    assert counters.visits == {("", "robin"): 3}
    assert "6 decisions, 3 visits (robin 3), " in str(counters)


def test_visits_of_several_cameras_add_up() -> None:
    counters = Counters()
    for camera, visit in (("pond", 1), ("gate", 1), ("gate", 2)):
        counters.decided(Decision("robin", 0.9, 0, 0, 0, "m", camera=camera, visit=visit))
    assert counters.visits_words == "3 visits (robin 3)"


def test_a_reload_goes_on_counting() -> None:
    before = TrackingSmoother(SETTINGS, {"nothing"})
    decided(before, [[bird(HERE)]] * 3)
    after = TrackingSmoother(SETTINGS, {"nothing"})
    after.resume_from(before)
    ((decision,), later) = (
        [after.update(Frame(PIXELS, 3, 3 * SECOND), prediction(bird(HERE)))],
        decided(after, [[bird(ELSEWHERE)]] * 3),
    )
    assert decision is None
    assert [d.visit for d in later if d is not None] == [2]
