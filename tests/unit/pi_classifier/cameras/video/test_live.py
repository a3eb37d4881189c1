"""Which pictures of a live camera pass: about one a period."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras.video.live import FrameRateLimiter

PERIOD = 100


def admitted(times: list[int]) -> list[int]:
    limiter = FrameRateLimiter(PERIOD)
    return [time for time in times if limiter.admits(time)]


def test_every_third_of_three_times_as_many() -> None:
    times = [1000 + round(i * PERIOD / 3) for i in range(31)]
    passed = admitted(times)
    # the first, then as evenly as they come
    assert passed[0] == 1000
    assert [b - a for a, b in pairwise(passed[1:])] == [PERIOD] * 9


def test_one_and_a_half_times_as_many() -> None:
    passed = admitted([1000 + round(i * PERIOD / 1.5) for i in range(301)])
    assert abs(len(passed) - 201) <= 1


def test_uneven_pictures_at_just_this_rate_are_all_taken() -> None:
    times = [1000 + i * PERIOD + (-1) ** i * 20 for i in range(50)]
    assert admitted(times) == times


def test_after_a_gap_it_goes_on_at_the_same_rate() -> None:
    passed = admitted([1000, *range(5000, 6000, 20)])
    assert passed[:2] == [1000, 5000]
    assert len(passed) <= 1 + 1000 // PERIOD + 1


@given(st.lists(st.sampled_from([0, 1, 33, 49, 50, 51, 99, 100, 101, 250]), max_size=60))
def test_never_more_than_the_rate_and_one_never_none_for_long(gaps: list[int]) -> None:
    times = [1000]
    for gap in gaps:
        times.append(times[-1] + gap)
    passed = admitted(times)
    assert passed[0] == 1000
    assert len(passed) <= (times[-1] - times[0]) / PERIOD + 1.5
    for time in times:
        # whatever comes one and a half periods after the last taken is taken
        last = max(other for other in passed if other <= time)
        assert time - last < 1.5 * PERIOD
