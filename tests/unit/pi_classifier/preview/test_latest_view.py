"""How views get from the frame thread to those who draw them."""

from __future__ import annotations

import threading

import pytest

from pi_classifier.preview.latest_view import LatestView, PreviewThread, View
from tests.unit.pi_classifier.preview.views import view


def test_the_newest_view_is_handed_over_and_none_twice() -> None:
    latest = LatestView()
    assert latest.after(None, 0) is None
    one, two = view(1), view(2)
    latest.put(one)
    latest.put(two)
    assert latest.after(None, 0) is two
    assert latest.after(two, 0.01) is None


def test_who_waits_is_woken_by_a_view_and_by_the_end() -> None:
    latest, received = LatestView(), []
    waiter = threading.Thread(target=lambda: received.append(latest.after(None, 10)))
    waiter.start()
    latest.put(only := view())
    waiter.join(10)
    assert received == [only]
    latest.close()
    assert latest.after(only, 10) is None


def test_a_preview_thread_shows_the_last_view_and_reports_failures() -> None:
    latest = LatestView()
    shown: list[View] = []
    thread = PreviewThread(latest, shown.append, 0.0, on_failure=lambda: None)
    latest.put(last := view(5))
    thread.close()
    assert shown[-1] is last
    failed = threading.Event()
    thread = PreviewThread(LatestView(), lambda view: None, 0.0, on_failure=failed.set)
    thread.close()
    assert not failed.is_set()

    def fail(view: View) -> None:
        raise OSError(28, "No space left on device")

    latest = LatestView()
    thread = PreviewThread(latest, fail, 0.0, on_failure=failed.set)
    latest.put(view())
    assert failed.wait(10)
    with pytest.raises(OSError, match="No space"):
        thread.close()
