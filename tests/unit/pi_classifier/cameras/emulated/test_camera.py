"""The emulated camera in virtual time: schedule, truth, pace, faults, refusals."""

from __future__ import annotations

import threading
from itertools import groupby, islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_classifier.cameras.emulated.camera import open_emulated_camera
from pi_classifier.cameras.emulated.scenes import BACKGROUND, LABELS
from pi_classifier.cameras.playback import PlayedCamera
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import CameraError, CameraTimeout, CameraUnavailable
from pi_classifier.types import Frame
from tests.virtual_clock import VirtualClock


def camera(**changes: object) -> PlayedCamera:
    values = {"width": 32, "height": 24, "realtime": False} | changes
    return open_emulated_camera(CameraSettings(**values))  # type: ignore[arg-type]


def first(camera: PlayedCamera, count: int) -> list[Frame]:
    return list(islice(camera.frames(), count))


def scenes(frames: list[Frame]) -> list[tuple[str | None, int]]:
    """Return (truth, length) of each run of frames."""
    return [(truth, len(list(run))) for truth, run in groupby(frames, lambda f: f.truth)]


@pytest.mark.parametrize("seed", range(5))
def test_ground_and_flowers_alternate_beginning_with_ground(seed: int) -> None:
    shown = scenes(first(camera(seed=seed), 700))
    flowers = [label for label, _ in shown[1::2]]
    assert {label for label, _ in shown[::2]} == {BACKGROUND}
    assert BACKGROUND not in flowers
    assert set(flowers) == set(LABELS[1:])
    assert all(one != other for one, other in pairwise(flowers))


def test_scenes_last_about_one_and_two_seconds() -> None:
    shown = scenes(first(camera(seed=1), 700))[:-1]
    assert all(8 <= length <= 14 for _, length in shown[::2])
    assert all(16 <= length <= 26 for _, length in shown[1::2])


def test_slow_cameras_still_show_enough_frames_to_decide() -> None:
    shown = scenes(first(camera(seed=1, fps=0.5), 120))[:-1]
    assert min(length for _, length in shown[::2]) >= 5
    assert min(length for _, length in shown[1::2]) >= 10


def test_rounds_never_repeat_a_flower_at_their_seam() -> None:
    # with one frame a scene would need, many rounds are cheap to look at
    from pi_classifier.cameras.emulated.camera import _flowers

    for seed in range(50):
        labels = list(islice(_flowers(np.random.default_rng(seed)), 40))
        assert all(one != other for one, other in pairwise(labels))
        assert all(set(labels[k : k + 5]) == set(LABELS[1:]) for k in range(0, 40, 5))


@settings(max_examples=20, deadline=None)
@given(fps=st.sampled_from([0.1, 1.0, 7.0, 29.97, 240.0]), count=st.sampled_from([1, 2, 17]))
def test_timestamps_follow_from_the_sequence(fps: float, count: int) -> None:
    frames = first(camera(fps=fps), count)
    assert [frame.sequence for frame in frames] == list(range(count))
    assert [frame.timestamp_ns for frame in frames] == [
        round(k * 1_000_000_000 / fps) for k in range(count)
    ]


def test_drop_leaves_a_gap() -> None:
    frames = first(camera(faults=("drop@3:5",)), 5)
    assert [frame.sequence for frame in frames] == [0, 1, 2, 8, 9]


def test_frames_after_a_gap_are_those_of_an_undisturbed_camera() -> None:
    whole = first(camera(), 40)
    for frame in first(camera(faults=("drop@3:20", "dark@30:2")), 20):
        if frame.sequence not in (30, 31):
            assert frame.pixels.tobytes() == whole[frame.sequence].pixels.tobytes()
            assert frame.truth == whole[frame.sequence].truth


def test_dark_frames_are_black_ground() -> None:
    frames = first(camera(faults=("dark@4:3",)), 10)
    black = [frame.sequence for frame in frames if not frame.pixels.any()]
    assert black == [4, 5, 6]
    assert {frames[k].truth for k in black} == {BACKGROUND}


def test_stall_times_out_and_can_be_resumed() -> None:
    clock = VirtualClock()
    settings_ = CameraSettings(width=32, height=24, timeout_s=3.0, faults=("stall@4",))
    stalled = open_emulated_camera(settings_, clock)
    seen: list[int] = []
    with pytest.raises(CameraTimeout, match="within 3 s before frame 4"):
        seen.extend(frame.sequence for frame in stalled.frames())
    assert clock.time_s == pytest.approx(100.0 + 4 * 0.1 + 3.0)
    assert [frame.sequence for frame in first(stalled, 2)] == [4, 5]


def test_stop_during_a_stall_ends_quietly() -> None:
    class StoppingClock(VirtualClock):
        def wait(self, event: threading.Event, timeout_s: float) -> bool:
            if timeout_s == 3.0:
                stalled.stop()
            return super().wait(event, timeout_s)

    settings_ = CameraSettings(width=32, height=24, timeout_s=3.0, faults=("stall@2",))
    stalled = open_emulated_camera(settings_, StoppingClock())
    assert [frame.sequence for frame in stalled.frames()] == [0, 1]


def test_error_comes_once() -> None:
    failing = camera(faults=("error@2",))
    with pytest.raises(CameraError, match="before frame 2"):
        list(failing.frames())
    assert [frame.sequence for frame in first(failing, 2)] == [2, 3]


def test_a_camera_that_disappeared_stays_away() -> None:
    gone = camera(faults=("disappear@0",))
    for _ in range(2):
        with pytest.raises(CameraUnavailable, match="disappeared"):
            next(gone.frames())
