"""What the tests on the real picamera2 share."""

from __future__ import annotations

import selectors
from collections.abc import Iterator

import pytest

from tests.emulated_picamera2 import HARDWARE


class _Impatient(selectors.EpollSelector):
    """Looks up from waiting ten times as often."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / 10)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a camera waits for two threads of picamera2 that look up five times a second."""
    monkeypatch.setattr(selectors, "DefaultSelector", _Impatient)


@pytest.fixture(autouse=True)
def unplugged() -> Iterator[None]:
    """Every test leaves all cameras closed."""
    yield
    held = [sensor.id for sensor in HARDWARE.sensors if sensor.held_by is not None]
    HARDWARE.plug()
    assert held == []
