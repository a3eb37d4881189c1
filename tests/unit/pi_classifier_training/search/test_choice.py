"""One network or two: the rule, on answers made up for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.search.choice import (
    LEAST_PHOTOS,
    TOLERANCE,
    WORTH_IT,
    Choice,
    Limits,
    Option,
    choose,
    option_of,
)

from tests.unit.pi_classifier_training.outcomes import outcomes_with

PHOTOS = 400


def option(name: str, ms: float, right: Sequence[bool], tops: Sequence[float] = ()) -> Option:
    return Option(name, ms, 100 * ms, outcomes_with(tops or [0.9] * len(right), right), name)


def share(right: float, n: int = PHOTOS) -> list[bool]:
    """So large a share of right answers, anywhere among the photos."""
    wrong = np.random.default_rng(n).permutation(n) < round(n * (1 - right))
    return [not w for w in wrong]


def names(choice: Choice) -> list[str]:
    return [o.name for o in choice.options]


def is_cascade(choice: Choice) -> bool:
    return len(choice.options) == 2


class TestOneNetwork:
    def test_of_those_as_good_as_the_best_the_fastest(self) -> None:
        tried = [
            option("slow", 100, share(0.95)),
            option("as good", 60, share(0.95 - TOLERANCE + 0.001)),
            option("worse", 10, share(0.94)),
        ]
        chosen = choose(tried)
        assert names(chosen) == ["as good"]
        assert not is_cascade(chosen)
        assert (chosen.ms, chosen.kb) == (60, 6000)
        assert "within 0.3 points of the best (slow, 95.0 %)" in chosen.reason

    def test_a_photo_of_a_thousand_beyond_the_tolerance_is_worse(self) -> None:
        def with_wrong(name: str, ms: float, wrong: int) -> Option:
            return option(name, ms, [i >= wrong for i in range(1000)])

        assert names(choose([with_wrong("best", 9, 50), with_wrong("3 more", 5, 53)])) == [
            "3 more"
        ]
        assert names(choose([with_wrong("best", 9, 50), with_wrong("4 more", 5, 54)])) == ["best"]

    def test_of_equally_fast_ones_the_more_accurate_then_the_smaller(self) -> None:
        equal = [option("b", 5, share(0.95)), option("a", 5, share(0.9475))]
        assert names(choose(equal)) == ["b"]
        heavy = Option("heavy", 5, 900, equal[0].outcomes, "heavy")
        assert names(choose([heavy, equal[0]])) == ["b"]

    def test_what_the_board_does_not_allow_is_no_bar_either(self) -> None:
        tried = [option("slow", 100, share(0.95)), option("fast", 10, share(0.9))]
        assert names(choose(tried, Limits(max_ms=99))) == ["fast"]
        assert names(choose(tried, Limits(max_kb=9_999))) == ["fast"]
        assert names(choose(tried, Limits(max_ms=100, max_kb=10_000))) == ["slow"]

    def test_nothing_allowed_is_said(self) -> None:
        with pytest.raises(TrainingError, match="none of the 1 networks tried stays within"):
            choose([option("slow", 100, share(0.95))], Limits(max_ms=50))


def sure_where_right(ms: float, right: Sequence[bool]) -> Option:
    return option("cheap", ms, right, [0.95 if r else 0.4 for r in right])


class TestCascade:
    BEST = option("best", 100, share(0.96))

    def test_a_cheap_one_that_knows_when_it_is_unsure_goes_first(self) -> None:
        chosen = choose([self.BEST, sure_where_right(10, share(0.8))])
        assert names(chosen) == ["cheap", "best"]
        assert chosen.ms == pytest.approx(10 + 0.2 * 100)
        assert chosen.accuracy >= self.BEST.accuracy - TOLERANCE
        assert chosen.kb == 100 * 110
        assert chosen.max_loss == pytest.approx(TOLERANCE)
        assert "cheap answers 80 % of them alone" in chosen.reason

    def test_one_whose_scores_say_nothing_does_not(self) -> None:
        rng = np.random.default_rng(1)
        tops = rng.uniform(0.3, 1.0, PHOTOS).tolist()
        guesses = option("cheap", 10, rng.uniform(size=PHOTOS) < 0.8, tops)  # type: ignore[arg-type]
        assert names(choose([self.BEST, guesses])) == ["best"]

    def test_one_that_is_always_sure_does_not(self) -> None:
        always = option("cheap", 10, share(0.8), [0.999] * PHOTOS)
        assert names(choose([self.BEST, always])) == ["best"]

    def test_of_many_that_guess_none_is_lucky_enough(self) -> None:
        rng = np.random.default_rng(2)
        tried = [self.BEST]
        for number in range(30):
            right = rng.uniform(size=PHOTOS) < 0.7
            tops = rng.uniform(0.3, 0.999, PHOTOS)
            tried.append(option(f"cheap{number}", 1, right.tolist(), tops.tolist()))
        assert names(choose(tried)) == ["best"]

    def test_one_that_saves_little_is_not_worth_two_files(self) -> None:
        cheap = share(0.8)
        # 100 · 0.2 for those passed on, and 60 for asking first, are the fifth that counts.
        assert is_cascade(choose([self.BEST, sure_where_right(60, cheap)]))
        assert not is_cascade(choose([self.BEST, sure_where_right(60.1, cheap)]))

    def test_the_slowest_frame_and_both_files_stay_within_the_limits(self) -> None:
        tried = [self.BEST, sure_where_right(10, share(0.8))]
        assert is_cascade(choose(tried, Limits(max_ms=110)))
        assert not is_cascade(choose(tried, Limits(max_ms=109)))
        assert not is_cascade(choose(tried, Limits(max_kb=10_999)))

    def test_a_cheaper_second_network_may_lose_only_what_is_left_to_the_bar(self) -> None:
        best = option("best", 100, share(0.96, 2000))
        second = option("second", 50, share(0.9585, 2000))
        chosen = choose([best, second, sure_where_right(5, share(0.8, 2000))])
        assert names(chosen) == ["cheap", "second"]
        assert chosen.max_loss == pytest.approx(TOLERANCE - 0.0015)

    def test_few_photos_make_no_threshold(self) -> None:
        def tried(photos: int) -> list[Option]:
            right = share(0.8, photos)
            return [option("best", 100, [True] * photos), sure_where_right(1, right)]

        assert is_cascade(choose(tried(LEAST_PHOTOS)))
        assert not is_cascade(choose(tried(LEAST_PHOTOS - 1)))


@st.composite
def tried_networks(draw: st.DrawFn) -> list[Option]:
    n = draw(st.sampled_from([1, LEAST_PHOTOS - 1, LEAST_PHOTOS, 53]))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    made = []
    for name in "abcd"[: draw(st.integers(1, 4))]:
        right = rng.uniform(size=n) < draw(st.sampled_from([0.5, 0.9, 1.0]))
        sure = draw(st.sampled_from([0.3, 0.5, 0.99]))
        # At one threshold its scores tell right from wrong; at the others they do not.
        tops = np.where(right | (rng.uniform(size=n) < 0.1), sure, rng.choice([0.3, 0.5], n))
        ms, kb = draw(st.sampled_from([1.0, 2.0, 8.0, 10.0])), draw(st.sampled_from([1.0, 5.0]))
        made.append(Option(name, ms, kb, outcomes_with(tops.tolist(), right.tolist()), name))
    return made


LIMITS = st.builds(
    Limits,
    st.sampled_from([None, 0.5, 2.0, 9.0, 10.0, 12.0]),
    st.sampled_from([None, 1.0, 6.0]),
)


@settings(max_examples=150)
@given(tried_networks(), LIMITS, st.randoms(use_true_random=False))
def test_nothing_dominated_is_chosen(
    tried: list[Option], limits: Limits, shuffle: st.DataObject
) -> None:
    allowed = [o for o in tried if limits.allow([o])]
    if not allowed:
        with pytest.raises(TrainingError):
            choose(tried, limits)
        return
    chosen = choose(tried, limits)
    assert limits.allow(chosen.options)
    best = max(o.accuracy for o in allowed)
    assert chosen.accuracy >= best - TOLERANCE - 1e-9
    for other in allowed:
        as_cheap, as_good = other.ms <= chosen.ms, other.accuracy >= chosen.accuracy
        better = other.ms < chosen.ms or other.accuracy > chosen.accuracy
        assert not (as_cheap and as_good and better)
    if is_cascade(chosen):
        first, second = chosen.options
        assert first.ms < second.ms
        enough = [o.ms for o in allowed if o.accuracy >= best - TOLERANCE]
        assert chosen.ms <= WORTH_IT * min(enough) + 1e-6
    other_order = list(tried)
    shuffle.shuffle(other_order)  # type: ignore[attr-defined]
    again = choose(other_order, limits)
    assert (names(again), again.ms, again.reason) == (names(chosen), chosen.ms, chosen.reason)


def test_scores_of_a_trial_are_read_as_those_of_a_file_are() -> None:
    scores = np.array([[0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], np.float32)
    made = option_of("net", 3.0, 40.0, scores, np.array([0, 1, 1], np.int64))
    assert made.outcomes.right.tolist() == [True, True, False]
    assert made.outcomes.top.tolist() == pytest.approx([0.8, 0.7, 0.6])
    assert made.accuracy == pytest.approx(2 / 3)
