"""Progress: a long step shows that it goes on; stderr may be captured meanwhile."""

from __future__ import annotations

import io
import logging
import sys
import threading

import pytest
from pi_classifier_training import progress


class Shown(io.StringIO):
    """A stderr that says when it was written to for the n-th time."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left, self.enough = times, threading.Event()

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left <= 0:
            self.enough.set()
        return super().write(text)


def test_a_bar_is_shown_again_while_nothing_advances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LOG_EVERY_S", 0.01)
    shown = Shown(20)
    with progress.Progress("converting", 3, file=shown):
        assert shown.enough.wait(20)
    assert shown.getvalue().count("converting:   0%") > 2


def test_what_cannot_be_counted_says_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(1)
    monkeypatch.setattr(sys, "stderr", shown)
    with progress.working("checking photos"):
        pass
    assert shown.getvalue().replace("\r", "\n").split("\n")[1] == "checking photos (00:00)"
    assert "%" not in shown.getvalue()


def test_a_command_of_many_steps_says_what_is_done_and_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_LOG_EVERY_S", 600)
    shown = Shown(1)
    monkeypatch.setattr(sys, "stderr", shown)
    with progress.Overall(lambda: 125.0) as overall:
        overall.doing("trying the first")
        overall.best("88.1 %")
        with progress.Progress("photos", 4) as bar:
            bar.step(3)
            assert (
                overall.line() == "2:05 left · trying the first · photos 75 % · best so far 88.1 %"
            )
        overall.say("the first is good")
        logging.getLogger("elsewhere").addHandler(handler := progress.LogHandler(shown))
        for _ in range(2):
            logging.getLogger("elsewhere").warning("a photo is broken")
        logging.getLogger("elsewhere").removeHandler(handler)
    # Neither a bar nor anything after the end.
    assert shown.getvalue().splitlines() == [
        "2:05 left · trying the first", "the first is good", "a photo is broken",
    ]  # fmt: skip


def test_time_that_is_over_does_not_stand_still() -> None:
    left = iter([0.2, -0.4, -1.0, -61.0])
    overall = progress.Overall(lambda: next(left))
    assert [overall.line() for _ in range(4)] == [
        "0:00 left", "0:00 left", "0:01 over time", "1:01 over time",
    ]  # fmt: skip


def test_a_command_of_many_steps_is_never_silent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress._LOG_EVERY_S < 3
    monkeypatch.setattr(progress, "_LOG_EVERY_S", 0.01)
    shown = Shown(10)
    monkeypatch.setattr(sys, "stderr", shown)
    with progress.Overall(lambda: 60.0):
        assert shown.enough.wait(20)
    assert set(shown.getvalue().splitlines()) == {"1:00 left"}


def test_no_thread_is_left() -> None:
    # Those of bars that were shown before may be ending still.
    before = set(threading.enumerate())
    with progress.Progress("reading", 1, file=io.StringIO()) as bar:
        [refreshing] = [
            t for t in threading.enumerate() if t.name == "progress" and t not in before
        ]
        bar.step()
    refreshing.join(20)
    assert not refreshing.is_alive()
