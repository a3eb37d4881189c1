"""The ends of a stream of frames: limits, and one consumer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras.stream import StreamState, limited
from pi_classifier.errors import CameraClosed, CameraError
from pi_classifier.types import Frame

PIXELS = np.zeros((1, 1, 3), np.uint8)


def ten_a_second(taken: list[int]) -> Iterator[Frame]:
    for sequence in count():
        taken.append(sequence)
        yield Frame(PIXELS, sequence, 5_000 + sequence * 100_000_000)


@given(
    frames=st.sampled_from([None, 1, 2, 10, 11]),
    duration_s=st.sampled_from([None, 0.1, 0.1 + 1e-9, 0.2, 1.0]),
)
def test_limits(frames: int | None, duration_s: float | None) -> None:
    if frames is None and duration_s is None:
        return
    taken: list[int] = []
    sequences = [frame.sequence for frame in limited(ten_a_second(taken), frames, duration_s)]
    in_time = [
        n for n in range(12) if duration_s is None or n * 100_000_000 < round(duration_s * 1e9)
    ]
    assert sequences == in_time[:frames]
    if duration_s is None:
        assert len(taken) == frames, "a frame was taken beyond the limit"


def test_no_frames_at_all() -> None:
    assert list(limited(iter(()), 5, 1.0)) == []


def test_a_stream_has_one_consumer_at_a_time() -> None:
    state = StreamState("camera 7")
    with (
        state.one_consumer(),
        pytest.raises(CameraError, match="camera 7: another consumer"),
        state.one_consumer(),
    ):
        pytest.fail("two consumers")
    with state.one_consumer():
        assert not state.stopped.is_set()


def test_closed_is_stopped_and_refused() -> None:
    state = StreamState("camera 7")
    state.stop()
    state.check_open()
    state.close()
    assert state.closed
    assert state.stopped.is_set()
    with pytest.raises(CameraClosed, match="camera 7: is closed; open it again"):
        state.check_open()
