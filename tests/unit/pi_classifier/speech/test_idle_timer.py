"""Nothing for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pi_classifier.speech.idle_timer import IdleTimer

LONG_S = 10.0


class Watched:
    """A timer on the test's clock; `pass_s` lets time pass and has the timer look at it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.calls = threading.Semaphore(0)
        self.count = 0
        self.timer = IdleTimer(30.0, self._called, clock=lambda: self.now_s)

    def _called(self) -> None:
        self.count += 1
        self.calls.release()

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        with self.timer._changed:
            self.timer._changed.notify_all()

    def was_called(self, timeout_s: float = LONG_S) -> bool:
        return self.calls.acquire(timeout=timeout_s)


@pytest.fixture
def idle() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.timer.close()


def test_is_noticed_once(idle: Watched) -> None:
    idle.timer.start()
    idle.pass_s(29.9)
    idle.timer.start()  # changes nothing
    assert idle.count == 0
    idle.pass_s(0.1)
    assert idle.was_called()
    idle.pass_s(1000)
    idle.timer.start()
    idle.pass_s(30)
    assert idle.was_called()
    assert idle.count == 2


def test_is_called_off(idle: Watched) -> None:
    idle.timer.start()
    idle.pass_s(29)
    idle.timer.cancel()
    idle.pass_s(29)
    idle.timer.start()
    idle.pass_s(29)
    assert idle.count == 0
    idle.pass_s(1)
    assert idle.was_called()
    assert idle.count == 1


def test_nothing_happens_after_close(idle: Watched) -> None:
    idle.timer.start()
    idle.timer.close()
    idle.timer.start()
    idle.pass_s(100)
    assert not idle.was_called(0.01)
    assert "idle-timer" not in {thread.name for thread in threading.enumerate()}
