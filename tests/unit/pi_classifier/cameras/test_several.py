"""Several cameras as one: whose turn it is, what a dead one costs the others, how one leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import pytest

from pi_classifier.cameras.several import SeveralCameras
from pi_classifier.cameras.stream import limited
from pi_classifier.errors import CameraUnavailable
from pi_classifier.types import Frame

PIXELS = np.zeros((1, 1, 3), np.uint8)
LONG_S = 10.0


class Steady:
    """Gives frames as often as it is asked; `count` of them, None without end."""

    def __init__(self, name: str, count: int | None = None) -> None:
        self.name = name
        self.asked = 0
        self.left = threading.Event()
        self.closed = threading.Event()
        self._count = count

    def frames(self) -> Iterator[Frame]:
        while not self.left.is_set() and self.asked != self._count:
            self.asked += 1
            yield Frame(PIXELS, self.asked - 1, self.asked * 10**9, camera=self.name)

    def stop(self) -> None:
        self.left.set()

    def close(self) -> None:
        self.closed.set()


class Hanging(Steady):
    """Never comes back from its driver once it was asked, until the test is over."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.begun = threading.Event()
        self.over = threading.Event()

    def frames(self) -> Iterator[Frame]:
        self.begun.set()
        self.over.wait()
        yield from ()


class Failing(Steady):
    """Fails when it is asked."""

    def frames(self) -> Iterator[Frame]:
        raise CameraUnavailable(f"{self.name} is gone")
        yield  # a generator, as cameras' frames are


def together(*cameras: Steady) -> SeveralCameras:
    several = SeveralCameras()
    for camera in cameras:
        several.add(camera.name, camera)
    return several


def names(frames: Iterable[Frame]) -> list[str]:
    return [frame.camera for frame in frames]


def settled(stream: Iterator[Frame], cameras: int) -> None:
    """Take frames until all cameras have given one; from then on all wait for their turn."""
    seen: set[str] = set()
    while len(seen) < cameras:
        seen.add(next(stream).camera)


def wait_until_all_offer(several: SeveralCameras) -> None:
    """Wait until every camera but the one that was served last has a frame that waits."""
    waiting = threading.Event()
    for _ in range(2000):
        if sum(reader.frame is not None for reader in several._readers) == len(several._readers):
            return
        waiting.wait(0.001)
    pytest.fail("a camera was not asked for its next frame")


def test_each_gets_its_turn_where_there_is_not_time_for_all() -> None:
    several = together(Steady("a"), Steady("b"), Steady("c"))
    stream = several.frames()
    settled(stream, 3)
    seen = []
    for _ in range(9):
        wait_until_all_offer(several)
        seen.append(next(stream).camera)
    assert len(set(seen[:3])) == 3
    assert seen == seen[:3] * 3
    several.close()


def test_a_camera_is_asked_again_only_when_its_frame_was_dealt_with() -> None:
    one = Steady("a")
    several = together(one)
    stream = several.frames()
    for count in range(1, 4):
        next(stream)
        assert one.asked == count
    several.close()


def test_one_that_hangs_keeps_no_other_waiting_and_is_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pi_classifier.cameras.several._LEAVE_S", 0.01)
    dead, alive = Hanging("dead"), Steady("alive")
    several = together(dead, alive)
    stream = several.frames()
    assert names(islice(stream, 50)) == ["alive"] * 50
    assert dead.begun.wait(LONG_S)
    several.close()
    assert alive.closed.wait(LONG_S)
    assert not dead.closed.is_set()
    dead.over.set()


def test_one_that_has_come_to_its_end_leaves_the_others() -> None:
    ended: list[str] = []
    several = SeveralCameras(on_end=ended.append)
    short, long = Steady("short", 2), Steady("long", 20)
    several.add("short", short)
    several.add("long", long)
    seen = names(several.frames())
    assert (seen.count("short"), seen.count("long")) == (2, 20)
    assert short.closed.wait(LONG_S)
    assert sorted(ended) == ["long", "short"]


def test_each_has_the_limit_for_itself() -> None:
    several = SeveralCameras(lambda frames: limited(frames, 3))
    for name in ("a", "b"):
        several.add(name, Steady(name))
    assert sorted(names(several.frames())) == ["a"] * 3 + ["b"] * 3
    several.close()


def test_a_failure_that_its_recovery_passes_on_is_raised_where_frames_are_read() -> None:
    several = together(Steady("a"), Failing("b"))
    with pytest.raises(CameraUnavailable, match="b is gone"):
        names(several.frames())
    several.close()


def test_one_may_give_up_only_when_all_others_have() -> None:
    several = together(Steady("a", 1), Hanging("b"), Hanging("c"))
    assert not several.may_give_up("b")
    assert not several.may_give_up("c")
    stream = several.frames()
    next(stream)
    assert not several.may_give_up("b")
    threading.Thread(target=next, args=(stream, None), daemon=True).start()
    reader = several._readers[-1]
    assert reader.name == "a"
    reader.wait_until_gone(time.monotonic() + LONG_S)
    assert several.may_give_up("b")  # a has ended, and c would have given up
    several.stop()


def test_a_frame_shows_that_it_is_back() -> None:
    several = together(Steady("a"), Steady("b"))
    assert not several.may_give_up("a")
    settled(several.frames(), 2)
    assert not several.may_give_up("b")
    several.close()


def test_one_takes_the_place_of_another_between_two_frames() -> None:
    garden, pond, gate = Steady("garden"), Steady("pond"), Steady("gate")
    several = together(garden, pond)
    stream = several.frames()
    settled(stream, 2)
    several.exchange({"pond"}, {"gate": gate})
    seen: set[str] = set()
    while "gate" not in seen:
        seen.add(next(stream).camera)
    assert "pond" not in seen
    assert pond.closed.is_set()  # before the other one was asked
    several.close()


def test_one_of_the_same_name_is_opened_when_the_other_has_let_go() -> None:
    before, after = Steady("pond"), Steady("pond")
    several = together(Steady("garden"), before)
    stream = several.frames()
    settled(stream, 2)
    several.exchange({"pond"}, {"pond": after})
    while not after.asked:
        next(stream)
    assert before.closed.is_set()
    several.close()
    assert after.closed.wait(LONG_S)
