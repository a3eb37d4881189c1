"""The emulated camera in virtual time: schedule, truth, pace, faults, refusals."""

from __future__ import annotations

import threading
from itertools import groupby, islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_classifier.cameras.emulated.camera import EmulatedCamera
from pi_classifier.cameras.emulated.scenes import BACKGROUND, LABELS
from pi_classifier.cameras.faults import FAULTS, Fault, parse_faults
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import CameraError, CameraTimeout, CameraUnavailable, ConfigError
from pi_classifier.types import Frame


class VirtualClock:
    """Time that passes only while someone waits."""

    def __init__(self) -> None:
        self.time_s = 100.0
        self.waits_s: list[float] = []

    def now_s(self) -> float:
        return self.time_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if not event.is_set():
            self.waits_s.append(timeout_s)
            self.time_s += timeout_s
        return event.is_set()


def camera(**changes: object) -> EmulatedCamera:
    values = {"width": 32, "height": 24, "realtime": False} | changes
    return EmulatedCamera(CameraSettings(**values))  # type: ignore[arg-type]


def first(camera: EmulatedCamera, count: int) -> list[Frame]:
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


def test_realtime_waits_one_period_between_frames() -> None:
    clock = VirtualClock()
    paced = EmulatedCamera(CameraSettings(width=32, height=24, fps=4), clock)
    arrivals = [clock.time_s for _ in islice(paced.frames(), 5)]
    assert arrivals == pytest.approx([100.0, 100.25, 100.5, 100.75, 101.0])


def test_a_late_consumer_loses_no_frame_and_the_schedule_slips() -> None:
    clock = VirtualClock()
    paced = EmulatedCamera(CameraSettings(width=32, height=24, fps=4), clock)
    arrivals = []
    for frame in islice(paced.frames(), 4):
        arrivals.append((frame.sequence, clock.time_s))
        if frame.sequence == 1:
            clock.time_s += 2.0
    assert arrivals == [
        (0, pytest.approx(100.0)),
        (1, pytest.approx(100.25)),
        (2, pytest.approx(102.25)),
        (3, pytest.approx(102.5)),
    ]


def test_without_realtime_nothing_is_waited_for() -> None:
    clock = VirtualClock()
    settings_ = CameraSettings(width=32, height=24, realtime=False)
    assert len(first(EmulatedCamera(settings_, clock), 5)) == 5
    assert clock.waits_s == []


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
    stalled = EmulatedCamera(settings_, clock)
    seen = []
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
    stalled = EmulatedCamera(settings_, StoppingClock())
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


def test_two_consumers_are_refused() -> None:
    shared = camera()
    stream = shared.frames()
    next(stream)
    with pytest.raises(CameraError, match="another consumer"):
        next(shared.frames())
    stream.close()  # type: ignore[attr-defined]
    assert next(shared.frames()).sequence == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected kind@frame"),
        ("stall", "expected kind@frame"),
        ("stall@", "expected kind@frame"),
        ("stall@-1", "expected kind@frame"),
        ("stall@4:x", "expected kind@frame"),
        ("stall@٤", "expected kind@frame"),
        ("stal@4", "Did you mean 'stall'"),
        ("stall@4:2", "takes no count"),
        ("drop@4:0", "1 or more"),
    ],
)
def test_senseless_faults_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_faults(("dark@1", text))


def test_faults_are_read() -> None:
    assert parse_faults(("stall@40", " drop@4:5 ", "dark@0")) == (
        Fault("stall", 40),
        Fault("drop", 4, 5),
        Fault("dark", 0, 1),
    )


def test_the_examples_of_every_fault_are_themselves_valid() -> None:
    examples = [text.split(": ")[0] for text in FAULTS.values()]
    assert [fault.kind for fault in parse_faults(examples)] == list(FAULTS)


@given(st.sampled_from([-1, 0, 1]), st.integers(1, 5), st.integers(0, 5))
def test_a_fault_covers_its_frames_and_no_other(step: int, count: int, at: int) -> None:
    fault = Fault("dark", at, count)
    assert fault.covers(at + step) == (step >= 0 and step < count)
    assert fault.covers(at + count - 1 + step) == (step <= 0 and count - 1 + step >= 0)
