"""Progress: a long step shows that it goes on; stderr may be captured meanwhile."""

from __future__ import annotations

import io
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


def test_no_thread_is_left() -> None:
    with progress.Progress("reading", 1, file=io.StringIO()) as bar:
        running = [thread for thread in threading.enumerate() if thread.name == "progress"]
        bar.step()
    assert len(running) == 1
    running[0].join(20)
    assert not running[0].is_alive()
