"""The rate limit: repeated messages are bounded, counted, and cost no other ones."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pi_classifier.logs.rate_limit import (
    BURST,
    DISTINCT,
    MAX_KEYS,
    WINDOW_S,
    LogRateLimit,
    Repeats,
)

TEXTS = ["the camera failed", "frame 1 is dark", "frame 2 is dark", "frame 3.5 is dark", "disk"]
# around the end of a window, and nothing at all
STEPS_S = [0.0, 0.001, WINDOW_S / 2, WINDOW_S - 0.001, WINDOW_S, WINDOW_S + 0.001]


def test_the_first_few_pass_then_one_summary_a_minute() -> None:
    limit: LogRateLimit[str] = LogRateLimit()
    said = []
    for tick in range(10 * 180):  # ten times a second for three minutes
        now_s = tick / 10
        said += [(now_s, repeats.count) for repeats in limit.due(now_s)]
        if limit.admit("no sound", "no sound", now_s):
            said.append((now_s, 0))
    assert said == [
        *((tick / 10, 0) for tick in range(BURST)),
        (60.0, 600 - BURST),
        (120.0, 600),
    ]
    assert [each.count for each in limit.close()] == [600]


def test_the_summary_tells_how_long_and_the_last_of_them() -> None:
    limit: LogRateLimit[int] = LogRateLimit(burst=1)
    for number, now_s in enumerate([0.0, 10.0, 20.0, 30.0]):
        limit.admit("x", number, now_s)
    assert limit.due(59.9) == []
    assert limit.due(60.0) == [Repeats(3, 20.0, 3)]
    assert limit.due(60.0) == []


def test_a_quiet_window_makes_it_new_again() -> None:
    limit: LogRateLimit[str] = LogRateLimit(burst=1)
    assert limit.admit("x", "x", 0.0)
    assert not limit.admit("x", "x", 59.9)
    assert len(limit.due(60.0)) == 1
    assert limit.due(120.0) == []
    assert limit.admit("x", "x", 120.0)


def test_numbers_make_no_new_key_but_other_words_do() -> None:
    limit: LogRateLimit[str] = LogRateLimit()
    passed = sum(limit.admit(f"frame {n} at 0x7f{n:04x}", "", 0.0) for n in range(1000))
    assert passed == DISTINCT
    assert limit.admit("frame of the door", "", 0.0)


def test_different_devices_are_different_messages() -> None:
    limit: LogRateLimit[str] = LogRateLimit()
    for _ in range(100):
        limit.admit("/dev/video0 is busy", "", 0.0)
    assert limit.admit("/dev/video1 is busy", "", 0.0)


def test_memory_is_bounded_and_what_is_forgotten_is_told() -> None:
    limit: LogRateLimit[str] = LogRateLimit(burst=1, max_keys=2)
    for text in ("a", "a", "a", "b", "a", "c", "d"):
        limit.admit(text, text, 0.0)
    assert limit.due(0.0) == [Repeats(3, 0.0, "a")]
    for number in range(10 * MAX_KEYS):
        letters = "".join(chr(97 + int(digit)) for digit in str(number))
        assert limit.admit(letters, "", 0.0)
        assert len(limit._buckets) <= 2


# A window that was noticed late began late, and held back what was last said long before.
@example(
    messages=[
        ("frame 2 is dark", 0.0, 2),
        ("frame 1 is dark", 30.0, 1),
        ("frame 1 is dark", 60.0, 1),
        ("frame 2 is dark", 60.0, 1),
    ],
    burst=1,
    distinct=DISTINCT,
    max_keys=1,
)
@example(
    messages=[("frame 2 is dark", 0.0, 2), ("disk", 90.0, 1), ("frame 2 is dark", 59.999, 1)],
    burst=1,
    distinct=DISTINCT,
    max_keys=2,
)
@given(
    messages=st.lists(
        st.tuples(st.sampled_from(TEXTS), st.sampled_from(STEPS_S), st.integers(1, 2 * BURST)),
        max_size=40,
    ),
    burst=st.sampled_from([1, 2, BURST]),
    distinct=st.sampled_from([1, 2, DISTINCT]),
    max_keys=st.sampled_from([1, 2, MAX_KEYS]),
)
def test_every_message_is_said_or_counted_and_no_window_has_too_many(
    messages: list[tuple[str, float, int]], burst: int, distinct: int, max_keys: int
) -> None:
    limit: LogRateLimit[str] = LogRateLimit(burst=burst, distinct=distinct, max_keys=max_keys)
    now_s, offered, said, counted = 0.0, 0, 0, 0
    passed_at: dict[str, list[float]] = {}
    last_at: dict[str, float] = {}
    for text, step_s, times in messages:
        now_s += step_s
        for _ in range(times):
            offered += 1
            counted += sum(repeats.count for repeats in limit.due(now_s))
            new = now_s - last_at.get(text, float("-inf")) > 2 * WINDOW_S
            admitted = limit.admit(text, text, now_s)
            said += admitted
            if admitted:
                passed_at.setdefault(text, []).append(now_s)
            if new and distinct == DISTINCT:
                assert admitted, "a message that was not said for long is new"
            last_at[text] = now_s
    counted += sum(repeats.count for repeats in limit.close())
    assert offered == said + counted
    if max_keys == MAX_KEYS:
        for times_s in passed_at.values():
            for start_s in times_s:
                within = [at for at in times_s if start_s <= at < start_s + WINDOW_S]
                assert len(within) <= 2 * burst


@pytest.mark.parametrize("calls", [100_000])
def test_a_storm_costs_a_bounded_number_of_entries(calls: int) -> None:
    limit: LogRateLimit[int] = LogRateLimit()
    said = 0
    for number in range(calls):  # over 100 seconds
        now_s = number / 1000
        said += len(limit.due(now_s))
        said += limit.admit(f"inference failed on frame {number}", number, now_s)
        said += limit.admit("inference failed", number, now_s)
    assert said == DISTINCT + BURST + 2
