"""Accept thresholds: by loss, by budget, and of single labels, against walking down by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.frontier import (
    THRESHOLDS,
    count_frontier,
)
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.evaluation.thresholds import (
    LEAST_ANSWERS,
    CascadeData,
    Costs,
    ThresholdPolicy,
    choose_thresholds,
    label_thresholds,
)

from tests.unit.pi_classifier_training.outcomes import outcomes_with

LABELS = ("daisy", "rose", "tulip")


COSTS = Costs((2.0, 10.0), (1.0, 8.0))
# One photo in ten at each score; below 0.65 the cheap model errs.
TOPS = [0.355, 0.455, 0.555, 0.605, 0.645, 0.705, 0.755, 0.855, 0.905, 0.955]
CHEAP = outcomes_with(TOPS, [t >= 0.65 for t in TOPS])
COSTLY = outcomes_with([1.0] * 10, [True] * 10)
DATA = CascadeData((), ("cheap", "costly"), COSTS, (CHEAP, COSTLY))
FRONTIER = count_frontier((CHEAP, COSTLY), COSTS.frame_ms)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.data())
def test_a_frame_costs_what_the_stages_cost_that_are_asked(
    asked: list[float], data: st.DataObject
) -> None:
    times = data.draw(st.lists(st.floats(0, 100), min_size=len(asked), max_size=len(asked)))
    expected = sum(share * ms for share, ms in zip(asked, times, strict=True))
    assert COSTS.of(asked, times) == pytest.approx(expected)


class TestChoose:
    def test_given_thresholds_are_taken_as_they_are(self) -> None:
        chosen = choose_thresholds(
            FRONTIER, DATA, ThresholdPolicy(accept=(0.123,), max_loss=0, budget_ms=0.001)
        )
        assert chosen.accept == (0.123,)
        assert chosen.note == "as given"

    @pytest.mark.parametrize(
        ("max_loss", "accept"),
        [(0.0, 0.65), (0.0999, 0.65), (0.1, 0.61), (0.2, 0.56), (0.5, 0.3), (1.0, 0.3)],
    )
    def test_a_loss_buys_lower_thresholds_photo_by_photo(
        self, max_loss: float, accept: float
    ) -> None:
        chosen = choose_thresholds(FRONTIER, DATA, ThresholdPolicy(max_loss=max_loss))
        assert chosen.accept == (accept,)
        assert chosen.note == f"the cheapest within {max_loss:.1%} on 10 validation photos"

    @pytest.mark.parametrize(
        ("budget", "accept"), [(2.0, 0.3), (5.0, 0.56), (7.0, 0.65), (99.0, 0.65)]
    )
    def test_a_budget_is_spent_on_what_makes_photos_right(
        self, budget: float, accept: float
    ) -> None:
        """2 ms a frame and 10 for each photo passed on: 5 ms buy three of ten."""
        chosen = choose_thresholds(FRONTIER, DATA, ThresholdPolicy(budget_ms=budget))
        assert chosen.accept == (accept,)
        assert chosen.note == f"the most accurate within {budget:g} ms on 10 validation photos"

    def test_less_than_the_first_model_takes_is_refused_with_what_it_takes(self) -> None:
        with pytest.raises(
            TrainingError, match=r"within 1\.9 ms: cheap alone takes 2\.00 ms here"
        ):
            choose_thresholds(FRONTIER, DATA, ThresholdPolicy(budget_ms=1.9))

    def test_where_nothing_holds_the_highest_thresholds_are_taken_and_it_is_said(self) -> None:
        """Sure and wrong: even above 0.99 the cheap model answers, and errs."""
        sure = outcomes_with([1.0] * 10, [False] * 10)
        data = CascadeData((), ("cheap", "costly"), COSTS, (sure, COSTLY))
        chosen = choose_thresholds(
            count_frontier((sure, COSTLY), COSTS.frame_ms), data, ThresholdPolicy(max_loss=0.01)
        )
        assert chosen.accept == (0.99,)
        assert chosen.note.startswith("the highest there are: at none the loss stays within 1.0%")


def lowered(
    tops: list[float], right: list[bool], later: list[bool], shared: float = 0.9
) -> dict[str, float]:
    """Thresholds of the label "daisy", which all photos are given by the cheap model."""
    stages = outcomes_with(tops, right), outcomes_with([1.0] * len(tops), later)
    (own,) = label_thresholds(stages, (shared,), LABELS)
    return own


def walked_down(
    tops: list[float], right: list[bool], later: list[bool], shared: float
) -> dict[str, float]:
    """The definition: go down as long as accepting all from there on never loses a photo."""
    if len(tops) < LEAST_ANSWERS:
        return {}
    chosen = shared
    for threshold in sorted((t for t in THRESHOLDS if t < shared), reverse=True):
        between = [i for i, top in enumerate(tops) if threshold <= float(np.float32(top)) < shared]
        if sum(right[i] for i in between) < sum(later[i] for i in between):
            break
        chosen = float(threshold)
    return {} if chosen == shared else {"daisy": chosen}


TOP = st.sampled_from([0.2, 0.3, 0.5, 0.505, 0.7, 0.705, 0.8, 0.9, 0.95])
PHOTO = st.tuples(TOP, st.booleans(), st.booleans())


@settings(max_examples=60)
@given(st.lists(PHOTO, min_size=LEAST_ANSWERS, max_size=60), st.sampled_from([0.3, 0.7, 0.9]))
def test_is_what_walking_down_gives(photos: list[tuple[float, bool, bool]], shared: float) -> None:
    tops, right, later = ([p[i] for p in photos] for i in range(3))
    assert lowered(tops, right, later, shared) == walked_down(tops, right, later, shared)  # type: ignore[arg-type]


@pytest.mark.parametrize(("photos", "found"), [(49, {}), (50, {"daisy": 0.3})])
def test_fifty_answers_are_enough(photos: int, found: dict[str, float]) -> None:
    assert lowered([0.8] * photos, [True] * photos, [True] * photos) == found


def test_a_loss_that_a_gain_above_it_pays_for_is_allowed() -> None:
    # At 0.8 one photo is won; at 0.5 one is lost: together none.
    tops = [0.8, 0.5] + [0.95] * 50
    assert lowered(tops, [True, False] + [True] * 50, [False, True] + [True] * 50) == {
        "daisy": 0.3
    }


def test_a_loss_that_only_a_gain_below_it_would_pay_for_is_not() -> None:
    tops = [0.8, 0.5] + [0.95] * 50
    own = lowered(tops, [False, True] + [True] * 50, [True, False] + [True] * 50)
    assert own == {"daisy": 0.81}


def test_a_stage_reckons_with_the_thresholds_of_the_stages_behind_it() -> None:
    """The middle stage will answer too, so the first may not count on the last one."""
    n = 60
    first = outcomes_with([0.6] * n, [False] * n)
    middle = outcomes_with([0.6] * n, [False] * n)
    last = outcomes_with([1.0] * n, [False] * n)
    # All are wrong alike: nothing is lost by answering from the lowest threshold on.
    own = label_thresholds((first, middle, last), (0.9, 0.9), LABELS)
    assert own == ({"daisy": 0.3}, {"daisy": 0.3})
    # Where only the middle stage is right, and answers, the first must pass on to it.
    sure = outcomes_with([0.95] * n, [True] * n)
    own = label_thresholds((first, sure, last), (0.9, 0.9), LABELS)
    assert own == ({"daisy": 0.61}, {"daisy": 0.3})


def test_every_label_is_judged_by_its_own_answers() -> None:
    n = 120
    given_ = [i % 2 for i in range(n)]
    right = [g == 0 for g in given_]
    cheap = outcomes_with([0.6] * n, right, given_)
    (own,) = label_thresholds((cheap, outcomes_with([1.0] * n, [True] * n)), (0.9,), LABELS)
    # Daisies are always right; what is called a rose is one of the next model's right answers.
    assert own == {"daisy": 0.3, "rose": 0.61}


# The cheap model is wrong exactly where its score is at most 0.705.
SMALL = outcomes_with([0.605, 0.655, 0.705, 0.75, 0.8, 0.95], [False] * 3 + [True] * 3)


LARGE = outcomes_with([0.9] * 6, [True] * 6)


TIMES = Costs((1.0, 4.0), (0.5, 3.0))


def chosen(cheap: Outcomes, costly: Outcomes, choice: ThresholdPolicy) -> float:
    data = CascadeData((), ("cheap", "costly"), TIMES, (cheap, costly))
    (accept,) = choose_thresholds(
        count_frontier((cheap, costly), TIMES.frame_ms), data, choice
    ).accept
    return accept


def test_the_lowest_threshold_that_loses_nothing_is_chosen() -> None:
    # 0.71 passes on all three mistakes and none of the right answers.
    assert chosen(SMALL, LARGE, ThresholdPolicy(max_loss=0.0)) == pytest.approx(0.71)


def test_allowing_one_mistake_lowers_the_threshold() -> None:
    assert chosen(SMALL, LARGE, ThresholdPolicy(max_loss=1 / 6)) == pytest.approx(0.66)


def test_a_cheap_model_that_is_surely_wrong_passes_on_all_it_can() -> None:
    wrong = outcomes_with([0.999] * 6, [False] * 6)
    assert chosen(wrong, LARGE, ThresholdPolicy(max_loss=0.0)) == THRESHOLDS[-1]


def test_a_budget_buys_what_accuracy_it_can() -> None:
    # A third of the photos may be passed on: 1 ms and a third of 4 ms.
    assert chosen(SMALL, LARGE, ThresholdPolicy(budget_ms=1 + 4 / 3)) == pytest.approx(0.66)


def test_a_budget_below_the_cheapest_model_is_refused_with_numbers() -> None:
    with pytest.raises(TrainingError, match=r"within 0\.5 ms: cheap alone takes 1\.00 ms"):
        chosen(SMALL, LARGE, ThresholdPolicy(budget_ms=0.5))


def test_a_lucky_dip_is_not_taken() -> None:
    # At 0.3 two errors happen to cancel out; between 0.56 and 0.65 they do not.
    cheap = outcomes_with([0.555, 0.655], [True, False])
    costly = outcomes_with([0.9] * 2, [False, True])
    frontier = count_frontier((cheap, costly), TIMES.frame_ms)
    assert frontier.accuracy[0] == frontier.accuracy[-1] == pytest.approx(0.5)
    assert frontier.accuracy.min() == 0
    assert chosen(cheap, costly, ThresholdPolicy(max_loss=0.0)) == pytest.approx(0.66)


def per_label(tops: list[float], right: list[bool], later: list[bool]) -> dict[str, float]:
    n = len(tops)
    zeros = np.zeros(n, np.int64)
    hit, top = np.array(right), np.array(tops, np.float32)
    # Label 1 is given 60 times, label 0 only for the first ten photos.
    given = np.where(np.arange(n) < 10, 0, 1).astype(np.int64)
    cheap = Outcomes((), np.where(hit, given, 2), given, top, top, zeros, zeros, zeros)
    behind = outcomes_with([0.9] * n, later)
    (own,) = label_thresholds((cheap, behind), (0.9,), ["few", "many", "other"])
    return own


SPREAD = np.linspace(0.405, 0.895, 70).astype(float).tolist()


def test_a_label_that_loses_nothing_answers_from_lower_scores() -> None:
    assert per_label(SPREAD, [True] * 70, [True] * 70) == {"many": 0.3}


def test_a_label_is_lowered_only_as_far_as_it_loses_nothing() -> None:
    right = [top > 0.705 for top in SPREAD]
    assert per_label(SPREAD, right, [True] * 70)["many"] == pytest.approx(0.71)
    # Mistakes that the next stage makes as well lose nothing.
    assert per_label(SPREAD, right, right)["many"] == 0.3


def test_a_label_with_few_answers_keeps_the_threshold_of_its_stage() -> None:
    assert LEAST_ANSWERS == 50
    tops = SPREAD[:59]  # 10 of one label, 49 of the other
    assert per_label(tops, [True] * 59, [True] * 59) == {}


def test_a_label_that_would_lose_is_left_alone() -> None:
    assert per_label(SPREAD, [False] * 70, [True] * 70) == {}


def test_answers_above_the_threshold_pay_for_nothing_below() -> None:
    tops, right = [*SPREAD, *[0.95] * 20], [*[False] * 70, *[True] * 20]
    later = [not r for r in right]
    assert per_label(tops, right, later) == {}
