"""Nothing for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pi_classifier.speech.idle_timer import Lull

LONG_S = 10.0


class Watched:
    """A lull with the test's clock; `pass_s` lets time pass and has the lull look at it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.calls = threading.Semaphore(0)
        self.count = 0
        self.lull = Lull(30.0, self._called, clock=lambda: self.now_s)

    def _called(self) -> None:
        self.count += 1
        self.calls.release()

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        with self.lull._changed:
            self.lull._changed.notify_all()

    def was_called(self, timeout_s: float = LONG_S) -> bool:
        return self.calls.acquire(timeout=timeout_s)


@pytest.fixture
def watched() -> Iterator[Watched]:
    found = Watched()
    yield found
    found.lull.close()


def test_is_noticed_once(watched: Watched) -> None:
    watched.lull.begin()
    watched.pass_s(29.9)
    watched.lull.begin()  # changes nothing
    assert watched.count == 0
    watched.pass_s(0.1)
    assert watched.was_called()
    watched.pass_s(1000)
    watched.lull.begin()
    watched.pass_s(30)
    assert watched.was_called()
    assert watched.count == 2


def test_is_called_off(watched: Watched) -> None:
    watched.lull.begin()
    watched.pass_s(29)
    watched.lull.end()
    watched.pass_s(29)
    watched.lull.begin()
    watched.pass_s(29)
    assert watched.count == 0
    watched.pass_s(1)
    assert watched.was_called()
    assert watched.count == 1


def test_nothing_happens_after_close(watched: Watched) -> None:
    watched.lull.begin()
    watched.lull.close()
    watched.lull.begin()
    watched.pass_s(100)
    assert not watched.was_called(0.01)
    assert "lull" not in {thread.name for thread in threading.enumerate()}
