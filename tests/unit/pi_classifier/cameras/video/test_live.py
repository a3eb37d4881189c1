"""Which of the pictures of a live camera are taken."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras.video.live import Thinning

PERIOD = 100


def taken(times: list[int]) -> list[int]:
    thinning = Thinning(PERIOD)
    return [time for time in times if thinning.takes(time)]


def test_every_third_of_three_times_as_many() -> None:
    times = [1000 + round(i * PERIOD / 3) for i in range(31)]
    found = taken(times)
    # the first, then as evenly as they come
    assert found[0] == 1000
    assert [b - a for a, b in pairwise(found[1:])] == [PERIOD] * 9


def test_one_and_a_half_times_as_many() -> None:
    found = taken([1000 + round(i * PERIOD / 1.5) for i in range(301)])
    assert abs(len(found) - 201) <= 1


def test_uneven_pictures_at_just_this_rate_are_all_taken() -> None:
    times = [1000 + i * PERIOD + (-1) ** i * 20 for i in range(50)]
    assert taken(times) == times


def test_after_a_gap_it_goes_on_at_the_same_rate() -> None:
    found = taken([1000, *range(5000, 6000, 20)])
    assert found[:2] == [1000, 5000]
    assert len(found) <= 1 + 1000 // PERIOD + 1


@given(st.lists(st.sampled_from([0, 1, 33, 49, 50, 51, 99, 100, 101, 250]), max_size=60))
def test_never_more_than_the_rate_and_one_never_none_for_long(gaps: list[int]) -> None:
    times = [1000]
    for gap in gaps:
        times.append(times[-1] + gap)
    found = taken(times)
    assert found[0] == 1000
    assert len(found) <= (times[-1] - times[0]) / PERIOD + 1.5
    for time in times:
        # whatever comes one and a half periods after the last taken is taken
        last = max(each for each in found if each <= time)
        assert time - last < 1.5 * PERIOD
