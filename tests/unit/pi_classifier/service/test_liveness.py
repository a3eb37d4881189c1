from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.service.liveness import Watchdog, sufficient_limit_s

LIMIT_S = 8.0


def test_the_first_ping_is_due_at_once_and_the_next_a_quarter_later() -> None:
    watchdog = Watchdog(LIMIT_S, 0.0)
    assert watchdog.ping_due(0, 0.0, 0.0)
    assert not watchdog.ping_due(1, 0.0, 1.9)
    assert watchdog.ping_due(2, 0.0, 2.0)


def test_without_a_frame_since_the_last_ping_there_is_none() -> None:
    watchdog = Watchdog(LIMIT_S, 0.0)
    assert watchdog.ping_due(5, 0.0, 0.0)
    assert not any(watchdog.ping_due(5, 0.0, 2.0 + tick) for tick in range(100))
    assert watchdog.ping_due(6, 0.0, 103.0)


def test_who_is_knowingly_at_work_is_alive_until_the_time_is_over() -> None:
    watchdog = Watchdog(LIMIT_S, 0.0)
    assert watchdog.ping_due(5, 30.0, 0.0)
    assert watchdog.ping_due(5, 30.0, 29.9)
    assert not watchdog.ping_due(5, 30.0, 32.0)


def test_a_hang_is_told_once_each_time() -> None:
    watchdog = Watchdog(LIMIT_S, 0.0)
    watchdog.ping_due(1, 0.0, 0.0)
    assert watchdog.stuck_s(3.9) is None
    watchdog.ping_due(1, 0.0, 4.0)
    assert watchdog.stuck_s(4.0) == 4.0
    assert watchdog.stuck_s(5.0) is None
    watchdog.ping_due(2, 0.0, 6.0)
    assert watchdog.stuck_s(6.0) is None
    assert watchdog.stuck_s(10.0) == 4.0


@given(
    st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from([0.0, 0.5, 1.0, 3.0, 9.0]))),
    st.sampled_from([0.5, 8.0, 30.0]),
)
def test_pings_never_outrun_frames(steps: list[tuple[int, float]], limit_s: float) -> None:
    watchdog, frames, now_s, pings = Watchdog(limit_s, 0.0), 0, 0.0, 0
    for more, passed_s in steps:
        frames += more
        now_s += passed_s
        pings += watchdog.ping_due(frames, -1.0, now_s)
    assert pings <= frames + 1


@pytest.mark.parametrize(
    ("timeout_s", "fps", "limit_s"), [(5.0, 10.0, 30.0), (20.0, 10.0, 40.2), (5.0, 0.1, 30.0)]
)
def test_the_limit_leaves_a_camera_its_time(timeout_s: float, fps: float, limit_s: float) -> None:
    assert sufficient_limit_s(30.0, timeout_s, fps) == pytest.approx(limit_s)
