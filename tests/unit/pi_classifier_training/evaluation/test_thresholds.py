"""Thresholds of single labels, against walking down by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pi_classifier_training.evaluation.frontier import THRESHOLDS
from pi_classifier_training.evaluation.thresholds import LEAST_ANSWERS, label_thresholds

from tests.unit.pi_classifier_training.outcomes import outcomes_with

LABELS = ("daisy", "rose", "tulip")


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
